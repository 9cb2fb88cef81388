/** What is decided of a task: in every state, by those who order and by loops that may know an older one. */

import t from 'tap';
import type { TaskEvent, TaskOrder, TaskSnapshot } from '../../../../../machines/workload/task.js';
import * as commands from '../../../../../src/systems/workload/service/tasks/task-commands.js';
import { task } from '../../../../../src/systems/workload/service/tasks/task-type.js';
import { specificationOf } from '../../../../support/given.js';

const given = specificationOf(task);
const ORDER: TaskOrder = {
  ...{ executable: 'sort', rank: 0, device_type: 'cpu', mode: 'map', retries: 3 },
  ...{ data_in_uid: 'in', data_out_uid: 'out', data_log_uid: 'log', data_out_url: 'file:///out' },
  ...{ files_per_job: 1, max_failed_jobs: 1, require_complete: true, until_one: false },
};
const REGISTERED: TaskEvent = { type: 'TaskRegistered', data: ORDER };
const BEGUN: TaskEvent = { type: 'TaskSplitStarted', data: {} };
const CHUNK = { chunk: 1, level: 1, first_idx: 0, files: 3, first_seq: 0, jobs: 3 };
const PLANNED: TaskEvent = { type: 'TaskJobsPlanned', data: CHUNK };
const SPLIT: TaskEvent = { type: 'TaskSplitCompleted', data: { jobs: 3 } };
const HELD: TaskEvent = { type: 'TaskHeld', data: {} };
const FINISH: TaskEvent = { type: 'TaskFinishRequested', data: {} };
const CANCEL: TaskEvent = { type: 'TaskCancelRequested', data: {} };
const RETRIED: TaskEvent = { type: 'TaskRetried', data: { job: 'j' } };
const counts = (finished: number, failed: number, cancelled: number) => ({ finished, failed, cancelled });
const FINISHED: TaskEvent = { type: 'TaskFinished', data: counts(3, 0, 0) };
const FAILED: TaskEvent = { type: 'TaskFailed', data: { ...counts(1, 2, 0), reason: 'why' } };
const RUNNING = [REGISTERED, BEGUN, PLANNED, SPLIT];

t.test('a plan is taken once, by whoever comes first, and not while it is held', async (t) => {
  const plan = (snapshot: TaskSnapshot) => commands.plan(snapshot, CHUNK);
  given([REGISTERED]).when(plan).then(t, [BEGUN, PLANNED]);
  given([REGISTERED, BEGUN]).when(plan).then(t, [PLANNED]);
  for (const past of [
    [REGISTERED, BEGUN, PLANNED],
    [REGISTERED, HELD],
    RUNNING,
    [REGISTERED, BEGUN, FINISH],
    [],
  ])
    given(past).when(plan).then(t, []);
  const complete = (chunks: number) => (snapshot: TaskSnapshot) => commands.completeSplit(snapshot, chunks);
  given([REGISTERED])
    .when(complete(0))
    .then(t, [BEGUN, { type: 'TaskSplitCompleted', data: { jobs: 0 } }]);
  given([REGISTERED, BEGUN, PLANNED]).when(complete(1)).then(t, [SPLIT]);
  given([REGISTERED, BEGUN, PLANNED]).when(complete(0)).then(t, [], 'who says so has not seen the chunk');
});

