/**
 * The life of a plot task.
 *
 *   initialized → received → pending → started → running → finished
 *                    └─────────┴──── stop ──┬─────┴→ stopping → stopped
 *                                           └ no process yet → stopped
 *   every living state → failed;   stopped, failed, finished → (retry) → received, as the next attempt
 *
 * What it guarantees:
 * - a task begins with PlotTaskReceived and nothing else, and only once;
 * - states are passed in order: who skips one has to say so, with an event for each state in between;
 * - a stop is possible from every living state; with no process it goes straight to stopped;
 * - finishing wins over a stop that came too late, and a supervisor may report stopped without a stop request before;
 * - a final state takes nothing but a retry, so a late `running` can't bring a task back;
 * - a retry forgets what the attempt before reported, except whose plots they were;
 * - the mark of a lost supervisor stands in `remarks` for as long as it is lost or until someone has news, and what would
 *   stand there without it comes back with the supervisor;
 * - an event that is not listed for a state is not possible there; the runtime refuses it by name.
 *
 * Pure: times come in with the events, and what happens at a time is a durable timer of the actor type.
 */

import { assign, type SnapshotFrom, setup } from 'xstate';
import type { PlotTaskEvent, PlotTaskOrder, Reported } from './plot-task-events.js';

export interface PlotTaskContext {
  /** What was asked for; null before the task is received. */
  readonly order: PlotTaskOrder | null;
  /** Counts from 1; 0 before the task is received. */
  readonly attempt: number;
  /** What is known of this attempt: each field's last value. */
  readonly reported: Reported;
  /** The plotter's ids of the plots that earlier attempts made: reports of them are late ones. */
  readonly earlierPlotIds: readonly string[];
  /** While the supervisor's lease is lost. */
  readonly loss: SupervisorLoss | null;
}

/** Times are Unix seconds. */
export interface SupervisorLoss {
  /** What the loss put into `remarks`. */
  readonly mark: string;
  /** What `remarks` says apart from the loss. */
  readonly remarks: string;
  readonly lostTime: number;
  readonly failAt: number;
}

const plotTaskSetup = setup({
  types: {} as { context: PlotTaskContext; events: PlotTaskEvent },
  guards: {
    isLost: ({ context }) => context.loss !== null,
  },
  actions: {
    // The plotter may use another ksize, buffer or number of threads than asked for, and then reports it.
    receive: assign(({ event }) => {
      if (event.type !== 'PlotTaskReceived') return {};
      const { ksize, threads, buffer } = event.data;
      return { order: event.data, attempt: 1, reported: { ksize, threads, buffer } };
    }),
    report: assign(({ context: { reported, loss }, event }) => {
      const remarks = 'remarks' in event.data ? event.data.remarks : undefined;
      return {
        reported: { ...reported, ...event.data },
        ...(loss === null || remarks === undefined ? {} : { loss: { ...loss, remarks } }),
      };
    }),
    receiveAgain: assign(({ context, event }) => {
      if (event.type !== 'PlotTaskRetried') return {};
      const { attempt, ksize, threads, buffer, remarks = '' } = event.data;
      const { plot_id: plotId } = context.reported;
      return {
        attempt,
        reported: { ksize, threads, buffer, remarks },
        earlierPlotIds: plotId === undefined ? context.earlierPlotIds : [...context.earlierPlotIds, plotId],
        loss: null,
      };
    }),
    markLost: assign(({ context: { reported, loss }, event }) => {
      if (event.type !== 'PlotTaskSupervisorLost') return {};
      const { remarks: mark, lost_time: lostTime, fail_at: failAt } = event.data;
      return {
        loss: { mark, remarks: loss?.remarks ?? reported.remarks ?? '', lostTime, failAt },
        reported: { ...reported, remarks: mark },
      };
    }),
    unmarkLost: assign(({ context, event }) =>
      event.type === 'PlotTaskSupervisorReturned'
        ? { loss: null, reported: { ...context.reported, remarks: event.data.remarks } }
        : {},
    ),
  },
});

/** Possible in every living state, whatever else is. */
const whileLiving = {
  PlotTaskReported: { actions: 'report' },
  PlotTaskStopped: { target: 'stopped', actions: 'report' },
  PlotTaskFailed: { target: 'failed', actions: 'report' },
  PlotTaskSupervisorLost: { actions: 'markLost' },
  PlotTaskSupervisorReturned: { guard: 'isLost', actions: 'unmarkLost' },
} as const;

const onceFinal = { PlotTaskRetried: { target: 'received', actions: 'receiveAgain' } } as const;

export const plotTaskMachine = plotTaskSetup.createMachine({
  id: 'plot_task',
  context: { order: null, attempt: 0, reported: {}, earlierPlotIds: [], loss: null },
  initial: 'initialized',
  states: {
    initialized: {
      on: { PlotTaskReceived: { target: 'received', actions: 'receive' } },
    },
    received: {
      on: {
        ...whileLiving,
        PlotTaskPending: { target: 'pending', actions: 'report' },
        PlotTaskStopRequested: { target: 'stopped', actions: 'report' },
      },
    },
    pending: {
      on: {
        ...whileLiving,
        PlotTaskStarted: { target: 'started', actions: 'report' },
        PlotTaskStopRequested: { target: 'stopped', actions: 'report' },
      },
    },
    started: {
      on: {
        ...whileLiving,
        PlotTaskRunning: { target: 'running', actions: 'report' },
        PlotTaskStopRequested: { target: 'stopping', actions: 'report' },
      },
    },
    running: {
      on: {
        ...whileLiving,
        PlotTaskFinished: { target: 'finished', actions: 'report' },
        PlotTaskStopRequested: { target: 'stopping', actions: 'report' },
      },
    },
    stopping: {
      on: { ...whileLiving, PlotTaskFinished: { target: 'finished', actions: 'report' } },
    },
    stopped: { on: onceFinal },
    failed: { on: onceFinal },
    finished: { on: onceFinal },
  },
});

export type PlotTaskSnapshot = SnapshotFrom<typeof plotTaskMachine>;
export type PlotTaskState = PlotTaskSnapshot['value'];

/** The states that are ever recorded, in the order of an undisturbed life first. */
export const RECORDED_STATES = [
  'received',
  'pending',
  'started',
  'running',
  'finished',
  'stopping',
  'stopped',
  'failed',
] as const satisfies readonly PlotTaskState[];
