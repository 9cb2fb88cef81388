/** Rows of workloads in a database of their own, written event by event as a test has them. */

import type { Test } from 'tap';
import { workload } from '../../../../projections/workload/workload.js';
import type { Database, SqlRow } from '../../../../src/base/sql.js';
import { openDatabase } from '../../../../src/base/sqlite.js';
import type { JsonObject, RecordedEvent } from '../../../../src/runtime/event-store/event-store.js';
import { tablesOf } from '../../../../src/runtime/read-models/projection.js';

const TASK: JsonObject = {
  ...{ executable: 'sort', rank: 2, device_type: 'cpu', mode: 'map', retries: 1, files_per_job: 1 },
  ...{ data_in_uid: 'in', data_out_uid: 'out', data_log_uid: 'log', data_out_url: 'file:///out' },
  ...{ max_failed_jobs: 0, require_complete: true, until_one: false },
};
export const job = (seq: number): JsonObject => ({
  ...{ task: 't', seq, level: 1, executable: 'sort', rank: 2, device_type: 'cpu', mode: 'map', retries: 1 },
  data_out_url: 'file:///out',
  inputs: [{ uid: `f${seq}`, dataset_uid: 'in', idx: seq, file_name: `f${seq}`, path: `f${seq}` }],
  outputs: [{ uid: `o${seq}`, dataset_uid: 'out', idx: seq, file_name: `o${seq}` }],
  log: { uid: `l${seq}`, dataset_uid: 'log', idx: seq, file_name: `l${seq}` },
});

export interface World {
  apply(...events: RecordedEvent[]): void;
  /** The same, by a writer of another process. */
  applyElsewhere(...events: RecordedEvent[]): void;
  /** The same, and then it is rolled back. */
  applyInVain(...events: RecordedEvent[]): void;
  /** The next one of its stream. */
  event(stream: string, type: string, data?: JsonObject): RecordedEvent;
  rows(sql: string): SqlRow[];
  /** Since it was asked last. */
  statements(): number;
}

function world(t: Test): World {
  const db = openDatabase(':memory:');
  t.teardown(() => db.close());
  for (const { table, createTable, indexes } of tablesOf(workload)) {
    db.exec(createTable(table));
    for (const index of indexes) db.exec(index);
  }
  let count = 0;
  const counting: Database = {
    exec: (sql) => db.exec(sql),
    transaction: (work) => db.transaction(work),
    prepare: (sql) => {
      const statement = db.prepare(sql);
      const counted = () => {
        count += 1;
        return statement;
      };
      return {
        run: (...values) => counted().run(...values),
        get: (...values) => counted().get(...values),
        all: (...values) => counted().all(...values),
        iterate: (...values) => counted().iterate(...values),
      };
    },
  };
  const [first = '', ...others] = tablesOf(workload).map(({ table }) => table);
  const writer = workload.writer(counting, first, ...others);
  const elsewhere = workload.writer(counting, first, ...others);
  const revisions = new Map<string, number>();
  let position = 0;
  return {
    apply: (...events) => db.transaction(() => writer.apply(events)),
    applyElsewhere: (...events) => db.transaction(() => elsewhere.apply(events)),
    applyInVain: (...events) => {
      const rolledBack = new Error('rolled back');
      try {
        db.transaction(() => {
          writer.apply(events);
          throw rolledBack;
        });
      } catch (error) {
        if (error !== rolledBack) throw error;
      }
    },
    event: (stream, type, data = {}) => {
      const revision = (revisions.get(stream) ?? -1) + 1;
      revisions.set(stream, revision);
      const id = `${stream}/${revision}`;
      return {
        ...{ stream, revision, id, type, version: 1, data, position: String(++position).padStart(8, '0') },
        metadata: { time: 1_000, $correlationId: id, $causationId: id },
      };
    },
    rows: (sql) => db.prepare(sql).all(),
    statements: () => {
      const counted = count;
      count = 0;
      return counted;
    },
  };
}

export function begun(t: Test): World {
  const made = world(t);
  const { apply, event } = made;
  apply(
    event('wl_dataset-in', 'DatasetRegistered', { name: 'in', storage_url: 'file:///in' }),
    event('wl_dataset-out', 'DatasetRegistered', { name: 'out', producer_task: 't', produces: 'output' }),
    event('wl_task-t', 'TaskRegistered', TASK),
    event('wl_dataset-out', 'DatasetFilesAdded', {
      ...{ first_idx: 0, declared: true },
      files: Array.from({ length: 24 }, (_, i) => ({ name: `o${i}`, path: `o${i}` })),
    }),
  );
  made.statements();
  return made;
}
