/**
 * What may be wanted of a task, as decisions: from its state and a request to the events that follow.
 *
 * Guarantees: pure and repeatable; what a loop decides from its read model is judged by the task's own state, so that two nodes, or one
 * that was killed in between, plan nothing twice and end nothing early; a task whose jobs were told to be done again is not
 * ended by whoever counted them before.
 */

import type { TaskEvent, TaskOrder, TaskSnapshot } from '../../../../../machines/workload/task.js';
import { OwlError } from '../../../../base/errors.js';

/** @throws OwlError kind `exists` */
export function register(snapshot: TaskSnapshot, uid: string, order: TaskOrder | undefined): TaskEvent[] {
  if (snapshot.value !== 'absent' || order === undefined)
    throw new OwlError('exists', `there is a task ${uid} already`);
  return [{ type: 'TaskRegistered', data: order }];
}

export type Chunk = Extract<TaskEvent, { type: 'TaskJobsPlanned' }>['data'];

/** Nothing where it goes on from elsewhere by now, or may not. */
export function plan(snapshot: TaskSnapshot, chunk: Chunk): TaskEvent[] {
  const { value, context } = snapshot;
  if (!isSplittable(snapshot) || context.chunks !== chunk.chunk - 1) return [];
  return [...beginning(value), { type: 'TaskJobsPlanned', data: chunk }];
}

/** All jobs are planned. @param chunks as many as whoever says so has seen */
export function completeSplit(snapshot: TaskSnapshot, chunks: number): TaskEvent[] {
  const { value, context } = snapshot;
  if (!isSplittable(snapshot) || context.chunks !== chunks) return [];
  return [...beginning(value), { type: 'TaskSplitCompleted', data: { jobs: context.jobs } }];
}

function isSplittable({ value, context }: TaskSnapshot): boolean {
  return (value === 'registered' || value === 'splitting') && !context.held;
}

function beginning(state: TaskSnapshot['value']): TaskEvent[] {
  return state === 'registered' ? [{ type: 'TaskSplitStarted', data: {} }] : [];
}

export interface Counts {
  readonly finished: number;
  readonly failed: number;
  readonly cancelled: number;
}

/** What whoever ends a task has counted, and when. */
export interface Counted extends Counts {
  /** As often as jobs had been retried by then. */
  readonly round: number;
}

function isAll({ context }: TaskSnapshot, { finished, failed, cancelled, round }: Counted): boolean {
  return context.round === round && finished + failed + cancelled === context.jobs;
}

function countsOf({ finished, failed, cancelled }: Counted): Counts {
  return { finished, failed, cancelled };
}

/** It can't be done. Nothing while anything of it is under way. */
export function failTask(snapshot: TaskSnapshot, counted: Counted, reason: string): TaskEvent[] {
  const { value } = snapshot;
  if (value !== 'registered' && value !== 'splitting' && value !== 'running') return [];
  return isAll(snapshot, counted) ? [{ type: 'TaskFailed', data: { ...countsOf(counted), reason } }] : [];
}

/** All jobs have ended. */
export function endTask(snapshot: TaskSnapshot, counted: Counted): TaskEvent[] {
  if (!isAll(snapshot, counted)) return [];
  const counts = countsOf(counted);
  switch (snapshot.value) {
    case 'running': {
      const most = snapshot.context.order?.max_failed_jobs ?? 0;
      if (counted.failed > most)
        return [{ type: 'TaskFailed', data: { ...counts, reason: tooMany(counted.failed, most) } }];
      return [{ type: 'TaskFinished', data: counts }];
    }
    case 'finishing':
      return [{ type: 'TaskFinished', data: { ...counts, reason: 'finished as it is, as was asked' } }];
    case 'cancelling':
      return [{ type: 'TaskCancelled', data: counts }];
    default:
      return [];
  }
}

/** What it reads was aborted: it fails where no job is made, and is cancelled where some may run. */
export function endForInput(snapshot: TaskSnapshot, uid: string, reason: string): TaskEvent[] {
  const { round, jobs } = snapshot.context;
  const none = { finished: 0, failed: 0, cancelled: 0, round };
  const failed = jobs === 0 ? failTask(snapshot, none, reason) : [];
  return failed.length > 0 ? failed : cancel(uid, reason)(snapshot);
}

