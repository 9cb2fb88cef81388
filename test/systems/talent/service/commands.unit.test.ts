/** Given these events, when a peer asks for this, then these events follow, or this refusal; and the machine takes them all. */

import t, { type Test } from 'tap';
import { createActor } from 'xstate';
import {
  type PlotTaskSnapshot,
  type PlotTaskState,
  plotTaskMachine,
  RECORDED_STATES,
} from '../../../../machines/talent/plot-task.js';
import type { PlotTaskEvent, PlotTaskOrder } from '../../../../machines/talent/plot-task-events.js';
import {
  failAsLost,
  markLost,
  markReturned,
  postponeFailure,
  type Report,
  receive,
  report,
  retry,
  stop,
} from '../../../../src/systems/talent/service/plot-task-commands.js';
import { ofKind } from '../../../support/events.js';
import { ORDER as ANY_ORDER } from '../../../support/plot-task-order.js';

const NOW = 1_700_000_000;
const ORDER: PlotTaskOrder = { ...ANY_ORDER, received_time: NOW - 100 };

const received: PlotTaskEvent = { type: 'PlotTaskReceived', data: ORDER };
const pending: PlotTaskEvent = { type: 'PlotTaskPending', data: { pending_time: NOW - 90 } };
const started: PlotTaskEvent = { type: 'PlotTaskStarted', data: { started_time: NOW - 80, plot_pid: 7 } };
const running: PlotTaskEvent = { type: 'PlotTaskRunning', data: { running_time: NOW - 70, plot_id: 'p1' } };
const finished: PlotTaskEvent = { type: 'PlotTaskFinished', data: { finished_time: NOW - 10 } };
const stopRequested: PlotTaskEvent = { type: 'PlotTaskStopRequested', data: {} };
const stopped: PlotTaskEvent = { type: 'PlotTaskStopped', data: {} };
const failed: PlotTaskEvent = { type: 'PlotTaskFailed', data: { remarks: 'disk full' } };
const retried: PlotTaskEvent = {
  type: 'PlotTaskRetried',
  data: { attempt: 2, received_time: NOW - 5, ksize: 32, threads: 4, buffer: 4096 },
};

const HISTORY: Readonly<Record<PlotTaskState, readonly PlotTaskEvent[]>> = {
  initialized: [],
  received: [received],
  pending: [received, pending],
  started: [received, pending, started],
  running: [received, pending, started, running],
  stopping: [received, pending, started, running, stopRequested],
  stopped: [received, pending, started, running, stopped],
  failed: [received, pending, started, running, failed],
  finished: [received, pending, started, running, finished],
};

function given(history: readonly PlotTaskEvent[]): PlotTaskSnapshot {
  const actor = createActor(plotTaskMachine).start();
  for (const event of history) actor.send(event);
  return actor.getSnapshot();
}

function reporting(status: PlotTaskState | undefined, more: Partial<Report> = {}): Report {
  return { status, times: {}, changes: {}, attempt: undefined, now: NOW, ...more };
}

/** Then these events, which the machine takes one after another. */
function then(
  t: Test,
  task: PlotTaskSnapshot,
  events: readonly PlotTaskEvent[],
  wanted: readonly PlotTaskEvent[],
) {
  t.strictSame(events, wanted);
  const actor = createActor(plotTaskMachine, {
    snapshot: plotTaskMachine.getPersistedSnapshot(task),
  }).start();
  for (const event of events) {
    t.ok(actor.getSnapshot().can(event), `the machine takes ${event.type}`);
    actor.send(event);
  }
}

t.test('what becomes of a reported status, in every state', async (t) => {
  const [P, S, R, F] = ['PlotTaskPending', 'PlotTaskStarted', 'PlotTaskRunning', 'PlotTaskFinished'];
  const [STOP, FAIL] = ['PlotTaskStopped', 'PlotTaskFailed'];
  const ends = { stopped: [STOP], failed: [FAIL] };
  const wanted: Readonly<Record<string, Readonly<Record<string, readonly unknown[]>>>> = {
    received: {
      ...ends,
      pending: [P],
      started: [P, S],
      running: [P, S, R],
      finished: [P, S, R, F],
    },
    pending: { ...ends, started: [S], running: [S, R], finished: [S, R, F] },
    started: { ...ends, running: [R], finished: [R, F] },
    running: { ...ends, finished: [F] },
    stopping: { ...ends, finished: [F] },
  };
  for (const state of RECORDED_STATES) {
    const task = given(HISTORY[state]);
    for (const status of RECORDED_STATES) {
      const final = wanted[state] === undefined;
      if (final && status !== state) {
        t.throws(() => report(task, 'a', reporting(status)), {
          kind: 'refused',
          message: `task a is ${state} (attempt 1); a report of ${status} changes nothing`,
        });
        continue;
      }
      if (status === 'stopping' && state !== 'stopping') {
        t.throws(() => report(task, 'a', reporting(status)), {
          kind: 'refused',
          message: `task a is ${state}; a stop is asked for with plot_task_stop, not reported`,
        });
        continue;
      }
      const types = report(task, 'a', reporting(status)).map(({ type }) => type);
      t.strictSame(types, wanted[state]?.[status] ?? [], `${state}, reported ${status}`);
      const events = report(task, 'a', reporting(status, { changes: final ? {} : { memo: 'm' } }));
      then(t, task, events, events);
      if (!final) t.match(events.at(-1)?.data, { memo: 'm' }, 'what changed stands in the last event');
    }
  }
});

