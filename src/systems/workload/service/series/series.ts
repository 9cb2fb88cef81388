/**
 * The part of the service that has to do with series.
 *
 * Guarantees: an order is answered once it is durable, with the series as it is then; sent again under its id it gets its first answer; a
 * query shows at least everything this node has acknowledged.
 */

import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import type { SqlRow } from '../../../../base/sql.js';
import { uuidOf } from '../../../../base/uuid.js';
import { entityHistory } from '../../../../node/entities/entity-history.js';
import { asUid } from '../../../../node/entities/entity-messages.js';
import { findEntity } from '../../../../node/entities/entity-table.js';
import { type MetricGroup, metricGroup } from '../../../../node/metrics/metric.js';
import { type Asking, answered, followed } from '../../../../node/operations/operation.js';
import { pageOf, pageTokens, readPageSize } from '../../../../node/serving/pages.js';
import type { JsonObject } from '../../../../runtime/event-store/event-store.js';
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
  const { system, db, readYourWrites } = context;
  const { command_id: id, uid: given, ...asked } = request;
  const uid =
    given === undefined
      ? id === undefined
        ? randomUUID()
        : uuidOf(`owl/workload/series/1/${id}`)
      : asUid(given);
  const content: JsonObject = JSON.parse(JSON.stringify(asked));
  await readYourWrites();
  // Of one that is there nothing is looked at again: the same order gets its first answer.
  const isThere = db.prepare('SELECT 1 FROM wl_series WHERE uid = ?').get(uid) !== undefined;
  const read = isThere ? undefined : readSeriesOrder(context, request);
  const { duplicate } = await system.execute(series, uid, {
    ...(id === undefined ? {} : { id }),
    asks: { name: submitSeries.name, content },
    by: asking.who,
    decide: (found) => create(found, uid, read),
  });
  asking.repeated(duplicate);
  await readYourWrites();
  return showSeries(context, findEntity(db, SERIES, uid), true);
}

async function order(
  context: WorkloadContext,
  { id, reason, command_id }: z.output<typeof cancelSeries.request>,
  asking: Asking,
) {
  const { system, db, readYourWrites } = context;
  await readYourWrites();
  const uid = String(findEntity(db, SERIES, id)['uid']);
  const { duplicate } = await system.execute(series, uid, {
    ...(command_id === undefined ? {} : { id: command_id }),
    asks: { name: cancelSeries.name, content: reason === undefined ? {} : { reason } },
    by: asking.who,
    decide: cancel(uid, reason),
  });
  asking.repeated(duplicate);
  await readYourWrites();
  return showSeries(context, findEntity(db, SERIES, uid), true);
}

async function list(context: WorkloadContext, request: z.output<typeof listSeries.request>) {
  const { newest_first: newestFirst = false } = request;
  const states = [...new Set(request.state)].sort();
  const size = readPageSize(request.page_size);
  const tokens = pageTokens({ list: 'series', states, newestFirst }, ['number']);
  const [after = newestFirst ? Number.MAX_SAFE_INTEGER : 0] = tokens.read(request.page_token) ?? [];
  await context.readYourWrites();
  const some = states.length === 0 ? '' : `AND state IN (${states.map(() => '?').join(', ')})`;
  const [behind, sorted] = newestFirst ? ['<', 'DESC'] : ['>', 'ASC'];
  const rows = context.db
    .prepare(
      `SELECT * FROM wl_series WHERE series_id ${behind} ? ${some} ORDER BY series_id ${sorted} LIMIT ?`,
    )
    .all(Number(after), ...states, size + 1);
  const show = (row: SqlRow) => showSeries(context, row, false);
  const placeOf = (row: SqlRow) => [Number(row['series_id'])];
  const { messages, nextToken } = pageOf({ rows, size, show, placeOf, tokens });
  return { series: [...messages], ...(nextToken === undefined ? {} : { next_page_token: nextToken }) };
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
