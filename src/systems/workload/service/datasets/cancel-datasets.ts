/**
 * A dataset is cancelled: every living task that reads or writes it, and then the dataset.
 *
 * Guarantees: once the order is answered it is stored that it is to be so, and a node that is killed then is followed by one that goes
 * on; it is aborted only when no task and no single job that reads it lives any more, so nothing of it runs; what a task writes is
 * aborted with its task; what is closed stays closed, and what reads it is cancelled all the same; who sends an order again gets its
 * first answer, whatever the dataset is. A task whose input was aborted, by whatever came
 * first, fails where nothing of it was split yet and is cancelled else, each with that reason. Judged by the state of each, so it runs
 * on every node at once.
 */

import { setImmediate as turn } from 'node:timers/promises';
import type { TaskEvent, TaskSnapshot } from '../../../../../machines/workload/task.js';
import { workload } from '../../../../../projections/workload/workload.js';
import { isRefusal } from '../../../../base/failure-kinds.js';
import type { SqlRow } from '../../../../base/sql.js';
import { ToldFailures } from '../../../../base/told-failures.js';
import { unlessRefused } from '../../../../base/unless-refused.js';
import type { Loop, LoopRest } from '../../../../runtime/loops/loop.js';
import { type Cancellation, cancelTask } from '../tasks/cancel-task.js';
import { endForInput } from '../tasks/task-commands.js';
import { task } from '../tasks/task-type.js';
import type { WorkloadContext } from '../workload-context.js';
import { abortCancelled, closedForEver, requestCancel } from './dataset-commands.js';
import { dataset } from './dataset-types.js';
import { firstAnswer } from './first-answer.js';
import { cancelSingles, endingReaders } from './single-readers.js';

/** Tasks that are told something at a time. */
const TASKS_AT_ONCE = 500;
const DATASETS_AT_ONCE = 100;
const BY = 'loop:workload-dataset-cancel';

const REASONS: ReadonlySet<string> = new Set([
  ...['DatasetCancelRequested', 'DatasetAborted'],
  ...['TaskRegistered', 'TaskRetried', 'TaskCancelRequested', 'TaskFinished', 'TaskFailed', 'TaskCancelled'],
]);

/** Of single jobs, for which a dataset may wait. */
const ENDS_OF_JOBS: ReadonlySet<string> = new Set(['JobFinished', 'JobFailed', 'JobCancelled']);

const LIVING = `state IN ('registered', 'splitting', 'running', 'finishing', 'cancelling')`;

export function cancelDatasets(context: WorkloadContext): Loop {
  let awaitsJobs = true;
  const refused = new ToldFailures(context.logger);
  return {
    name: 'workload-dataset-cancel',
    readModels: [workload.name],
    applied: (events) =>
      events.some(({ type }) => REASONS.has(type) || (awaitsJobs && ENDS_OF_JOBS.has(type))),
    async round({ signal }): Promise<LoopRest> {
      // What ends while it looks is not to be missed.
      awaitsJobs = true;
      let jobs = 0;
      for await (const row of cancelling(context)) {
        signal.throwIfAborted();
        jobs += await carryOn(context, row).catch((error: unknown) => {
          // One that can't be read keeps no other from its end.
          if (!isRefusal(error)) throw error;
          refused.tell(String(row['uid']), error, 'a dataset can not be aborted', { dataset: row['uid'] });
          return 0;
        });
      }
      awaitsJobs = jobs > 0;
      // What was done brings the next round.
      await endReadersOfAborted(context);
      return {};
    },
  };
}

/** All of them: what one waits for keeps no other from being aborted. */
export async function* cancelling(
  { db }: Pick<WorkloadContext, 'db'>,
  atOnce = DATASETS_AT_ONCE,
): AsyncGenerator<SqlRow> {
  for (let after = 0; Number.isFinite(after); await turn()) {
    const rows = db
      .prepare(
        `SELECT dataset_id, uid, name, remarks FROM dsm_datasets WHERE status = 'cancelling' AND dataset_id > ? ORDER BY dataset_id LIMIT ?`,
      )
      .all(after, atOnce);
    yield* rows;
    after = Number(rows.at(-1)?.['dataset_id']);
  }
}

/**
 * Resolves once it is stored that it is to be cancelled.
 * @returns whether the order with that id was carried out before
 * @throws OwlError kind `not_found`; `refused` where it is closed and nothing that lives reads it
 */
export async function orderCancel(
  context: WorkloadContext,
  uid: string,
  { reason, by, id }: Cancellation & { readonly reason: string },
): Promise<boolean> {
  const order = { name: 'cancel', uid, id, content: { reason } };
  if ((await firstAnswer(context, order, by, undefined)) !== undefined) return true;
  const isStored = await storeCancel(context, uid, { reason, by, ...(id === undefined ? {} : { id }) });
  if (isStored !== undefined) return isStored;
  // Its stream has nothing of it else, and who asks again would find nothing left to do.
  await firstAnswer(context, order, by, {});
  return false;
}

