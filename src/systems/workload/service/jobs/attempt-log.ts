/**
 * What becomes of attempts, in the log of the node that stored it: one line for each that is granted and for each that ends, a warning
 * where it failed. Nothing for what goes on.
 */

import type { Logger } from 'pino';
import type { JsonObject, RecordedEvent } from '../../../../runtime/event-store/event-store.js';
import type { WorkloadContext } from '../workload-context.js';
import type { JobOrder } from './job-orders.js';

/** Whose attempt it is. */
export interface Attempted {
  readonly job: string;
  readonly task: string | undefined;
  /** That it reads. */
  readonly dataset: string | undefined;
  readonly pilot: string;
  /** Of the claim, where it is asked for. */
  readonly command?: string;
}

/** @param events what was stored: nothing where it was told before */
export function logAttempt(logger: Logger, events: readonly RecordedEvent[], of: Attempted): void {
  for (const { type, data } of events) logOne(logger, type, data, of);
}

export function attempted(
  job: string,
  order: Pick<JobOrder, 'task' | 'inputs'> | undefined,
  pilot: string,
): Attempted {
  return { job, task: order?.task, dataset: order?.inputs[0]?.datasetUid, pilot };
}

/** Of one whose order is not at hand. */
export function attemptedOf({ db }: Pick<WorkloadContext, 'db'>, job: string, pilot: string): Attempted {
  const row = db
    .prepare(
      'SELECT task.uid AS task, file.dataset_uid AS dataset FROM job_dat AS job LEFT JOIN task_dat AS task USING (task_id) LEFT JOIN file_dat AS file ON file.file_id = job.file_in_id WHERE job.id = ?',
    )
    .get(job);
  const { task, dataset } = row ?? {};
  return {
    job,
    task: typeof task === 'string' ? task : undefined,
    dataset: typeof dataset === 'string' ? dataset : undefined,
    pilot,
  };
}

function logOne(logger: Logger, type: string, data: JsonObject, of: Attempted): void {
  const { job, task, dataset, pilot, command } = of;
  const { claim_id: claim, attempt } = data;
  const told = { job, task, dataset, pilot, claim, attempt, command };
  if (type === 'JobClaimed') logger.info(told, 'job granted');
  else if (type === 'JobFinished') logger.info(told, 'job finished');
  else if (type === 'JobCancelled') logger.info({ ...told, reason: data['reason'] }, 'job cancelled');
  else if (type === 'JobAttemptFailed' || type === 'JobFailed') {
    const why = { failure: data['class'], reason: data['detail'] };
    logger.warn(
      { ...told, ...why },
      type === 'JobFailed' ? 'job failed' : 'an attempt has failed; another one follows',
    );
  }
}
