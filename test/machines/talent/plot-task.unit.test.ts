/** Given what happened, when this event comes, then that state or a refusal: every state of the machine × every event. */

import t from 'tap';
import { type PlotTaskState, plotTaskMachine } from '../../../machines/talent/plot-task.js';
import { PLOT_TASK_EVENTS, type PlotTaskEvent } from '../../../machines/talent/plot-task-events.js';
import { plotTask } from '../../../src/systems/talent/service/plot-task-commands.js';
import { happens, specificationOf } from '../../support/given.js';
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

const given = specificationOf(plotTask);

function examples(types: readonly EventType[]): PlotTaskEvent[] {
  return types.map((type) => EXAMPLES[type]);
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
    const value = state === 'lost' ? 'running' : state;
    const task = given(examples(GIVEN[state]));
    task.leadsTo(t, { value }, `it is ${value}`);
    for (const type of EVENTS) {
      const event = EXAMPLES[type];
      const expected = THEN[state][type];
      if (expected !== undefined)
        task.when(happens(event)).then(t, [event], `${type} leads to ${expected}`, { value: expected });
      else {
        const message = `${type} is not possible in state ${value}`;
        task.when(happens(event)).then(t, { kind: 'refused', message }, message, { value });
      }
    }
  });
}

t.test('a retry begins with what was asked for and forgets the attempt before', async (t) => {
  const life: PlotTaskEvent[] = [
    ...examples(GIVEN.running),
    { type: 'PlotTaskReported', data: { threads: 2, progress: 50, wrote: 3_425_151_400 } },
    { type: 'PlotTaskFailed', data: { remarks: 'disk full' } },
  ];
  given(life).leadsTo(t, { context: { reported: { threads: 2 } } });
  const { attempt, reported, order } = given([...life, EXAMPLES.PlotTaskRetried]).context;
  t.equal(attempt, 2);
  t.same(reported, { ksize: 32, threads: 4, buffer: 4096, remarks: '' });
  t.same(order, ORDER);
});

t.test('the mark of a lost supervisor keeps the remarks that stood there and gives them back', async (t) => {
  const lost = [...examples(GIVEN.pending), EXAMPLES.PlotTaskSupervisorLost];
  const { reported, loss } = given(lost).context;
  t.equal(reported.remarks, 'lost');
  t.same(loss, { mark: 'lost', remarks: 'no room', lostTime: 8, failAt: 9 });
  const returned: PlotTaskEvent = { type: 'PlotTaskSupervisorReturned', data: { remarks: 'no room' } };
  given([...lost, returned]).leadsTo(t, { context: { reported: { remarks: 'no room' }, loss: null } });
});

t.test('news while the supervisor is lost is not undone by its return', async (t) => {
  const stop: PlotTaskEvent = { type: 'PlotTaskStopRequested', data: { remarks: 'make room' } };
  given([...examples(GIVEN.lost), stop]).leadsTo(t, {
    context: { reported: { remarks: 'make room' }, loss: { mark: 'lost', remarks: 'make room' } },
  });
});

t.test('a loss that is told again moves its times and keeps the remarks before it', async (t) => {
  const { loss, reported } = given([
    ...examples(GIVEN.lost),
    { type: 'PlotTaskReported', data: { remarks: 'slow disk' } },
    { type: 'PlotTaskSupervisorLost', data: { remarks: 'still lost', lost_time: 20, fail_at: 21 } },
  ]).context;
  t.same(loss, { mark: 'still lost', remarks: 'slow disk', lostTime: 20, failAt: 21 });
  t.equal(reported.remarks, 'still lost');
});

t.test('a retry remembers whose plots the attempts before were', async (t) => {
  const retried = [...examples(GIVEN.running), EXAMPLES.PlotTaskFailed, EXAMPLES.PlotTaskRetried];
  t.same(given(retried).context.earlierPlotIds, ['abc']);
  const third: PlotTaskEvent = {
    type: 'PlotTaskRetried',
    data: { ...EXAMPLES.PlotTaskRetried.data, attempt: 3 },
  };
  const { earlierPlotIds } = given([...retried, EXAMPLES.PlotTaskFailed, third]).context;
  t.same(earlierPlotIds, ['abc'], 'an attempt that made no plot adds none');
});
