/** Tasks as they are told: their message, and how a row becomes one. */

import type { z } from 'zod';
import type { SqlRow } from '../../../../base/sql.js';
import { explicit, flag, int64, list, message, number, text } from '../../../../node/operations/fields.js';

export const TASK_STATES = [
  ...['registered', 'splitting', 'running', 'finishing', 'cancelling', 'failed', 'finished', 'cancelled'],
] as const;

/** What has ended, be it not for ever. */
export const ENDED_STATES: ReadonlySet<string> = new Set(['failed', 'finished', 'cancelled']);

const some = text().optional();
const count = int64().optional();
const instant = number(undefined, { description: 'Unix seconds' });

export const taskMessage = message('workload.Task', {
  ...{ task_id: count, uid: some, name: some },
  state: text(undefined, { description: TASK_STATES.join(', ') }).optional(),
  held: flag().optional(),
  ...{ executable: some, args: some, rank: count, device_type: some, mode: some },
  ...{ data_in_uid: some, storage_url: some, data_out_url: some, data_out_uid: some, data_log_uid: some },
  ...{ retries: count, files_per_job: count, max_failed_jobs: count },
  ...{ require_complete: flag().optional(), until_one: flag().optional() },
  ...{ timeout_seconds: explicit(int64()), memory_mib: explicit(int64()) },
  split_next: int64({ description: 'The next file that is not in a job of its level yet.' }).optional(),
  ...{ jobs_total: count, jobs_waiting: count, jobs_running: count },
  ...{ jobs_finished: count, jobs_failed: count, jobs_cancelled: count },
  ...{ create_time: instant.optional(), update_time: instant.optional(), end_time: explicit(instant) },
  remarks: text(undefined, { description: 'Why it waits, or how it ended.' }).optional(),
  revision: count,
  parent_task_id: explicit(int64({ description: 'Of the task that writes its input.' })),
  series_uid: text(undefined, { description: 'The uid of the series that it is of.' }).optional(),
});

export const taskList = message('workload.TaskList', {
  tasks: list(taskMessage),
  next_page_token: text(undefined, { description: 'Missing on the last page.' }).optional(),
});

export type TaskMessage = z.input<typeof taskMessage>;

const TEXTS = [
  ...['uid', 'name', 'state', 'executable', 'args', 'device_type', 'mode', 'data_in_uid', 'storage_url'],
  ...['data_out_url', 'data_out_uid', 'data_log_uid', 'series_uid'],
];
const NUMBERS = [
  ...['task_id', 'rank', 'retries', 'files_per_job', 'max_failed_jobs', 'timeout_seconds', 'memory_mib'],
  ...['split_next', 'jobs_total', 'jobs_waiting', 'jobs_running', 'jobs_finished', 'jobs_failed'],
  ...['jobs_cancelled', 'create_time', 'update_time', 'end_time', 'revision', 'parent_task_id'],
];
const FLAGS = ['held', 'require_complete', 'until_one'];

/** @param remarks why it waits; left out: what its row says */
export function taskMessageOf(row: SqlRow, remarks?: string): TaskMessage {
  const told = (names: readonly string[], as: (value: SqlRow[string]) => unknown) =>
    names.flatMap((name) => {
      const value = row[name];
      return value === null || value === undefined ? [] : [[name, as(value)] as const];
    });
  const said = remarks ?? row['remarks'];
  return taskMessage.parse({
    ...Object.fromEntries([
      ...told(TEXTS, String),
      ...told(NUMBERS, Number),
      ...told(FLAGS, (value) => value === 1),
    ]),
    ...(said === null || said === undefined ? {} : { remarks: String(said) }),
  });
}
