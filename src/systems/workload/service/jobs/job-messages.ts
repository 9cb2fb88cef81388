/** Jobs as the wire has them. */

import type { z } from 'zod';
import type { SqlRow } from '../../../../base/sql.js';
import { explicit, int64, list, message, number, text } from '../../../../node/operations/fields.js';

const some = text().optional();
const count = int64().optional();
const given = explicit(int64());
const amount = explicit(number());
const instant = number(undefined, { description: 'Unix seconds' }).optional();
const moment = explicit(number(undefined, { description: 'Unix seconds' }));

export const jobMessage = message('workload.Job', {
  ...{ job_id: count, uid: some, task_id: given, file_in_id: count, file_out_id: count, file_log_id: count },
  parent_job_id: explicit(int64({ description: 'Of the job that wrote its first input.' })),
  ...{ seq: count, level: count, executable: some, args: some, rank: count },
  state: text(undefined, {
    description: 'created, queued, staging, running, cancelling, failed, finished or cancelled',
  }).optional(),
  ...{ retries: count, cur_retry: given, device_type: some, mode: some, attempt: count, losses: count },
  ...{
    pilot_id: given,
    pilot: some,
    claim_id: some,
    failure_class: some,
    exit_code: given,
    exit_signal: some,
  },
  ...{ timeout_seconds: given, memory_mib: given, inputs: count, outputs: count },
  cpu_seconds: amount,
  max_rss: explicit(int64({ description: 'Bytes' })),
  ...{ create_time: instant, queued_time: moment, claimed_time: moment, time_start: moment },
  ...{ time_end: moment, update_time: instant },
  remarks: text(undefined, { description: 'Why it waits, or how it ended.' }).optional(),
  ...{ revision: count, task: text(undefined, { description: 'The uid of its task.' }).optional() },
});

export type JobMessage = z.output<typeof jobMessage>;

export const jobFileMessage = message('workload.JobFile', {
  ...{ file_id: count, file_name: some },
  type: text(undefined, { description: 'input, output or log' }).optional(),
  size: given,
  ...{ status: some, check_sum: some, time_start: moment, time_end: moment },
  ...{ dsm_file: some, dataset_uid: some, path: some, attempt: count },
  ...{ job_id: count, file_in_id: count, file_out_id: count, file_log_id: count },
  revision: int64({ description: 'Of its job, when that changed it last.' }).optional(),
});

export const jobList = message('workload.JobList', { jobs: list(jobMessage), next_page_token: some });
export const jobFilePage = message('workload.JobFilePage', {
  files: list(jobFileMessage),
  next_page_token: some,
});
export const jobFileList = message('workload.JobFileList', { files: list(jobFileMessage) });

/** Columns that have another name on the wire. */
const RENAMED: Readonly<Record<string, string>> = {
  id: 'uid',
  created_time: 'create_time',
  task_uid: 'task',
};
const FIELDS = new Set(Object.keys(jobMessage.shape));
const FILE_FIELDS = new Set(Object.keys(jobFileMessage.shape));

/** What is NULL is not there. @param row of job_dat, with `task_uid` */
export function jobMessageOf(row: SqlRow, remarks?: string): JobMessage {
  const told = remarks === undefined ? row : { ...row, remarks };
  return jobMessage.parse(fieldsOf(told, FIELDS));
}

export function jobFileMessageOf(row: SqlRow): z.output<typeof jobFileMessage> {
  return jobFileMessage.parse(fieldsOf(row, FILE_FIELDS));
}

function fieldsOf(row: SqlRow, known: ReadonlySet<string>): object {
  return Object.fromEntries(
    Object.entries(row)
      .map(([column, value]) => [RENAMED[column] ?? column, value] as const)
      .filter(([name, value]) => value !== null && known.has(name)),
  );
}
