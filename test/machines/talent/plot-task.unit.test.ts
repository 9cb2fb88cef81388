/** Given what happened, when this event comes, then that state or a refusal: every state of the machine × every event. */

import t from 'tap';
import { createActor } from 'xstate';
import { type PlotTaskState, plotTaskMachine } from '../../../machines/talent/plot-task.js';
import { PLOT_TASK_EVENTS, type PlotTaskEvent } from '../../../machines/talent/plot-task-events.js';
import { ORDER } from '../../support/plot-task-order.js';

type EventType = PlotTaskEvent['type'];

const EXAMPLES: { readonly [T in EventType]: Extract<PlotTaskEvent, { type: T }> } = {
  PlotTaskReceived: { type: 'PlotTaskReceived', data: ORDER },
  PlotTaskPending: { type: 'PlotTaskPending', data: { pending_time: 1, remarks: 'no room' } },
  PlotTaskStarted: { type: 'PlotTaskStarted', data: { started_time: 2, plot_pid: 77 } },
  PlotTaskRunning: { type: 'PlotTaskRunning', data: { running_time: 3, plot_id: 'abc' } },
  PlotTaskReported: { type: 'PlotTaskReported', data: { progress: 12.5 } },
  PlotTaskFinished: { type: 'PlotTaskFinished', data: { finished_time: 4, progress: 100 } },
  PlotTaskStopRequested: { type: 'PlotTaskStopRequested', data: { remarks: 'make room' } },
  PlotTaskStopped: { type: 'PlotTaskStopped', data: { exit_signal: 'SIGTERM' } },
  PlotTaskFailed: { type: 'PlotTaskFailed', data: { remarks: 'gone', exit_code: 1 } },
  PlotTaskRetried: {
    type: 'PlotTaskRetried',
    data: { attempt: 2, received_time: 5, ksize: 32, threads: 4, buffer: 4096 },
  },
  PlotTaskSupervisorLost: {
    type: 'PlotTaskSupervisorLost',
    data: { remarks: 'lost', lost_time: 8, fail_at: 9 },
  },
  PlotTaskSupervisorReturned: { type: 'PlotTaskSupervisorReturned', data: { remarks: '' } },
};

/** How to get there. `lost` is a running task whose supervisor is lost: the mark is context, not a state of its own. */
const GIVEN: Readonly<Record<PlotTaskState | 'lost', readonly EventType[]>> = {
  initialized: [],
  received: ['PlotTaskReceived'],
  pending: ['PlotTaskReceived', 'PlotTaskPending'],
  started: ['PlotTaskReceived', 'PlotTaskPending', 'PlotTaskStarted'],
  running: ['PlotTaskReceived', 'PlotTaskPending', 'PlotTaskStarted', 'PlotTaskRunning'],
  lost: [
    'PlotTaskReceived',
    'PlotTaskPending',
    'PlotTaskStarted',
    'PlotTaskRunning',
    'PlotTaskSupervisorLost',
  ],
  stopping: ['PlotTaskReceived', 'PlotTaskPending', 'PlotTaskStarted', 'PlotTaskStopRequested'],
  stopped: ['PlotTaskReceived', 'PlotTaskStopRequested'],
  finished: ['PlotTaskReceived', 'PlotTaskPending', 'PlotTaskStarted', 'PlotTaskRunning', 'PlotTaskFinished'],
  failed: ['PlotTaskReceived', 'PlotTaskFailed'],
};

/** State × event → the state after it. What is not listed is refused. */
const THEN: Readonly<Record<keyof typeof GIVEN, Partial<Record<EventType, PlotTaskState>>>> = {
  initialized: { PlotTaskReceived: 'received' },
  received: {
    PlotTaskPending: 'pending',
    PlotTaskReported: 'received',
    PlotTaskStopRequested: 'stopped',
    PlotTaskStopped: 'stopped',
    PlotTaskFailed: 'failed',
    PlotTaskSupervisorLost: 'received',
  },
  pending: {
    PlotTaskStarted: 'started',
    PlotTaskReported: 'pending',
    PlotTaskStopRequested: 'stopped',
    PlotTaskStopped: 'stopped',
    PlotTaskFailed: 'failed',
    PlotTaskSupervisorLost: 'pending',
  },
  started: {
    PlotTaskRunning: 'running',
    PlotTaskReported: 'started',
    PlotTaskStopRequested: 'stopping',
    PlotTaskStopped: 'stopped',
    PlotTaskFailed: 'failed',
    PlotTaskSupervisorLost: 'started',
  },
  running: {
    PlotTaskReported: 'running',
    PlotTaskFinished: 'finished',
    PlotTaskStopRequested: 'stopping',
    PlotTaskStopped: 'stopped',
    PlotTaskFailed: 'failed',
    PlotTaskSupervisorLost: 'running',
  },
  lost: {
    PlotTaskReported: 'running',
    PlotTaskFinished: 'finished',
    PlotTaskStopRequested: 'stopping',
    PlotTaskStopped: 'stopped',
    PlotTaskFailed: 'failed',
    PlotTaskSupervisorLost: 'running',
    PlotTaskSupervisorReturned: 'running',
  },
  stopping: {
    PlotTaskReported: 'stopping',
    PlotTaskFinished: 'finished',
    PlotTaskStopped: 'stopped',
    PlotTaskFailed: 'failed',
    PlotTaskSupervisorLost: 'stopping',
  },
  stopped: { PlotTaskRetried: 'received' },
  finished: { PlotTaskRetried: 'received' },
  failed: { PlotTaskRetried: 'received' },
};

