/** What is shown of datasets and their files. Guarantee: at least everything this node has acknowledged before. */

import type { z } from 'zod';
import { workload } from '../../../../../projections/workload/workload.js';
import { asUuid } from '../../../../base/uuid.js';
import { rowAsOf } from '../../../../node/entities/as-of.js';
import { entityHistory } from '../../../../node/entities/entity-history.js';
import { pageOfEntities, selectEntities } from '../../../../node/entities/entity-lists.js';
import { findEntity } from '../../../../node/entities/entity-table.js';
import { answered, followed, type ServedOperation } from '../../../../node/operations/operation.js';
import { DATASET } from '../shown/entities.js';
import type { WorkloadContext } from '../workload-context.js';
import { datasetHistory, datasetStatus, listDatasets, listFiles } from './dataset-operations.js';
import { datasetRow, fileRows, showDataset, showFile } from './dataset-rows.js';
import { dataset } from './dataset-types.js';

export function datasetQueries(context: WorkloadContext): ServedOperation[] {
  return [
    answered(datasetStatus, async ({ id, as_of: at }) => {
      await context.readYourWrites();
      const row = findEntity(context.db, DATASET, id);
      if (at === undefined) return showDataset(row);
      return showDataset(
        await rowAsOf(
          context,
          { projection: workload, type: dataset, table: DATASET, numbers: ['dataset_id'] },
          row,
          at,
        ),
      );
    }),
    answered(listDatasets, (request) => list(context, request)),
    answered(listFiles, (request) => files(context, request)),
    followed(datasetHistory, ({ id }) => entityHistory(context, { type: dataset, table: DATASET }, id)),
  ];
}

async function list(context: WorkloadContext, request: z.output<typeof listDatasets.request>) {
  const { status } = request;
  const { messages, next } = await pageOfEntities(context, request, {
    number: DATASET.number,
    query: { of: 'datasets', newestFirst: request.newest_first ?? false, status },
    look: (place) => ({ rows: selectEntities(context.db, DATASET, { status }, place), show: showDataset }),
  });
  return { datasets: messages, ...next };
}

async function files(context: WorkloadContext, request: z.output<typeof listFiles.request>) {
  const { status } = request;
  const uid = asUuid(request.uid);
  const { messages, next } = await pageOfEntities(context, request, {
    number: 'idx',
    query: { of: 'files', uid, status },
    look: (place) => {
      datasetRow(context.db, uid);
      return { rows: fileRows(context.db, uid, status, place), show: showFile };
    },
  });
  return { files: messages, ...next };
}