export function tooMany(failed: number, most: number): string {
  return `${failed} job${failed === 1 ? ' has' : 's have'} failed, and max_failed_jobs is ${most}`;
}

export type Decision = (snapshot: TaskSnapshot) => TaskEvent[];

/** An order about a task that is there. Asked for once more it changes nothing where it is so already. */
function ordered(
  uid: string,
  decide: (snapshot: TaskSnapshot, refuse: (why: string) => OwlError) => TaskEvent[],
): Decision {
  return (snapshot) => {
    if (snapshot.value === 'absent')
      throw new OwlError('not_found', `there is no task ${uid}`, { reason: 'task_not_found' });
    const refuse = (why: string) =>
      new OwlError('refused', `task ${uid} is ${String(snapshot.value)}; ${why}`, {
        reason: 'transition_refused',
      });
    return decide(snapshot, refuse);
  };
}

const because = (reason: string | undefined) => (reason === undefined ? {} : { reason });
const UNDER_WAY = new Set(['registered', 'splitting', 'running']);

export function hold(uid: string, reason: string | undefined): Decision {
  return ordered(uid, ({ value, context }, refuse) => {
    if (!UNDER_WAY.has(value)) throw refuse('only one that is registered, splitting or running can be held');
    return context.held ? [] : [{ type: 'TaskHeld', data: because(reason) }];
  });
}

export function release(uid: string, reason: string | undefined): Decision {
  return ordered(uid, ({ value, context }, refuse) => {
    if (!UNDER_WAY.has(value)) throw refuse('only one that is held can be released');
    return context.held ? [{ type: 'TaskReleased', data: because(reason) }] : [];
  });
}

export function setRank(uid: string, rank: number): Decision {
  return ordered(uid, ({ value, context }, refuse) => {
    if (!UNDER_WAY.has(value)) throw refuse('its jobs wait no more');
    return context.rank === rank ? [] : [{ type: 'TaskRanked', data: { rank } }];
  });
}

/** Softly: what runs ends, and nothing else begins. */
export function finish(uid: string, reason: string | undefined): Decision {
  return ordered(uid, ({ value }, refuse) => {
    if (value === 'finishing' || value === 'finished') return [];
    if (value === 'registered') throw refuse('nothing of it has begun: cancel it');
    if (value !== 'splitting' && value !== 'running' && value !== 'failed')
      throw refuse('it can not be finished any more');
    return [{ type: 'TaskFinishRequested', data: because(reason) }];
  });
}

export function retryTask(uid: string, reason: string | undefined): Decision {
  return ordered(uid, ({ value }, refuse) => {
    if (value !== 'failed') throw refuse('only a failed one can be retried');
    return [{ type: 'TaskRetried', data: because(reason) }];
  });
}

/**
 * One job of it is done again. The task has to say so, for a finished one has none that lives: what follows from it tells the
 * job.
 */
export function retryJob(uid: string, job: string, reason: string | undefined): Decision {
  return ordered(uid, ({ value }, refuse) => {
    if (value !== 'splitting' && value !== 'running' && value !== 'failed')
      throw refuse('no job of it can be retried');
    return [{ type: 'TaskRetried', data: { job, ...because(reason) } }];
  });
}

/** Nothing of one that is not split yet runs, so it is cancelled at once. */
export function cancel(uid: string, reason: string | undefined): Decision {
  return ordered(uid, ({ value }, refuse) => {
    if (value === 'cancelling' || value === 'cancelled') return [];
    if (value === 'finished') throw refuse('nothing of it can be cancelled');
    const asked: TaskEvent = { type: 'TaskCancelRequested', data: because(reason) };
    if (value !== 'registered') return [asked];
    return [
      asked,
      { type: 'TaskCancelled', data: { finished: 0, failed: 0, cancelled: 0, ...because(reason) } },
    ];
  });
}