function taskAfter(events: readonly EventType[]) {
  const task = createActor(plotTaskMachine).start();
  for (const type of events) task.send(EXAMPLES[type]);
  return task;
}

const STATES = Object.keys(GIVEN).filter((name): name is keyof typeof GIVEN => Object.hasOwn(GIVEN, name));
const EVENTS = Object.keys(PLOT_TASK_EVENTS).filter((name): name is EventType =>
  Object.hasOwn(EXAMPLES, name),
);

t.test('the table covers every state of the machine and every event', async (t) => {
  const states = Object.keys(plotTaskMachine.states).sort();
  t.same(STATES.filter((name) => name !== 'lost').sort(), states);
  t.equal(EVENTS.length, Object.keys(PLOT_TASK_EVENTS).length);
});

for (const state of STATES) {
  t.test(`given a task that is ${state}`, async (t) => {
    t.equal(taskAfter(GIVEN[state]).getSnapshot().value, state === 'lost' ? 'running' : state);
    for (const type of EVENTS) {
      const task = taskAfter(GIVEN[state]);
      const before = task.getSnapshot();
      const expected = THEN[state][type];
      t.equal(
        before.can(EXAMPLES[type]),
        expected !== undefined,
        `${type} is ${expected ? 'possible' : 'refused'}`,
      );
      task.send(EXAMPLES[type]);
      if (expected === undefined) t.equal(task.getSnapshot(), before, `${type} changes nothing`);
      else t.equal(task.getSnapshot().value, expected, `${type} leads to ${expected}`);
    }
  });
}

t.test('a retry begins with what was asked for and forgets the attempt before', async (t) => {
  const task = taskAfter(GIVEN.running);
  task.send({ type: 'PlotTaskReported', data: { threads: 2, progress: 50, wrote: 3_425_151_400 } });
  task.send({ type: 'PlotTaskFailed', data: { remarks: 'disk full' } });
  t.equal(task.getSnapshot().context.reported.threads, 2);
  task.send(EXAMPLES.PlotTaskRetried);
  const { attempt, reported, order } = task.getSnapshot().context;
  t.equal(attempt, 2);
  t.same(reported, { ksize: 32, threads: 4, buffer: 4096, remarks: '' });
  t.same(order, ORDER);
});

t.test('the mark of a lost supervisor keeps the remarks that stood there and gives them back', async (t) => {
  const task = taskAfter(GIVEN.pending);
  task.send(EXAMPLES.PlotTaskSupervisorLost);
  t.equal(task.getSnapshot().context.reported.remarks, 'lost');
  t.same(task.getSnapshot().context.loss, { mark: 'lost', remarks: 'no room', lostTime: 8, failAt: 9 });
  task.send({ type: 'PlotTaskSupervisorReturned', data: { remarks: 'no room' } });
  t.equal(task.getSnapshot().context.reported.remarks, 'no room');
  t.equal(task.getSnapshot().context.loss, null);
});

t.test('news while the supervisor is lost is not undone by its return', async (t) => {
  const task = taskAfter(GIVEN.lost);
  task.send({ type: 'PlotTaskStopRequested', data: { remarks: 'make room' } });
  t.match(task.getSnapshot().context, {
    reported: { remarks: 'make room' },
    loss: { mark: 'lost', remarks: 'make room' },
  });
});

t.test('a loss that is told again moves its times and keeps the remarks before it', async (t) => {
  const task = taskAfter(GIVEN.lost);
  task.send({ type: 'PlotTaskReported', data: { remarks: 'slow disk' } });
  task.send({ type: 'PlotTaskSupervisorLost', data: { remarks: 'still lost', lost_time: 20, fail_at: 21 } });
  const { loss, reported } = task.getSnapshot().context;
  t.same(loss, { mark: 'still lost', remarks: 'slow disk', lostTime: 20, failAt: 21 });
  t.equal(reported.remarks, 'still lost');
});

t.test('a retry remembers whose plots the attempts before were', async (t) => {
  const task = taskAfter(GIVEN.running);
  task.send(EXAMPLES.PlotTaskFailed);
  task.send(EXAMPLES.PlotTaskRetried);
  t.same(task.getSnapshot().context.earlierPlotIds, ['abc']);
  task.send(EXAMPLES.PlotTaskFailed);
  task.send({ ...EXAMPLES.PlotTaskRetried, data: { ...EXAMPLES.PlotTaskRetried.data, attempt: 3 } });
  t.same(task.getSnapshot().context.earlierPlotIds, ['abc'], 'an attempt that made no plot adds none');
});

t.test('a persisted task goes on where it was', async (t) => {
  for (const state of STATES) {
    const task = taskAfter(GIVEN[state]);
    const persisted = JSON.parse(JSON.stringify(task.getPersistedSnapshot()));
    const again = createActor(plotTaskMachine, { snapshot: persisted }).start().getSnapshot();
    t.equal(again.value, task.getSnapshot().value);
    t.same(again.context, task.getSnapshot().context);
  }
});
