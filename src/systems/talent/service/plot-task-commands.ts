/**
 * What peers may want of a plot task, as decisions: from the task's state and a request to the events that follow.
 *
 * Guarantees: pure and repeatable, so the runtime may run a decision again after losing a race; only what is given and
 * differs becomes an event, so the same report twice stores nothing; a refusal says which task is in which state.
 */

import { isFinal } from '../../../../machines/talent/final-states.js';
import {
  type PlotTaskSnapshot,
  type PlotTaskState,
  plotTaskMachine,
} from '../../../../machines/talent/plot-task.js';
import type { PlotTaskEvent, PlotTaskOrder, Reported } from '../../../../machines/talent/plot-task-events.js';
import { PLOT_TASK_EVENTS } from '../../../../machines/talent/plot-task-events.js';
import { OwlError } from '../../../base/errors.js';
import type { ActorType } from '../../../runtime/actors/actor-type.js';
import { lastRemarks, reasonOfStop } from './last-remarks.js';
import { isBegun, isWaiting, markFound } from './supervisor-losses.js';

export type PlotTaskType = ActorType<typeof plotTaskMachine>;

/** A plot task as the runtime knows it. When a lost one fails is no timer of its own: see give-ups.ts. */
export const plotTask: PlotTaskType = {
  category: 'plot_task',
  version: 1,
  machine: plotTaskMachine,
  events: PLOT_TASK_EVENTS,
};

export interface Report {
  /** The state the peer says the task is in; undefined when it does not say. */
  readonly status: PlotTaskState | undefined;
  /** When it came there, Unix seconds; the report's own time where the peer gives none. */
  readonly times: { readonly [S in 'pending' | 'started' | 'running' | 'finished']?: number | undefined };
  /** What differs from what the task knows. */
  readonly changes: Reported;
  /** The attempt the report is about, when the peer says. */
  readonly attempt: number | undefined;
  /** When it came in, Unix seconds. */
  readonly now: number;
}

export function receive(task: PlotTaskSnapshot, order: PlotTaskOrder): PlotTaskEvent[] {
  if (task.value !== 'initialized') {
    throw new OwlError('refused', `task ${order.task_id} exists already and is ${task.value}`);
  }
  return [{ type: 'PlotTaskReceived', data: order }];
}

/** @throws OwlError `not_found` for an unknown task, `refused` when its state does not allow the report */
export function report(task: PlotTaskSnapshot, taskId: string, told: Report): PlotTaskEvent[] {
  assertKnown(task, taskId);
  const { attempt } = task.context;
  const { status } = told;
  if (told.attempt !== undefined && told.attempt !== attempt) {
    throw new OwlError(
      'refused',
      `task ${taskId} is at attempt ${attempt}; a report about attempt ${told.attempt} changes nothing`,
    );
  }
  const changes = withLastRemarks(task, told);
  // Old log collectors know no attempts, but the plot they follow they know: it may be one that a retry gave up.
  if (changes.plot_id !== undefined && task.context.earlierPlotIds.includes(changes.plot_id)) {
    throw new OwlError(
      'refused',
      `plot ${changes.plot_id} is of an earlier attempt of task ${taskId}, which is at attempt ${attempt}; a report about it changes nothing`,
    );
  }
  const changed = Object.keys(changes).length > 0;
  if (isFinal(task.value)) {
    if (!changed && (status === undefined || status === task.value)) return [];
    throw new OwlError(
      'refused',
      `task ${taskId} is ${task.value} (attempt ${attempt}); a report of ${status ?? 'progress'} changes nothing`,
    );
  }
  // Who says so has not heard where it is.
  if (status === 'received' && task.value !== 'received')
    throw new OwlError('refused', `task ${taskId} is ${task.value}; a report of received changes nothing`);
  // It would end a plotter. What is being stopped may be told so again.
  if (status === 'stopping' && task.value !== 'stopping')
    throw new OwlError(
      'refused',
      `task ${taskId} is ${task.value}; a stop is asked for with plot_task_stop, not reported`,
    );
  // It was sent before the plotter was started.
  if (isBegun(task.value) && status === 'pending') return [];
  // Whoever reports of a plot has it.
  const found = markFound(task);
  const steps = stepsTo(task.value, status);
  if (steps.length > 0) return [...found, ...arriveAt(steps, told, changes)];
  return changed ? [...found, { type: 'PlotTaskReported', data: changes }] : found;
}

function withLastRemarks(task: PlotTaskSnapshot, { status, changes }: Report): Reported {
  const ending = changes.remarks === undefined ? lastRemarks(task, status) : undefined;
  return ending === undefined ? changes : { ...changes, remarks: ending };
}