/** @returns whether it was stored before; undefined where nothing of the dataset itself changes */
async function storeCancel(
  context: WorkloadContext,
  uid: string,
  { reason, by, id }: Cancellation & { readonly reason: string },
): Promise<boolean | undefined> {
  const { system, db, readYourWrites } = context;
  const { value, context: known } = (await system.read(dataset, uid)).snapshot;
  if (value === 'closed' || known.producerTask !== null) {
    if (value !== 'aborted') await cancelTasksOf(context, uid, known.producerTask, { reason, by });
    return undefined;
  }
  try {
    const { duplicate } = await endingReaders(context, uid, () =>
      system.execute(dataset, uid, {
        ...(id === undefined ? {} : { id, asks: { name: 'cancel', content: { reason } } }),
        by,
        decide: (snapshot) => requestCancel(snapshot, uid, reason),
      }),
    );
    await readYourWrites();
    const row = db
      .prepare(`SELECT uid, name, remarks FROM dsm_datasets WHERE uid = ? AND status = 'cancelling'`)
      .get(uid);
    if (row !== undefined) await carryOn(context, row);
    return duplicate;
  } catch (error) {
    const { snapshot } = await system.read(dataset, uid);
    // It was closed just now.
    if (!isRefusal(error) || snapshot.value !== 'closed') throw error;
    await cancelTasksOf(context, uid, null, { reason, by });
    return undefined;
  }
}

/** Of one that is closed, or that a task writes: nothing of the order is to be kept but what becomes of the tasks. */
async function cancelTasksOf(
  context: WorkloadContext,
  uid: string,
  writer: string | null,
  order: Cancellation,
): Promise<void> {
  await context.readYourWrites();
  const why = { ...order, reason: `dataset ${uid} is cancelled: ${order.reason}` };
  let readers = 0;
  // Nobody goes on with it but this order.
  for (let told = TASKS_AT_ONCE; told === TASKS_AT_ONCE; await context.readYourWrites()) {
    const done = await cancelReaders(context, uid, why);
    readers = Math.max(readers, done.living);
    told = done.told;
  }
  const state = writer === null ? undefined : (await context.system.read(task, writer)).snapshot.value;
  const lives = state !== undefined && !['absent', 'finished', 'cancelled'].includes(state);
  if (writer !== null && lives) await cancelTask(context, writer, why);
  else if (readers === 0) throw closedForEver(uid);
}

/** A batch of what reads it, tasks and single jobs: those first that were not told yet. */
async function cancelReaders(context: WorkloadContext, uid: string, order: Cancellation) {
  const tasks = await cancelTasksReading(context, uid, order);
  const jobs = await cancelSingles(context, uid, order, TASKS_AT_ONCE);
  return {
    ...{ living: tasks.living + jobs.living, jobs: jobs.living },
    told: Math.max(tasks.told, jobs.told),
  };
}

async function cancelTasksReading(context: WorkloadContext, uid: string, order: Cancellation) {
  const rows = context.db
    .prepare(
      `SELECT uid, state FROM task_dat WHERE data_in_uid = ? AND ${LIVING} ORDER BY state = 'cancelling', task_id LIMIT ${TASKS_AT_ONCE}`,
    )
    .all(uid);
  const going = rows.filter(({ state }) => state !== 'cancelling');
  await Promise.all(going.map((row) => unlessRefused(() => cancelTask(context, String(row['uid']), order))));
  return { living: rows.length, told: going.length };
}

/** As far as it goes now. @returns single jobs that it waits for */
async function carryOn(context: WorkloadContext, { uid, name, remarks }: SqlRow): Promise<number> {
  const reason = `its input ${String(name)} (${String(uid)}) is cancelled: ${String(remarks)}`;
  const { living, jobs } = await cancelReaders(context, String(uid), { reason, by: BY });
  if (living > 0) return jobs;
  await context.system.execute(dataset, String(uid), { by: BY, decide: abortCancelled(String(remarks)) });
  return 0;
}

async function endReadersOfAborted(context: WorkloadContext): Promise<void> {
  const { system, db, gates } = context;
  const rows = db
    .prepare(
      `SELECT task_dat.uid, dataset.name, dataset.uid AS input FROM task_dat JOIN dsm_datasets AS dataset ON dataset.uid = data_in_uid
       WHERE ${LIVING} AND state <> 'cancelling' AND dataset.status = 'aborted' LIMIT ${TASKS_AT_ONCE}`,
    )
    .all();
  await Promise.all(
    rows.map(({ uid, name, input }) => {
      const reason = `its input ${String(name)} (${String(input)}) was aborted`;
      const decide = (snapshot: TaskSnapshot): TaskEvent[] => endForInput(snapshot, String(uid), reason);
      return unlessRefused(() =>
        gates.shut(String(uid), () => system.execute(task, String(uid), { by: BY, decide })),
      );
    }),
  );
}
