/** A row of `plot_tasks` as the contract's PlotTaskStatus: everything that was kept is returned, what nobody gave is left out. */

import type { SqlRow, SqlValue } from '../runtime/sqlite.js';
import type { PlotTaskStatus } from '../wire/messages.js';
import { writeReported } from './reported-fields.js';

/** Columns that the wire has under the same name at its top level, and that no report sets. */
const SAME_NAME = [
  'worker_id',
  'task_id',
  'status',
  'received_time',
  'pending_time',
  'started_time',
  'running_time',
  'finished_time',
  'id',
  'create_time',
  'update_time',
  'attempt',
  'revision',
] as const;

const ORDERED_DETAILS = ['fpk', 'ppk', 'cache1', 'cache2', 'dest_type', 'dest_path'] as const;

/**
 * @param secondsLeft of a running task, as far as it is known
 * @param problem why the row does not show all that was stored; old peers read it in the remarks
 */
export function statusMessageOf(row: SqlRow, secondsLeft?: number, problem?: string): PlotTaskStatus {
  const reported = writeReported(row);
  const details = typeof reported['plot_details'] === 'object' ? reported['plot_details'] : {};
  return {
    ...reported,
    ...pick(row, SAME_NAME),
    existed: true,
    ...(secondsLeft === undefined ? {} : { seconds_left: secondsLeft }),
    ...(problem === undefined ? {} : { remarks: problem, problem }),
    plot_details: {
      ...details,
      ...pick(row, ORDERED_DETAILS),
      is_started: row['started_time'] !== null,
      is_finished: row['status'] === 'finished',
    },
  };
}

function pick(row: SqlRow, names: readonly string[]): Record<string, SqlValue> {
  const picked: Record<string, SqlValue> = {};
  for (const name of names) {
    const value = row[name];
    if (value !== undefined && value !== null) picked[name] = value;
  }
  return picked;
}