t.test('the times of states', async (t) => {
  const times = { started: NOW - 8, running: NOW - 4 };
  then(t, given([received]), report(given([received]), 'a', reporting('running', { times })), [
    { type: 'PlotTaskPending', data: { pending_time: NOW - 8 } },
    { type: 'PlotTaskStarted', data: { started_time: NOW - 8 } },
    { type: 'PlotTaskRunning', data: { running_time: NOW - 4 } },
  ]);
  const late = reporting('running', { times: { pending: NOW - 9, finished: NOW - 1 } });
  then(t, given([received]), report(given([received]), 'a', late), [
    { type: 'PlotTaskPending', data: { pending_time: NOW - 9 } },
    { type: 'PlotTaskStarted', data: { started_time: NOW } },
    { type: 'PlotTaskRunning', data: { running_time: NOW } },
  ]);
  const again = reporting('started', { times: { started: NOW - 1 } });
  t.strictSame(report(given(HISTORY.started), 'a', again), [], 'a state that is reached keeps its time');
});

t.test('a report of what is known changes nothing, also in a final state', async (t) => {
  for (const state of RECORDED_STATES) {
    t.strictSame(report(given(HISTORY[state]), 'a', reporting(state)), [], state);
    t.strictSame(report(given(HISTORY[state]), 'a', reporting(undefined)), [], state);
  }
  const news = reporting(undefined, { changes: { progress: 4 } });
  then(t, given([received]), report(given([received]), 'a', news), [
    { type: 'PlotTaskReported', data: { progress: 4 } },
  ]);
  t.throws(() => report(given(HISTORY.finished), 'a', news), {
    kind: 'refused',
    message: 'task a is finished (attempt 1); a report of progress changes nothing',
  });
});

t.test('reports about tasks and attempts that are not there', async (t) => {
  t.throws(() => report(given([]), 'a', reporting('running')), ofKind('not_found'));
  const second = given([...HISTORY.failed, retried]);
  t.throws(() => report(second, 'a', reporting('running', { attempt: 1 })), {
    kind: 'refused',
    message: 'task a is at attempt 2; a report about attempt 1 changes nothing',
  });
  t.equal(report(second, 'a', reporting('running', { attempt: 2 })).length, 3);
  t.throws(() => report(second, 'a', reporting('running', { changes: { plot_id: 'p1' } })), {
    kind: 'refused',
    message: /^plot p1 is of an earlier attempt of task a/,
  });
  t.equal(report(second, 'a', reporting('running', { changes: { plot_id: 'p2' } })).length, 3);
});

t.test('receive', async (t) => {
  then(t, given([]), receive(given([]), ORDER), [received]);
  for (const state of RECORDED_STATES) {
    t.throws(() => receive(given(HISTORY[state]), ORDER), {
      kind: 'refused',
      message: `task a exists already and is ${state}`,
    });
  }
});

t.test('stop', async (t) => {
  for (const state of ['received', 'pending', 'started', 'running'] as const) {
    const task = given(HISTORY[state]);
    then(t, task, stop(task, 'a', 'sold'), [{ type: 'PlotTaskStopRequested', data: { remarks: 'sold' } }]);
    then(t, task, stop(task, 'a', undefined), [{ type: 'PlotTaskStopRequested', data: {} }]);
  }
  for (const state of ['stopping', 'stopped'] as const)
    t.strictSame(stop(given(HISTORY[state]), 'a', 'x'), []);
  for (const state of ['failed', 'finished'] as const)
    t.throws(() => stop(given(HISTORY[state]), 'a', 'x'), { kind: 'refused', message: /nothing to stop/ });
  t.throws(() => stop(given([]), 'a', 'x'), ofKind('not_found'));
});

