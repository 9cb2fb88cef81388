/**
 * The tasks of one dataset of a series: how they stand, and what follows for the series.
 *
 * Guarantees: ids and orders of the tasks follow from the series alone, so whoever comes upon it registers the same ones, and each once; one
 * that is never to begin is registered as cancelled, so that nobody who is late begins it; a dataset counts as passed over only
 * when none of its tasks lives.
 */

import type { SeriesStep } from '../../../../../machines/workload/series.js';
import type { TaskEvent, TaskOrder, TaskSnapshot } from '../../../../../machines/workload/task.js';
import type { SqlRow } from '../../../../base/sql.js';
import { unlessRefused } from '../../../../base/unless-refused.js';
import { datasetIdOf, seriesTaskIdOf } from '../ids.js';
import { newestEvent } from '../newest-event.js';
import { cancelTask } from '../tasks/cancel-task.js';
import { retryTask } from '../tasks/task-commands.js';
import { task } from '../tasks/task-type.js';
import type { WorkloadContext } from '../workload-context.js';

export const BY = 'loop:workload-series';

/** What of a series its tasks follow from. */
export interface Plan {
  readonly uid: string;
  readonly name: string;
  readonly datasets: number;
  readonly steps: readonly SeriesStep[];
}

/** One of its datasets. */
export interface Member {
  readonly index: number;
  readonly uid: string;
  readonly name: string;
  readonly storageUrl: string | undefined;
  /** Why nothing of it is to begin. */
  readonly gone: string | undefined;
}

export type Standing =
  | { readonly kind: 'under_way' }
  | { readonly kind: 'finished' }
  | { readonly kind: 'passed_over'; readonly reason: string }
  | { readonly kind: 'failed'; readonly step: number; readonly task: string; readonly reason: string };

const FINAL: ReadonlySet<unknown> = new Set(['finished', 'cancelled']);

/** Brings the tasks of a dataset that has begun as far as they go now. @param ending why none of them is to go on */
export async function carryOn(
  context: WorkloadContext,
  plan: Plan,
  member: Member,
  ending: string | undefined,
): Promise<Standing> {
  const uids = plan.steps.map((_, step) => seriesTaskIdOf(plan.uid, member.index, step));
  const rows = uids.map((uid) => context.db.prepare('SELECT * FROM task_dat WHERE uid = ?').get(uid));
  if (rows.every((row) => row?.['state'] === 'finished')) return { kind: 'finished' };
  const reason = ending ?? member.gone ?? cancelledIn(rows);
  const missing = rows.flatMap((row, step) => (row === undefined ? [step] : []));
  for (const step of missing) await register(context, plan, { member, step, reason });
  if (reason === undefined) return await failureIn(context, rows);
  const living = rows.filter((row) => row !== undefined && !FINAL.has(row['state']));
  for (const row of living)
    if (row?.['state'] !== 'cancelling')
      await unlessRefused(() => cancelTask(context, String(row?.['uid']), { reason, by: BY }));
  // What was told now is in the rows of a later look.
  return missing.length === 0 && living.length === 0
    ? { kind: 'passed_over', reason }
    : { kind: 'under_way' };
}

/** Whose was the first, which those say that were cancelled with it. */
function cancelledIn(rows: readonly (SqlRow | undefined)[]): string | undefined {
  const found = rows.filter((row) => row?.['state'] === 'cancelled' || row?.['state'] === 'cancelling');
  const told = found.map((row) => String(row?.['remarks'] ?? ''));
  const carried = told.find((remarks) => WITH_ANOTHER.test(remarks));
  const [first] = found;
  if (first === undefined || carried !== undefined) return carried;
  const why = told[0] === '' ? '' : `: ${told[0]}`;
  return `task ${String(first['task_id'])} of it was cancelled${why}`;
}

const WITH_ANOTHER = /^task \d+ of it was cancelled/;

/**
 * The first step that has failed by itself. One whose input was incomplete only because the step before it had failed is no failure of
 * its own: it is retried once that one has finished after all.
 */
async function failureIn(context: WorkloadContext, rows: readonly (SqlRow | undefined)[]): Promise<Standing> {
  for (const [step, row] of rows.entries()) {
    if (row?.['state'] !== 'failed') continue;
    const uid = String(row['uid']);
    const before = rows[step - 1];
    const isOwn = before === undefined || Number(row['jobs_failed']) > Number(row['max_failed_jobs']);
    if (!isOwn && before['state'] !== 'finished') continue;
    if (!isOwn && (await hasFinishedSince(context, String(before['uid']), uid))) {
      const decide = retryTask(uid, 'the step before it has finished since');
      await unlessRefused(() => context.system.execute(task, uid, { by: BY, decide }));
      continue;
    }
    // It may have been retried meanwhile.
    if ((await context.system.read(task, uid)).snapshot.value !== 'failed') continue;
    const why = row['remarks'] === null ? '' : `: ${String(row['remarks'])}`;
    return { kind: 'failed', step, task: uid, reason: `task ${String(row['task_id'])} has failed${why}` };
  }
  return { kind: 'under_way' };
}

/** @param failed uid of the task that has failed */
async function hasFinishedSince(
  { runtime: { store } }: WorkloadContext,
  before: string,
  failed: string,
): Promise<boolean> {
  const finish = await newestEvent(store, `${task.category}-${before}`, 'TaskFinished');
  const failure = await newestEvent(store, `${task.category}-${failed}`, 'TaskFailed');
  return finish !== undefined && failure !== undefined && finish.position > failure.position;
}

interface One {
  readonly member: Member;
  readonly step: number;
  readonly reason: string | undefined;
}

async function register(
  { system }: WorkloadContext,
  plan: Plan,
  { member, step, reason }: One,
): Promise<void> {
  const order = orderOf(plan, member, step);
  if (order === undefined) return;
  const because = reason === undefined ? {} : { reason };
  const never: TaskEvent[] =
    reason === undefined
      ? []
      : [
          { type: 'TaskCancelRequested', data: because },
          { type: 'TaskCancelled', data: { finished: 0, failed: 0, cancelled: 0, ...because } },
        ];
  await system.execute(task, seriesTaskIdOf(plan.uid, member.index, step), {
    by: BY,
    decide: ({ value }: TaskSnapshot): TaskEvent[] =>
      value === 'absent' ? [{ type: 'TaskRegistered', data: order }, ...never] : [],
  });
}

function orderOf({ uid, name, datasets, steps }: Plan, member: Member, step: number): TaskOrder | undefined {
  const [own, before] = [steps[step], steps[step - 1]];
  if (own === undefined) return undefined;
  const id = seriesTaskIdOf(uid, member.index, step);
  const { storage_url: given, name: called = own.executable, ...payload } = own;
  const storageUrl = before === undefined ? (given ?? member.storageUrl) : before.data_out_url;
  const input =
    before === undefined ? member.uid : datasetIdOf(seriesTaskIdOf(uid, member.index, step - 1), 'output');
  return {
    ...payload,
    name: `${name} ${member.index + 1}/${datasets} ${called}`.slice(0, LONGEST_NAME),
    data_in_uid: input,
    data_out_uid: datasetIdOf(id, 'output'),
    data_log_uid: datasetIdOf(id, 'log'),
    ...(storageUrl === undefined ? {} : { storage_url: storageUrl }),
    series_uid: uid,
  };
}

const LONGEST_NAME = 200;
