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

t.test(
  'above the first level each job of the one below is read once, and all of them before the next begins',
  async (t) => {
    // Five jobs; their files in twos: 5, 6, and the tail 7.
    const level1 = [REGISTERED, BEGUN, planned(1, 1, 0, 5, 0, 5)];
    const level2 = planned(2, 2, 0, 4, 5, 2);
    const tail = planned(3, 2, 4, 1, 7, 1);
    given([...level1, level2])
      .when(happens(tail))
      .then(t, [tail], { context: { level: 2, nextIdx: 5, levelFirst: 5, jobs: 8 } });
    given(level1)
      .when(happens(planned(2, 2, 0, 6, 5, 2)))
      .then(t, refused, 'there are five');
    given([...level1, level2])
      .when(happens(planned(3, 3, 5, 2, 7, 1)))
      .then(t, refused, 'the last of the five is not read');
    const level3 = planned(4, 3, 5, 2, 8, 1);
    given([...level1, level2, tail])
      .when(happens(level3))
      .then(t, [level3]);
    const last: TaskEvent = {
      type: 'TaskJobsPlanned',
      data: { chunk: 4, level: 3, first_idx: 5, files: 3, first_seq: 8, jobs: 1, last_level: true },
    };
    given([...level1, level2, tail])
      .when(happens(last))
      .then(t, [last], { context: { isLast: true } });
    given([...level1, level2, tail, last])
      .when(happens(planned(5, 4, 8, 1, 9, 1)))
      .then(t, refused, 'nothing follows the last level');
  },
);

t.test('what is left out is counted, and a chunk of nothing else has no jobs', async (t) => {
  const without = (jobs: number, skipped: readonly number[]): TaskEvent => ({
    type: 'TaskJobsPlanned',
    data: { chunk: 2, level: 1, first_idx: 2, files: 3, first_seq: 2, jobs, skipped },
  });
  const splitting = given([REGISTERED, BEGUN, FIRST]);
  splitting.when(happens(without(2, [3]))).then(t, [without(2, [3])], { context: { nextIdx: 5, jobs: 4 } });
  splitting.when(happens(without(0, [2, 3, 4]))).then(t, [without(0, [2, 3, 4])], { context: { jobs: 2 } });
  splitting.when(happens(without(3, [3]))).then(t, refused);
  splitting.when(happens(without(0, [2, 3]))).then(t, refused);
});

t.test('a job is retried over its task, which counts it: who counted before ends nothing', async (t) => {
  const again: TaskEvent = { type: 'TaskRetried', data: { job: 'j' } };
  for (const past of [[REGISTERED, BEGUN, FIRST], RUNNING])
    given(past)
      .when(happens(again))
      .then(t, [again], { context: { round: 1 } });
  given([...RUNNING, ended('TaskFailed', 2)])
    .when(happens(again))
    .then(t, [again], { value: 'running', context: { round: 1 } });
  given([...RUNNING, ended('TaskFinished', 2)])
    .when(happens(again))
    .then(t, refused);
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
