/**
 * Jobs that belong to no task, and read a dataset that is cancelled.
 *
 * Guarantee: behind the answer that a dataset is to be cancelled this node makes none of them any more, and those that live are cancelled
 * and waited for, as its tasks are.
 */

import { OwlError } from '../../../../base/errors.js';
import type { SqlRow } from '../../../../base/sql.js';
import { unlessRefused } from '../../../../base/unless-refused.js';
import { job, cancel as toCancel } from '../jobs/job-commands.js';
import type { Cancellation } from '../tasks/cancel-task.js';
import type { WorkloadContext } from '../workload-context.js';

/** Of datasets that nobody begins to read. */
export const ENDED: ReadonlyMap<unknown, string> = new Map([
  ['cancelling', 'is being cancelled'],
  ['aborted', 'was aborted'],
]);

/** Who shuts it cancels the dataset; who passes makes jobs that read it. */
const gateOf = (dataset: string) => `readers/${dataset}`;

type Gates = Pick<WorkloadContext, 'gates'>;

/** @param work makes jobs that read these datasets, when it has looked at each of them */
export async function whileReadable<T>(
  { gates }: Gates,
  datasets: readonly string[],
  work: () => Promise<T>,
): Promise<T> {
  // Each goes through in the same order, so no two wait for each other.
  const through = (at: number, [first, ...others]: readonly string[]): Promise<T> =>
    first === undefined ? work() : gates.pass(gateOf(first), () => through(at + 1, others));
  return await through(0, [...new Set(datasets)].sort());
}

/**
 * @param row of a single job @param work has it done again
 * @throws OwlError kind `refused` where its input is cancelled, or was
 */
export async function whileItsInputLives<T>(
  context: WorkloadContext,
  row: SqlRow,
  work: () => Promise<T>,
): Promise<T> {
  const { db, readYourWrites } = context;
  const input = db
    .prepare('SELECT dataset_uid FROM file_dat WHERE file_id = ?')
    .get(row['file_in_id'] ?? null);
  const uid = String(input?.['dataset_uid']);
  return await whileReadable(context, [uid], async () => {
    await readYourWrites();
    const status = db.prepare('SELECT status FROM dsm_datasets WHERE uid = ?').get(uid)?.['status'];
    const why = ENDED.get(status);
    if (why !== undefined)
      throw new OwlError('refused', `job ${String(row['id'])} can not be done again: dataset ${uid} ${why}`, {
        reason: 'transition_refused',
      });
    return await work();
  });
}

/** @param store that it is to be cancelled */
export function endingReaders<T>({ gates }: Gates, dataset: string, store: () => Promise<T>): Promise<T> {
  return gates.shut(gateOf(dataset), store);
}

/** A batch of them: those first that were not told yet. */
export async function cancelSingles(
  { db, system, config }: WorkloadContext,
  dataset: string,
  { reason = 'its input is cancelled', by }: Cancellation,
  most: number,
): Promise<{ readonly living: number; readonly told: number }> {
  const rows = db
    .prepare(
      `SELECT job.id, job.state FROM job_dat AS job INDEXED BY job_dat_living JOIN file_dat AS input ON input.file_id = job.file_in_id
       WHERE job.task_id IS NULL AND job.is_over = 0 AND input.dataset_uid = ? ORDER BY job.state = 'cancelling', job.job_id LIMIT ?`,
    )
    .all(dataset, most);
  const going = rows.filter(({ state }) => state !== 'cancelling').map(({ id }) => String(id));
  await Promise.all(
    going.map((uid) =>
      unlessRefused(() =>
        system.execute(job, uid, {
          by,
          decide: (snapshot) => toCancel(snapshot, uid, reason, config.grace_seconds),
        }),
      ),
    ),
  );
  return { living: rows.length, told: going.length };
}
