/** Given these events, when a peer asks for this, then these events follow, or this refusal; and the machine takes them all. */

import t from 'tap';
import {
  type PlotTaskState,
  RECORDED_STATES,
  type PlotTaskSnapshot as Task,
} from '../../../../machines/talent/plot-task.js';
import type { PlotTaskEvent, PlotTaskOrder, Reported } from '../../../../machines/talent/plot-task-events.js';
import {
  plotTask,
  type Report,
  receive,
  report,
  retry,
  stop,
} from '../../../../src/systems/talent/service/plot-task-commands.js';
import {
  failAsLost,
  markLost,
  markReturned,
  postponeFailure,
} from '../../../../src/systems/talent/service/supervisor-losses.js';
import { specificationOf } from '../../../support/given.js';
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

const given = specificationOf(plotTask);

function reporting(status: PlotTaskState | undefined, more: Partial<Report> = {}): Report {
  return { status, times: {}, changes: {}, attempt: undefined, now: NOW, ...more };
}

/** What peers and loops ask of task `a`. */
const asks = {
  report: (reported: Report) => (task: Task) => report(task, 'a', reported),
  receive: (task: Task) => receive(task, ORDER),
  stop: (reason?: string) => (task: Task) => stop(task, 'a', reason),
  retry: (reason?: string) => (task: Task) => retry(task, 'a', reason, NOW),
  lose: (lostAt: number) => (task: Task) => markLost(task, 'w', lostAt, lostAt + 600),
};
const UNKNOWN = { kind: 'not_found', message: 'task a does not exist; create it first' } as const;

/** Who reports it has not begun: once the task has, that is old news. */
const isWaiting = (state: string) => state === 'received' || state === 'pending';

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
    for (const status of RECORDED_STATES) {
      const final = wanted[state] === undefined;
      const reported = given(HISTORY[state]).when(asks.report(reporting(status)));
      if (final && status !== state) {
        const message = `task a is ${state} (attempt 1); a report of ${status} changes nothing`;
        reported.then(t, { kind: 'refused', message });
        continue;
      }
      if (status === 'stopping' && state !== 'stopping') {
        const message = `task a is ${state}; a stop is asked for with plot_task_stop, not reported`;
        reported.then(t, { kind: 'refused', message });
        continue;
      }
      if (status === 'received' && state !== 'received') {
        const message = `task a is ${state}; a report of received changes nothing`;
        reported.then(t, { kind: 'refused', message });
        continue;
      }
      const types = reported.events().map(({ type }) => type);
      t.strictSame(types, wanted[state]?.[status] ?? [], `${state}, reported ${status}`);
      if (final) continue;
      const news = given(HISTORY[state]).when(asks.report(reporting(status, { changes: { memo: 'm' } })));
      if (status === 'pending' && !isWaiting(state)) {
        news.then(t, []);
        continue;
      }
      t.match(news.events().at(-1)?.data, { memo: 'm' }, 'what changed stands in the last event');
    }
  }
});

t.test('the times of states', async (t) => {
  const times = { started: NOW - 8, running: NOW - 4 };
  given([received])
    .when(asks.report(reporting('running', { times })))
    .then(t, [
      { type: 'PlotTaskPending', data: { pending_time: NOW - 8 } },
      { type: 'PlotTaskStarted', data: { started_time: NOW - 8 } },
      { type: 'PlotTaskRunning', data: { running_time: NOW - 4 } },
    ]);
  given([received])
    .when(asks.report(reporting('running', { times: { pending: NOW - 9, finished: NOW - 1 } })))
    .then(t, [
      { type: 'PlotTaskPending', data: { pending_time: NOW - 9 } },
      { type: 'PlotTaskStarted', data: { started_time: NOW } },
      { type: 'PlotTaskRunning', data: { running_time: NOW } },
    ]);
  const again = asks.report(reporting('started', { times: { started: NOW - 1 } }));
  given(HISTORY.started).when(again).then(t, [], 'a state that is reached keeps its time');
});

t.test('a report of what is known changes nothing, also in a final state', async (t) => {
  for (const state of RECORDED_STATES) {
    given(HISTORY[state])
      .when(asks.report(reporting(state)))
      .then(t, [], state);
    given(HISTORY[state])
      .when(asks.report(reporting(undefined)))
      .then(t, [], state);
  }
  const news = asks.report(reporting(undefined, { changes: { progress: 4 } }));
  given([received])
    .when(news)
    .then(t, [{ type: 'PlotTaskReported', data: { progress: 4 } }]);
  given(HISTORY.finished).when(news).then(t, {
    kind: 'refused',
    message: 'task a is finished (attempt 1); a report of progress changes nothing',
  });
});

t.test('reports about tasks and attempts that are not there', async (t) => {
  given([])
    .when(asks.report(reporting('running')))
    .then(t, UNKNOWN);
  const second = given([...HISTORY.failed, retried]);
  second.when(asks.report(reporting('running', { attempt: 1 }))).then(t, {
    kind: 'refused',
    message: 'task a is at attempt 2; a report about attempt 1 changes nothing',
  });
  t.equal(second.when(asks.report(reporting('running', { attempt: 2 }))).events().length, 3);
  second.when(asks.report(reporting('running', { changes: { plot_id: 'p1' } }))).then(t, {
    kind: 'refused',
    message: /^plot p1 is of an earlier attempt of task a/,
  });
  t.equal(second.when(asks.report(reporting('running', { changes: { plot_id: 'p2' } }))).events().length, 3);
});

t.test('receive', async (t) => {
  given([])
    .when(asks.receive)
    .then(t, [received], { value: 'received', context: { order: ORDER } });
  for (const state of RECORDED_STATES) {
    given(HISTORY[state])
      .when(asks.receive)
      .then(t, {
        kind: 'refused',
        message: `task a exists already and is ${state}`,
      });
  }
});

