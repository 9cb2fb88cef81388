/** What is shown of datasets and their files. Guarantee: at least everything this node has acknowledged before. */

import type { z } from 'zod';
import { workload } from '../../../../../projections/workload/workload.js';
import type { SqlRow } from '../../../../base/sql.js';
import { rowAsOf } from '../../../../node/entities/as-of.js';
import { entityHistory } from '../../../../node/entities/entity-history.js';
import { asUid } from '../../../../node/entities/entity-messages.js';
import { findEntity } from '../../../../node/entities/entity-table.js';
import { answered, followed, type ServedOperation } from '../../../../node/operations/operation.js';
import { pageOf, pageTokens, readPageSize } from '../../../../node/serving/pages.js';
import { DATASET } from '../shown/entities.js';
import type { WorkloadContext } from '../workload-context.js';
import { datasetHistory, datasetStatus, listDatasets, listFiles } from './dataset-operations.js';
import { datasetRow, datasetRows, fileRows, showDataset, showFile } from './dataset-rows.js';
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

async function list({ db, readYourWrites }: WorkloadContext, request: z.output<typeof listDatasets.request>) {
  const { page_size, page_token, newest_first: newestFirst = false, status } = request;
  const size = readPageSize(page_size);
  const tokens = pageTokens({ of: 'datasets', newestFirst, status }, ['number']);
  const after = placeIn(tokens.read(page_token));
  await readYourWrites();
  const rows = datasetRows(db, { after, limit: size + 1, status, newestFirst });
  const placeOf = ({ dataset_id }: SqlRow) => [Number(dataset_id)];
  const { messages, nextToken } = pageOf({ rows, size, show: showDataset, placeOf, tokens });
  return { datasets: [...messages], ...(nextToken === undefined ? {} : { next_page_token: nextToken }) };
}

async function files({ db, readYourWrites }: WorkloadContext, request: z.output<typeof listFiles.request>) {
  const { uid: given, page_size, page_token, status } = request;
  const uid = asUid(given);
  const size = readPageSize(page_size);
  const tokens = pageTokens({ of: 'files', uid, status }, ['number']);
  const after = placeIn(tokens.read(page_token));
  await readYourWrites();
  datasetRow(db, uid);
  const rows = fileRows(db, uid, { after, limit: size + 1, status });
  const placeOf = ({ idx }: SqlRow) => [Number(idx)];
  const { messages, nextToken } = pageOf({ rows, size, show: showFile, placeOf, tokens });
  return { files: [...messages], ...(nextToken === undefined ? {} : { next_page_token: nextToken }) };
}

function placeIn(place: readonly (string | number)[] | undefined): number | undefined {
  return place === undefined ? undefined : Number(place[0]);
}
