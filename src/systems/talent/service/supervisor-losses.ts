/**
 * What becomes of tasks whose supervisor is lost, or does not have them, as decisions. Pure.
 *
 * Guarantee: one that its supervisor does not have is found again by whoever has it, and by nothing else: a supervisor that
 * comes or goes says nothing of it.
 */

import { isFinal } from '../../../../machines/talent/final-states.js';
import type { PlotTaskSnapshot, PlotTaskState } from '../../../../machines/talent/plot-task.js';
import type { PlotTaskEvent } from '../../../../machines/talent/plot-task-events.js';

/** When a task fails is told anew only if it differs by more seconds than this. */
const TELLING_DIFFERENCE_SECONDS = 30;
const MISSING = 'has no plot of it, it said at';

/**
 * Marks a task whose supervisor's lease ran out. One that has not begun has lost nothing: it waits, with the reason.
 * Times are Unix seconds.
 */
export function markLost(
  task: PlotTaskSnapshot,
  supervisor: string,
  lostAt: number,
  failAt: number,
): PlotTaskEvent[] {
  if (!isLiving(task.value) || task.context.loss !== null) return [];
  return [
    lost(task, `supervisor ${supervisor} has not been heard of since ${isoTime(lostAt)}`, lostAt, failAt),
  ];
}

export function markReturned(task: PlotTaskSnapshot): PlotTaskEvent[] {
  const { loss } = task.context;
  // Of one that its machine does not have, only who has it can say more.
  if (!isLiving(task.value) || loss === null || isMissingMark(loss.mark)) return [];
  return [{ type: 'PlotTaskSupervisorReturned', data: { remarks: loss.remarks } }];
}

/**
 * Marks a task that is under way and that the supervisor of its machine does not have, be it that what it had is gone, or that
 * it is another one with the same id. Times are Unix seconds.
 */
export function markMissing(
  task: PlotTaskSnapshot,
  supervisor: string,
  now: number,
  failAt: number,
): PlotTaskEvent[] {
  const { loss } = task.context;
  if (!isBegun(task.value) || (loss !== null && isMissingMark(loss.mark))) return [];
  return [lost(task, `supervisor ${supervisor} ${MISSING} ${isoTime(now)}`, now, failAt)];
}

/** Somebody has it after all. */
export function markFound(task: PlotTaskSnapshot): PlotTaskEvent[] {
  const { loss } = task.context;
  if (!isLiving(task.value) || loss === null || !isMissingMark(loss.mark)) return [];
  return [{ type: 'PlotTaskSupervisorReturned', data: { remarks: loss.remarks } }];
}

/** Nobody had it in time. */
export function failAsMissing(task: PlotTaskSnapshot): PlotTaskEvent[] {
  const { loss } = task.context;
  return loss !== null && isMissingMark(loss.mark) ? failAsLost(task) : [];
}

/** @param mark of a loss: what is stored of it says nothing else of its kind */
export function isMissingMark(mark: string): boolean {
  return mark.startsWith('supervisor ') && mark.includes(` ${MISSING} `);
}

/** Its supervisor stayed lost. One that has not begun has lost nothing and goes on waiting. */
export function failAsLost(task: PlotTaskSnapshot): PlotTaskEvent[] {
  const { loss } = task.context;
  if (!isBegun(task.value) || loss === null) return [];
  return [{ type: 'PlotTaskFailed', data: { remarks: `lost: ${sinceWhen(loss.mark)}` } }];
}

/** It fails later than was said, unless its supervisor returns. Times are Unix seconds. */
export function postponeFailure(now: number, failAt: number): (task: PlotTaskSnapshot) => PlotTaskEvent[] {
  return (task) => {
    const { loss } = task.context;
    if (!isBegun(task.value) || loss === null) return [];
    if (Math.abs(failAt - loss.failAt) <= TELLING_DIFFERENCE_SECONDS) return [];
    return [lost(task, sinceWhen(loss.mark), now, failAt)];
  };
}

function sinceWhen(mark: string): string {
  const [since = ''] = mark.split(';');
  return since;
}

function lost(task: PlotTaskSnapshot, since: string, lostTime: number, failAt: number): PlotTaskEvent {
  const unless = isMissingMark(since) ? 'one comes that has it' : 'it returns';
  const then = isWaiting(task.value)
    ? 'waiting for its return'
    : `fails as lost at ${isoTime(failAt)} unless ${unless}`;
  const data = { remarks: `${since}; ${then}`, lost_time: lostTime, fail_at: failAt };
  return { type: 'PlotTaskSupervisorLost', data };
}

function isLiving(state: PlotTaskState): boolean {
  return state !== 'initialized' && !isFinal(state);
}

export function isBegun(state: PlotTaskState): boolean {
  return isLiving(state) && !isWaiting(state);
}

export function isWaiting(state: PlotTaskState | undefined): boolean {
  return state === 'received' || state === 'pending';
}

function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
