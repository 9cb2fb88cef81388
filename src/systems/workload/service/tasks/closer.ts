/**
 * The closer: a loop that ends tasks whose jobs have ended, and tells jobs what their task was told: to be done again, or not to be
 * done any more.
 *
 * Guarantees: it decides from the counts of the read model, and the task judges by its own state whether these are all of its jobs and
 * were counted since the last of them was told to be done again: a finished task has no job that lives, and a cancelled one is
 * called so only when each of its jobs has ended. Jobs are told in batches, so nothing else waits for a task of a hundred thousand.
 * It runs on one node at a time, by a lease: so no other tells a job to be done again whose task counts as cancelled by then.
 */

import type { JobEvent, JobSnapshot } from '../../../../../machines/workload/job.js';
import type { TaskEvent, TaskSnapshot } from '../../../../../machines/workload/task.js';
import { workload } from '../../../../../projections/workload/workload.js';
import type { SqlRow } from '../../../../base/sql.js';
import { unlessRefused } from '../../../../base/unless-refused.js';
import type { Loop, LoopContext, LoopRest } from '../../../../runtime/loops/loop.js';
import { cancel, job, retry } from '../jobs/job-commands.js';
import type { WorkloadContext } from '../workload-context.js';
import { endTask } from './task-commands.js';
import { countedIn } from './task-rows.js';
import { task } from './task-type.js';

/** Jobs that are told something in a round. */
const JOBS_OF_A_ROUND = 500;
const LEASE_SECONDS = 5;
const BY = 'loop:workload-closer';

/** Nothing of the closer's follows from what happens to jobs and files on their way. */
const OF_NO_ACCOUNT = new Set([
  'JobQueued',
  'JobRequeued',
  'JobHintDied',
  'JobClaimed',
  'JobStarted',
  'JobRanked',
]);

export function closer(context: WorkloadContext): Loop {
  return {
    name: 'workload-closer',
    readModels: [workload.name],
    leaseSeconds: LEASE_SECONDS,
    applied: (events) =>
      events.some(
        ({ stream, type }) =>
          (stream.startsWith('wl_job-') && !OF_NO_ACCOUNT.has(type)) || stream.startsWith('wl_task-'),
      ),
    round: (loop) => round(context, loop),
  };
}

async function round(context: WorkloadContext, loop: LoopContext): Promise<LoopRest> {
  const told = [
    ...selectRetries(context).map((row) => tellRetry(context, loop, row)),
    ...selectUnwanted(context).map((row) => tellCancel(context, loop, row)),
  ];
  await Promise.all(told);
  // What was told counts already: a job that is to be done again is none that has ended.
  if (told.length > 0) await context.readYourWrites();
  for (const row of selectEnded(context)) {
    loop.assertMayAct();
    const counted = countedIn(context.db, row);
    if (counted !== undefined)
      await unlessRefused(() =>
        context.system.execute(task, String(row['uid']), {
          ...{ by: BY },
          decide: (snapshot: TaskSnapshot): TaskEvent[] => endTask(snapshot, counted),
        }),
      );
  }
  // The events of what was told bring the next round.
  return {};
}

function selectEnded({ db }: WorkloadContext): SqlRow[] {
  return db
    .prepare(
      `SELECT * FROM task_dat WHERE state IN ('running', 'finishing', 'cancelling')
       AND jobs_planned = jobs_finished + jobs_failed + jobs_cancelled ORDER BY task_id LIMIT ${JOBS_OF_A_ROUND}`,
    )
    .all();
}

/** Jobs that are to be done again. */
function selectRetries({ db }: WorkloadContext): SqlRow[] {
  return db
    .prepare(
      `SELECT job.id FROM job_dat AS job JOIN task_dat AS task USING (task_id)
       WHERE job.retry_due = 1 AND task.state IN ('splitting', 'running') LIMIT ${JOBS_OF_A_ROUND}`,
    )
    .all();
}

/**
 * Jobs that live though their task is cancelled, or that have not begun though it is to be finished. Also of tasks that have ended:
 * none is there but where a node told one to be done again that did not know of it yet.
 */
function selectUnwanted({ db }: WorkloadContext): SqlRow[] {
  return db
    .prepare(
      `SELECT job.id, task.state AS task_state, task.remarks FROM task_dat AS task INDEXED BY task_dat_ending
       CROSS JOIN job_dat AS job USING (task_id)
       WHERE task.state IN ('finishing', 'cancelling', 'finished', 'cancelled') AND task.jobs_waiting + task.jobs_running > 0
       AND job.is_over = 0 AND job.state IN ('created', 'queued', 'staging', 'running')
       AND (task.state IN ('cancelling', 'cancelled') OR job.state IN ('created', 'queued'))
       LIMIT ${JOBS_OF_A_ROUND}`,
    )
    .all();
}

async function tellRetry({ system }: WorkloadContext, loop: LoopContext, row: SqlRow): Promise<void> {
  loop.assertMayAct();
  const id = String(row['id']);
  await unlessRefused(() =>
    system.execute(job, id, {
      ...{ by: BY },
      decide: (snapshot: JobSnapshot): JobEvent[] =>
        snapshot.value === 'failed' ? retry(snapshot, id, 'its task is retried') : [],
    }),
  );
}

async function tellCancel(
  { system, config }: WorkloadContext,
  loop: LoopContext,
  row: SqlRow,
): Promise<void> {
  loop.assertMayAct();
  const id = String(row['id']);
  const isCancelled = row['task_state'] === 'cancelling' || row['task_state'] === 'cancelled';
  const why = row['remarks'] === null ? '' : `: ${String(row['remarks'])}`;
  const reason = `its task is ${isCancelled ? 'cancelled' : 'finished as it is'}${why}`;
  await unlessRefused(() =>
    system.execute(job, id, {
      ...{ by: BY },
      decide: (snapshot: JobSnapshot): JobEvent[] => {
        const { value, context } = snapshot;
        if (value === 'finished' || value === 'failed') return [];
        // What has begun by now ends by itself.
        return isCancelled || context.claim === null
          ? cancel(snapshot, id, reason, config.grace_seconds)
          : [];
      },
    }),
  );
}