t.test('retry', async (t) => {
  for (const state of ['stopped', 'failed', 'finished'] as const) {
    const task = given([...HISTORY[state]]);
    const data = { attempt: 2, received_time: NOW, ksize: 32, threads: 4, buffer: 4096 };
    then(t, task, retry(task, 'a', undefined, NOW), [{ type: 'PlotTaskRetried', data }]);
    then(t, task, retry(task, 'a', 'again', NOW), [
      { type: 'PlotTaskRetried', data: { ...data, remarks: 'again' } },
    ]);
  }
  for (const state of ['received', 'pending', 'started', 'running', 'stopping'] as const)
    t.throws(() => retry(given(HISTORY[state]), 'a', undefined, NOW), {
      kind: 'refused',
      message: `task a is ${state};`,
    });
  t.throws(() => retry(given([]), 'a', undefined, NOW), ofKind('not_found'));
  const third = given([...HISTORY.failed, retried, failed]);
  t.match(retry(third, 'a', undefined, NOW), [{ data: { attempt: 3 } }]);
});

const LOST_AT = Date.UTC(2024, 0, 1, 12, 0, 0) / 1000;
const SINCE = 'supervisor w has not been heard of since 2024-01-01T12:00:00.000Z';

t.test('the loss of a supervisor and its return', async (t) => {
  const times = { lost_time: LOST_AT, fail_at: LOST_AT + 600 };
  const fails = `${SINCE}; fails as lost at 2024-01-01T12:10:00.000Z unless it returns`;
  for (const state of ['received', 'pending', 'started', 'running', 'stopping'] as const) {
    const task = given(HISTORY[state]);
    const waits = state === 'received' || state === 'pending';
    const lost: PlotTaskEvent = {
      type: 'PlotTaskSupervisorLost',
      data: { remarks: waits ? `${SINCE}; waiting for its return` : fails, ...times },
    };
    then(t, task, markLost(task, 'w', LOST_AT, LOST_AT + 600), [lost]);
    const marked = given([...HISTORY[state], lost]);
    t.strictSame(markLost(marked, 'w', LOST_AT + 1, LOST_AT + 601), [], 'marked already');
    then(t, marked, markReturned(marked), [{ type: 'PlotTaskSupervisorReturned', data: { remarks: '' } }]);
    t.strictSame(markReturned(task), [], 'not marked');
  }
  for (const state of ['initialized', 'stopped', 'failed', 'finished'] as const) {
    t.strictSame(markLost(given(HISTORY[state]), 'w', LOST_AT, LOST_AT + 600), []);
    t.strictSame(markReturned(given(HISTORY[state])), []);
  }
});

t.test('a task whose supervisor is given up', async (t) => {
  const lost: PlotTaskEvent = {
    type: 'PlotTaskSupervisorLost',
    data: { remarks: `${SINCE}; fails as lost`, lost_time: LOST_AT, fail_at: LOST_AT + 600 },
  };
  const returned: PlotTaskEvent = { type: 'PlotTaskSupervisorReturned', data: { remarks: '' } };
  const news: PlotTaskEvent = { type: 'PlotTaskReported', data: { remarks: 'slow disk' } };
  const later = LOST_AT + 4200;
  for (const history of [HISTORY.started, HISTORY.running, HISTORY.stopping]) {
    const marked = given([...history, lost, news]);
    then(t, marked, failAsLost(marked), [{ type: 'PlotTaskFailed', data: { remarks: `lost: ${SINCE}` } }]);
    t.strictSame(postponeFailure(later, LOST_AT + 630)(marked), [], 'no news worth an event');
    then(t, marked, postponeFailure(later, later + 600)(marked), [
      {
        type: 'PlotTaskSupervisorLost',
        data: {
          remarks: `${SINCE}; fails as lost at 2024-01-01T13:20:00.000Z unless it returns`,
          lost_time: later,
          fail_at: later + 600,
        },
      },
    ]);
    for (const ending of [returned, stopped, failed]) {
      const over = given([...history, lost, ending]);
      t.strictSame(failAsLost(over), [], ending.type);
      t.strictSame(postponeFailure(later, later + 600)(over), [], ending.type);
    }
  }
  for (const history of [HISTORY.received, HISTORY.pending]) {
    const waiting = given([...history, lost]);
    t.strictSame(failAsLost(waiting), [], 'a waiting one only waits');
    t.strictSame(postponeFailure(later, later + 600)(waiting), []);
  }
});