/** Stopping what is being stopped already changes nothing. */
export function stop(task: PlotTaskSnapshot, taskId: string, reason: string | undefined): PlotTaskEvent[] {
  assertKnown(task, taskId);
  if (task.value === 'stopping' || task.value === 'stopped') return [];
  if (isFinal(task.value))
    throw new OwlError('refused', `task ${taskId} is ${task.value} already; there is nothing to stop`);
  return [{ type: 'PlotTaskStopRequested', data: { remarks: reason ?? reasonOfStop(task) } }];
}

/** Nobody is there who would end its plotter. */
export function stopByForce(
  task: PlotTaskSnapshot,
  taskId: string,
  reason: string | undefined,
): PlotTaskEvent[] {
  const requested = stop(task, taskId, reason);
  if (task.value !== 'stopping' && (requested.length === 0 || isWaiting(task.value))) return requested;
  const why = reason === undefined ? '' : `: ${reason}`;
  const remarks = `stopped by force, without word from its machine${why}`;
  return [...requested, { type: 'PlotTaskStopped', data: { remarks } }];
}

/** An operator knows what nobody reports. */
export function fail(task: PlotTaskSnapshot, taskId: string, reason: string): PlotTaskEvent[] {
  assertKnown(task, taskId);
  if (task.value === 'failed') return [];
  if (isFinal(task.value))
    throw new OwlError('refused', `task ${taskId} is ${task.value} already; it can't fail any more`);
  return [{ type: 'PlotTaskFailed', data: { remarks: `failed by the operator: ${reason}` } }];
}

export function retry(
  task: PlotTaskSnapshot,
  taskId: string,
  reason: string | undefined,
  now: number,
): PlotTaskEvent[] {
  assertKnown(task, taskId);
  const { order, attempt } = task.context;
  if (!isFinal(task.value) || order === null) {
    throw new OwlError(
      'refused',
      `task ${taskId} is ${task.value}; only a stopped, failed or finished task can be retried`,
    );
  }
  const { ksize, threads, buffer } = order;
  const remarks = reason === undefined ? {} : { remarks: reason };
  return [
    {
      type: 'PlotTaskRetried',
      data: { attempt: attempt + 1, received_time: now, ksize, threads, buffer, ...remarks },
    },
  ];
}

function assertKnown(task: PlotTaskSnapshot, taskId: string): void {
  if (task.value === 'initialized')
    throw new OwlError('not_found', `task ${taskId} does not exist; create it first`);
}

/** The states of an undisturbed life, in order. */
const ROAD: readonly PlotTaskState[] = ['received', 'pending', 'started', 'running', 'finished'];

/**
 * The states to pass on the way to the one reported. None when the task is there or beyond: old peers repeat `pending` in
 * every loop and `running` in every update, and a late one takes nobody back.
 */
function stepsTo(state: PlotTaskState, reported: PlotTaskState | undefined): readonly PlotTaskState[] {
  if (reported === undefined || reported === state) return [];
  if (reported === 'stopped' || reported === 'failed') return [reported];
  if (state === 'stopping') return reported === 'finished' ? [reported] : [];
  return ROAD.slice(ROAD.indexOf(state) + 1, ROAD.indexOf(reported) + 1);
}

/** One event for each state; what changed belongs to the last. */
function arriveAt(
  states: readonly PlotTaskState[],
  { times, now }: Pick<Report, 'times' | 'now'>,
  changes: Reported,
): PlotTaskEvent[] {
  const given: { readonly [S in PlotTaskState]?: number | undefined } = times;
  return states.map((state, index) => {
    const ahead = states.slice(index);
    // A state that was skipped was not passed later than the one behind it.
    const time = ahead.map((later) => given[later]).find((known) => known !== undefined) ?? now;
    return arrive(state, time, ahead.length === 1 ? changes : {});
  });
}

function arrive(state: PlotTaskState, time: number, changes: Reported): PlotTaskEvent {
  switch (state) {
    case 'pending':
      return { type: 'PlotTaskPending', data: { ...changes, pending_time: time } };
    case 'started':
      return { type: 'PlotTaskStarted', data: { ...changes, started_time: time } };
    case 'running':
      return { type: 'PlotTaskRunning', data: { ...changes, running_time: time } };
    case 'finished':
      return { type: 'PlotTaskFinished', data: { ...changes, finished_time: time } };
    case 'stopped':
      return { type: 'PlotTaskStopped', data: changes };
    case 'failed':
      return { type: 'PlotTaskFailed', data: changes };
    default:
      throw new OwlError('refused', `${state} is no state that can be reported`);
  }
}