t.test('it ends by counts of all of its jobs, of the round that it is in', async (t) => {
  const end =
    (counted: commands.Counts, round = 0) =>
    (snapshot: TaskSnapshot) =>
      commands.endTask(snapshot, { ...counted, round });
  given(RUNNING)
    .when(end(counts(3, 0, 0)))
    .then(t, [FINISHED]);
  given(RUNNING)
    .when(end(counts(2, 1, 0)))
    .then(t, [{ type: 'TaskFinished', data: counts(2, 1, 0) }]);
  const reason = '2 jobs have failed, and max_failed_jobs is 1';
  given(RUNNING)
    .when(end(counts(1, 2, 0)))
    .then(t, [{ type: 'TaskFailed', data: { ...counts(1, 2, 0), reason } }]);
  given(RUNNING)
    .when(end(counts(2, 0, 0)))
    .then(t, [], 'one is missing');
  given([...RUNNING, RETRIED])
    .when(end(counts(2, 1, 0)))
    .then(t, [], 'one was told to be done again since');
  given([...RUNNING, RETRIED])
    .when(end(counts(3, 0, 0), 1))
    .then(t, [FINISHED]);
  given([...RUNNING, CANCEL])
    .when(end(counts(1, 1, 1)))
    .then(t, [{ type: 'TaskCancelled', data: counts(1, 1, 1) }]);
  given([...RUNNING, FINISH])
    .when(end(counts(0, 3, 0)))
    .then(t, [
      { type: 'TaskFinished', data: { ...counts(0, 3, 0), reason: 'finished as it is, as was asked' } },
    ]);
  for (const past of [
    [REGISTERED, BEGUN, PLANNED],
    [...RUNNING, FINISHED],
    [...RUNNING, FAILED],
  ])
    given(past)
      .when(end(counts(3, 0, 0)))
      .then(t, [], 'it is not its time, or it has ended');
  const fail = (counted: commands.Counts) => (snapshot: TaskSnapshot) =>
    commands.failTask(snapshot, { ...counted, round: 0 }, 'why');
  given([REGISTERED])
    .when(fail(counts(0, 0, 0)))
    .then(t, [{ type: 'TaskFailed', data: { ...counts(0, 0, 0), reason: 'why' } }]);
  given([REGISTERED, BEGUN, PLANNED])
    .when(fail(counts(2, 0, 0)))
    .then(t, [], 'one is under way');
  given([...RUNNING, FINISH])
    .when(fail(counts(3, 0, 0)))
    .then(t, []);
});

t.test('orders: done, already so, or refused with the state and what to do', async (t) => {
  const states = {
    absent: [],
    registered: [REGISTERED],
    splitting: [REGISTERED, BEGUN, PLANNED],
    running: RUNNING,
    finishing: [...RUNNING, FINISH],
    cancelling: [...RUNNING, CANCEL],
    failed: [...RUNNING, FAILED],
    finished: [...RUNNING, FINISHED],
    cancelled: [...RUNNING, CANCEL, { type: 'TaskCancelled', data: counts(3, 0, 0) } satisfies TaskEvent],
  };
  const of = {
    hold: commands.hold,
    release: commands.release,
    finish: commands.finish,
    retry: commands.retryTask,
    cancel: commands.cancel,
  };
  const outcome = (past: readonly TaskEvent[], decide: commands.Decision): string => {
    try {
      const events = given(past).when(decide).events();
      return events.map(({ type }) => type.replace('Task', '')).join('+') || 'nothing';
    } catch (error) {
      return String(Object(error).kind);
    }
  };
  const table = Object.fromEntries(
    Object.entries(states).map(([state, past]) => [
      state,
      [
        ...Object.values(of).map((order) => outcome(past, order('t', undefined))),
        outcome(past, commands.setRank('t', 1)),
        outcome(past, commands.retryJob('t', 'j', undefined)),
      ].join(' '),
    ]),
  );
  const no = 'refused';
  t.strictSame(table, {
    absent: Array(7).fill('not_found').join(' '),
    registered: `Held nothing ${no} ${no} CancelRequested+Cancelled Ranked ${no}`,
    splitting: `Held nothing FinishRequested ${no} CancelRequested Ranked Retried`,
    running: `Held nothing FinishRequested ${no} CancelRequested Ranked Retried`,
    finishing: `${no} ${no} nothing ${no} CancelRequested ${no} ${no}`,
    cancelling: `${no} ${no} ${no} ${no} nothing ${no} ${no}`,
    failed: `${no} ${no} FinishRequested Retried CancelRequested ${no} Retried`,
    finished: `${no} ${no} nothing ${no} ${no} ${no} ${no}`,
    cancelled: `${no} ${no} ${no} ${no} nothing ${no} ${no}`,
  });
  given([REGISTERED, HELD]).when(commands.hold('t', 'again')).then(t, []);
  given([REGISTERED, HELD])
    .when(commands.release('t', undefined))
    .then(t, [{ type: 'TaskReleased', data: {} }]);
  given(RUNNING)
    .when(commands.retryTask('t', undefined))
    .then(t, { kind: 'refused', message: 'task t is running; only a failed one can be retried' });
});
