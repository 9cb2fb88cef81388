/**
 * The part of the service that has to do with series.
 *
 * Guarantees: an order is answered once it is durable, with the series as it is then; sent again under its id it gets its first answer; a
 * query shows at least everything this node has acknowledged.
 */

import type { z } from 'zod';
import { entityHistory } from '../../../../node/entities/entity-history.js';
import { pageOfEntities, selectEntities } from '../../../../node/entities/entity-lists.js';
import { carryOutOrder, makeEntity } from '../../../../node/entities/entity-orders.js';
import { findEntity } from '../../../../node/entities/entity-table.js';
import { type MetricGroup, metricGroup } from '../../../../node/metrics/metric.js';
import { type Asking, answered, followed } from '../../../../node/operations/operation.js';
import { SERIES } from '../shown/entities.js';
import type { Part, WorkloadContext } from '../workload-context.js';
import { cancel, create, series } from './series-commands.js';
import { runsSeries } from './series-loop.js';
import {
  cancelSeries,
  listSeries,
  SERIES_STATES,
  seriesHistory,
  seriesStatus,
  submitSeries,
} from './series-operations.js';
import { readSeriesOrder, type SeriesRequest } from './series-order.js';
import { showSeries } from './series-rows.js';

export function openSeries(context: WorkloadContext): Part {
  return {
    loops: [runsSeries(context)],
    operations: [
      answered(submitSeries, (request, asking) => submit(context, request, asking)),
      answered(cancelSeries, (request, asking) => order(context, request, asking)),
      answered(seriesStatus, async ({ id }) => {
        await context.readYourWrites();
        return showSeries(context, findEntity(context.db, SERIES, id), true);
      }),
      answered(listSeries, (request) => list(context, request)),
      followed(seriesHistory, ({ id }) => entityHistory(context, { type: series, table: SERIES }, id)),
    ],
    metrics: () => [seriesMetrics(context)],
  };
}

async function submit(context: WorkloadContext, request: SeriesRequest, asking: Asking) {
  const { command_id: commandId, uid: given, ...content } = request;
  const uid = await makeEntity(context, asking, {
    ...{ type: series, table: SERIES, seed: 'owl/workload/series/1', given },
    ...{ name: submitSeries.name, commandId, content },
    read: () => readSeriesOrder(context, request),
    decide: create,
  });
  return showSeries(context, findEntity(context.db, SERIES, uid), true);
}

async function order(
  context: WorkloadContext,
  { id, reason, command_id: commandId }: z.output<typeof cancelSeries.request>,
  asking: Asking,
) {
  const { db } = context;
  const uid = await carryOutOrder(context, asking, {
    ...{ type: series, name: cancelSeries.name, commandId },
    find: () => String(findEntity(db, SERIES, id)['uid']),
    content: () => (reason === undefined ? {} : { reason }),
    decide: (uid) => cancel(uid, reason),
  });
  return showSeries(context, findEntity(db, SERIES, uid), true);
}

async function list(context: WorkloadContext, request: z.output<typeof listSeries.request>) {
  const { db } = context;
  const states = [...new Set(request.state)].sort();
  const { messages, next } = await pageOfEntities(context, request, {
    number: SERIES.number,
    query: { list: 'series', states, newestFirst: request.newest_first ?? false },
    look: (place) => ({
      rows: selectEntities(db, SERIES, { state: states }, place),
      show: (row) => showSeries(context, row, false),
    }),
  });
  return { series: messages, ...next };
}

function seriesMetrics({ db }: WorkloadContext): MetricGroup {
  return metricGroup({
    name: 'workload-series',
    gather: () => db.prepare('SELECT state, count(*) AS counted FROM wl_series GROUP BY state').all(),
    metrics: [
      {
        name: 'workload_series',
        help: 'Series of datasets by state',
        type: 'gauge',
        labels: ['state'],
        samples: (rows) =>
          SERIES_STATES.map((state) => ({
            labels: { state },
            value: Number(rows.find((row) => row['state'] === state)?.['counted'] ?? 0),
          })),
      },
    ],
  });
}
