/** What loops and queries read of the row of a task. */

import type { Database, SqlRow } from '../../../../base/sql.js';
import type { Planned, Splittable } from './split.js';
import type { Counted } from './task-commands.js';

/** What the next step of it follows from. */
export function splittableOf(row: SqlRow): Splittable {
  return {
    ...{ uid: String(row['uid']), id: Number(row['task_id']) },
    ...{ order: orderIn(row), planned: plannedIn(row) },
  };
}

function plannedIn(row: SqlRow): Planned {
  return {
    chunks: Number(row['chunks']),
    jobs: Number(row['jobs_planned']),
    level: Number(row['split_level']),
    nextIdx: Number(row['split_next']),
    levelFirst: Number(row['level_first']),
    isLast: row['is_last'] === 1,
  };
}

function orderIn(row: SqlRow): Splittable['order'] {
  return {
    data_in_uid: String(row['data_in_uid']),
    files_per_job: Number(row['files_per_job']),
    require_complete: row['require_complete'] === 1,
    until_one: row['until_one'] === 1,
  };
}

/** Where jobs that were told to be done again are done so. */
const RETRIES = new Set<unknown>(['splitting', 'running']);

/** How its jobs have ended; undefined while one of them has not, is not there yet, or is to be done again. */
export function countedIn(db: Database, row: SqlRow): Counted | undefined {
  const counted = {
    finished: Number(row['jobs_finished']),
    failed: Number(row['jobs_failed']),
    cancelled: Number(row['jobs_cancelled']),
    round: Number(row['round']),
  };
  const ended = counted.finished + counted.failed + counted.cancelled;
  if (ended !== Number(row['jobs_planned'])) return undefined;
  if (!RETRIES.has(row['state'])) return counted;
  const due = db
    .prepare('SELECT 1 FROM job_dat WHERE task_id = ? AND retry_due = 1 LIMIT 1')
    .get(row['task_id'] ?? null);
  return due === undefined ? counted : undefined;
}