t.test('stop', async (t) => {
  for (const state of ['received', 'pending', 'started', 'running'] as const) {
    const task = given(HISTORY[state]);
    const value = state === 'received' || state === 'pending' ? 'stopped' : 'stopping';
    task
      .when(asks.stop('sold'))
      .then(t, [{ type: 'PlotTaskStopRequested', data: { remarks: 'sold' } }], state, { value });
    const remarks = value === 'stopped' ? 'stopped before it was started' : 'stopped on request';
    task.when(asks.stop()).then(t, [{ type: 'PlotTaskStopRequested', data: { remarks } }], state, { value });
  }
  for (const state of ['stopping', 'stopped'] as const)
    given(HISTORY[state]).when(asks.stop('x')).then(t, []);
  for (const state of ['failed', 'finished'] as const)
    given(HISTORY[state])
      .when(asks.stop('x'))
      .then(t, { kind: 'refused', message: /nothing to stop/ });
  given([]).when(asks.stop('x')).then(t, UNKNOWN);
});

t.test('remarks of what is over speak of how it ended, where its reporter says nothing', async (t) => {
  const waited: PlotTaskEvent = {
    type: 'PlotTaskPending',
    data: { pending_time: NOW - 90, remarks: 'no room on /ssd' },
  };
  const made: PlotTaskEvent = {
    type: 'PlotTaskStarted',
    data: { started_time: NOW - 80, remarks: 'made by plotter chia' },
  };
  const halted: PlotTaskEvent = { type: 'PlotTaskReported', data: { remarks: 'suspended by the operator' } };
  const begun = [received, waited, started, running];
  const stopping: PlotTaskEvent = { type: 'PlotTaskStopRequested', data: { remarks: 'sold' } };
  type End = 'finished' | 'stopped' | 'failed';
  const ends: [events: readonly PlotTaskEvent[], status: End, remarks: string | undefined][] = [
    [begun, 'finished', 'finished'],
    [[...begun, halted], 'finished', 'finished'],
    [[received, waited, made, running], 'finished', undefined],
    [[received, pending, started, running], 'finished', undefined],
    [[...begun, stopping], 'finished', 'finished before it could be stopped'],
    [[...begun, stopping], 'stopped', undefined],
    [begun, 'stopped', 'stopped'],
    [begun, 'failed', 'failed, and nobody said why'],
  ];
  const eventOf = {
    finished: (data: Reported): PlotTaskEvent => ({
      type: 'PlotTaskFinished',
      data: { ...data, finished_time: NOW },
    }),
    stopped: (data: Reported): PlotTaskEvent => ({ type: 'PlotTaskStopped', data }),
    failed: (data: Reported): PlotTaskEvent => ({ type: 'PlotTaskFailed', data }),
  };
  for (const [events, status, remarks] of ends) {
    const data = remarks === undefined ? {} : { remarks };
    given(events)
      .when(asks.report(reporting(status)))
      .then(t, [eventOf[status](data)], `${status} after ${events.at(-1)?.type}`);
  }
  given(begun)
    .when(asks.report(reporting('failed', { changes: { remarks: 'disk full' } })))
    .then(t, [failed]);
});

t.test('retry', async (t) => {
  const data = { attempt: 2, received_time: NOW, ksize: 32, threads: 4, buffer: 4096 };
  for (const state of ['stopped', 'failed', 'finished'] as const) {
    const task = given(HISTORY[state]);
    task.when(asks.retry()).then(t, [{ type: 'PlotTaskRetried', data }], { value: 'received' });
    task
      .when(asks.retry('again'))
      .then(t, [{ type: 'PlotTaskRetried', data: { ...data, remarks: 'again' } }]);
  }
  for (const state of ['received', 'pending', 'started', 'running', 'stopping'] as const)
    given(HISTORY[state])
      .when(asks.retry())
      .then(t, {
        kind: 'refused',
        message: `task a is ${state}; only a stopped, failed or finished task can be retried`,
      });
  given([]).when(asks.retry()).then(t, UNKNOWN);
  given([...HISTORY.failed, retried, failed])
    .when(asks.retry())
    .then(t, [{ type: 'PlotTaskRetried', data: { ...data, attempt: 3 } }]);
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
    task.when(asks.lose(LOST_AT)).then(t, [lost], state, { value: state });
    const marked = given([...HISTORY[state], lost]);
    marked.when(asks.lose(LOST_AT + 1)).then(t, [], 'marked already');
    marked.when(markReturned).then(t, [{ type: 'PlotTaskSupervisorReturned', data: { remarks: '' } }]);
    task.when(markReturned).then(t, [], 'not marked');
  }
  for (const state of ['initialized', 'stopped', 'failed', 'finished'] as const) {
    given(HISTORY[state]).when(asks.lose(LOST_AT)).then(t, []);
    given(HISTORY[state]).when(markReturned).then(t, []);
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
    marked.when(failAsLost).then(t, [{ type: 'PlotTaskFailed', data: { remarks: `lost: ${SINCE}` } }]);
    marked.when(postponeFailure(later, LOST_AT + 630)).then(t, [], 'no news worth an event');
    marked.when(postponeFailure(later, later + 600)).then(t, [
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
      over.when(failAsLost).then(t, [], ending.type);
      over.when(postponeFailure(later, later + 600)).then(t, [], ending.type);
    }
  }
  for (const history of [HISTORY.received, HISTORY.pending]) {
    const waiting = given([...history, lost]);
    waiting.when(failAsLost).then(t, [], 'a waiting one only waits');
    waiting.when(postponeFailure(later, later + 600)).then(t, []);
  }
});
