/** Tasks: chunks follow one another without a gap, and what has ended has ended. */

import t from 'tap';
import { TASK_EVENTS, type TaskEvent, type TaskOrder, taskMachine } from '../../../machines/workload/task.js';
import type { ActorType } from '../../../src/runtime/actors/actor-type.js';
import { happens, specificationOf } from '../../support/given.js';
import { checkEveryState } from './state-table.js';

const task: ActorType<typeof taskMachine> = {
  category: 'wl_task',
  version: 1,
  machine: taskMachine,
  events: TASK_EVENTS,
};

const ORDER: TaskOrder = {
  ...{ executable: 'sort', rank: 0, device_type: 'cpu', mode: 'map', retries: 3 },
  ...{ data_in_uid: 'in', data_out_uid: 'out', data_log_uid: 'log', data_out_url: 'file:///out' },
  ...{ files_per_job: 1, max_failed_jobs: 0, require_complete: true, until_one: false },
};
const REGISTERED: TaskEvent = { type: 'TaskRegistered', data: ORDER };
const BEGUN: TaskEvent = { type: 'TaskSplitStarted', data: {} };
const planned = (
  chunk: number,
  level: number,
  first_idx: number,
  files: number,
  first_seq: number,
  jobs: number,
): TaskEvent => ({ type: 'TaskJobsPlanned', data: { chunk, level, first_idx, files, first_seq, jobs } });
const split = (jobs: number): TaskEvent => ({ type: 'TaskSplitCompleted', data: { jobs } });
const ended = <T extends 'TaskFinished' | 'TaskFailed' | 'TaskCancelled'>(type: T, finished: number) => ({
  type,
  data: { finished, failed: 0, cancelled: 0, reason: 'why' },
});
const HELD: TaskEvent = { type: 'TaskHeld', data: { reason: 'maintenance' } };

const FIRST = planned(1, 1, 0, 2, 0, 2);
const RUNNING = [REGISTERED, BEGUN, FIRST, split(2)];

checkEveryState({
  type: task,
  examples: [
    ...[REGISTERED, BEGUN, planned(2, 1, 2, 1, 2, 1), split(2)],
    HELD,
    { type: 'TaskReleased', data: {} },
    { type: 'TaskRanked', data: { rank: 5 } },
    { type: 'TaskFinishRequested', data: {} },
    { type: 'TaskCancelRequested', data: { reason: 'wrong' } },
    { type: 'TaskRetried', data: {} },
    ended('TaskFinished', 2),
    ended('TaskFailed', 2),
    ended('TaskCancelled', 2),
  ],
  given: {
    absent: [],
    registered: [REGISTERED],
    splitting: [REGISTERED, BEGUN, FIRST],
    running: RUNNING,
    finishing: [...RUNNING, 'TaskFinishRequested'],
    cancelling: [...RUNNING, 'TaskCancelRequested'],
    failed: [...RUNNING, 'TaskFailed'],
    finished: [...RUNNING, 'TaskFinished'],
    cancelled: [...RUNNING, 'TaskCancelRequested', 'TaskCancelled'],
  },
  after: {
    absent: { TaskRegistered: 'registered' },
    registered: {
      TaskSplitStarted: 'splitting',
      TaskHeld: 'registered',
      TaskRanked: 'registered',
      TaskCancelRequested: 'cancelling',
    },
    splitting: {
      TaskJobsPlanned: 'splitting',
      TaskSplitCompleted: 'running',
      TaskHeld: 'splitting',
      TaskRanked: 'splitting',
      TaskFinishRequested: 'finishing',
      TaskCancelRequested: 'cancelling',
      TaskFailed: 'failed',
    },
    running: {
      TaskHeld: 'running',
      TaskRanked: 'running',
      TaskFinished: 'finished',
      TaskFailed: 'failed',
      TaskFinishRequested: 'finishing',
      TaskCancelRequested: 'cancelling',
    },
    finishing: { TaskFinished: 'finished', TaskCancelRequested: 'cancelling' },
    cancelling: { TaskCancelled: 'cancelled' },
    failed: { TaskRetried: 'running', TaskFinishRequested: 'finishing', TaskCancelRequested: 'cancelling' },
    finished: {},
    cancelled: {},
  },
});

const given = specificationOf(task);
const refused = { kind: 'refused', message: /is not possible/ } as const;

t.test('a chunk goes on behind the one before it, in files and in jobs', async (t) => {
  const splitting = given([REGISTERED, BEGUN, FIRST]);
  const next = planned(2, 1, 2, 6, 2, 3);
  splitting.when(happens(next)).then(t, [next], { context: { chunks: 2, jobs: 5, level: 1, nextIdx: 8 } });
  for (const wrong of [
    FIRST,
    planned(3, 1, 2, 1, 2, 1),
    planned(2, 1, 1, 1, 2, 1),
    planned(2, 1, 3, 1, 2, 1),
    planned(2, 1, 2, 1, 3, 1),
    planned(2, 3, 0, 1, 2, 1),
    planned(2, 1, 2, 1, 2, 2),
    planned(2, 1, 2, 0, 2, 0),
  ])
    splitting.when(happens(wrong)).then(t, refused);
});

t.test('the next level reads from the beginning what the one before it wrote', async (t) => {
  const level = planned(2, 2, 0, 2, 2, 1);
  given([REGISTERED, BEGUN, FIRST])
    .when(happens(level))
    .then(t, [level], { context: { level: 2, nextIdx: 2, jobs: 3 } });
  given([REGISTERED, BEGUN])
    .when(happens(planned(1, 2, 0, 1, 0, 1)))
    .then(t, refused, 'there is no level before it');
});

t.test('nothing is planned while it is held, and what was held goes on', async (t) => {
  const next = planned(2, 1, 2, 1, 2, 1);
  const held = [REGISTERED, BEGUN, FIRST, HELD];
  given(held).when(happens(next)).then(t, refused);
  given([...held, { type: 'TaskReleased', data: {} }])
    .when(happens(next))
    .then(t, [next]);
});

t.test('its end counts all of its jobs, no more and no less', async (t) => {
  const running = given(RUNNING);
  for (const [finished, failed, cancelled] of [
    [1, 0, 0],
    [2, 1, 0],
    [0, 0, 3],
  ] as const)
    running.when(happens({ type: 'TaskFinished', data: { finished, failed, cancelled } })).then(t, refused);
  const mixed: TaskEvent = { type: 'TaskFinished', data: { finished: 1, failed: 1, cancelled: 0 } };
  running.when(happens(mixed)).then(t, [mixed], { value: 'finished' });
});

t.test('a task that failed before all was planned goes on planning when it is retried', async (t) => {
  given([REGISTERED, BEGUN, FIRST, ended('TaskFailed', 2), { type: 'TaskRetried', data: {} }]).leadsTo(t, {
    value: 'splitting',
  });
});
