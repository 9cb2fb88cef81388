/**
 * A row of `plot_tasks` as the contract's PlotTaskStatus: everything that was kept is returned, what nobody gave is left out.
 *
 * Guarantee: a row that can't be shown is shown as far as it names its task, says so, and keeps no other from being shown.
 */

import type { Logger } from 'pino';
import { messageOf } from '../../../../base/errors.js';
import type { SqlRow, SqlValue } from '../../../../base/sql.js';
import { ToldFailures } from '../../../../base/told-failures.js';
import type { PlotTaskStatus } from '../../wire/messages.js';
import { writeReported } from '../reports/reported-fields.js';

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

/** What is known of a task and stands in no row. */
export interface BesideTheRow {
  /** Of a running task, as far as it is known. */
  readonly secondsLeft?: number | undefined;
  /** Why the row does not show all that was stored; old peers read it in the remarks. */
  readonly problem?: string;
}

export function statusMessageOf(row: SqlRow, { secondsLeft, problem }: BesideTheRow = {}): PlotTaskStatus {
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

/** @returns the same as `show`, and for a row that it throws at what names the task */
export function shownRows(
  show: (row: SqlRow) => PlotTaskStatus,
  logger: Logger,
): (row: SqlRow) => PlotTaskStatus {
  const failures = new ToldFailures(logger);
  return (row) => {
    const taskId = String(row['task_id']);
    try {
      const message = show(row);
      failures.forget(taskId);
      return message;
    } catch (error) {
      failures.tell(taskId, error, 'a task can not be shown', { taskId });
      const remarks = `this task can't be shown as it is stored (${messageOf(error)}); talent's log says more`;
      return { ...pick(row, SAME_NAME), existed: true, remarks };
    }
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
