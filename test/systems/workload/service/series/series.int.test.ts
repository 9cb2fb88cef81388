/** Series: datasets go through the same steps one after another, over failures, cancellations and restarts. */

import t from 'tap';
import type { EventStore } from '../../../../../src/runtime/event-store/event-store.js';
import { datasetIdOf, seriesTaskIdOf } from '../../../../../src/systems/workload/service/ids.js';
import { STORES } from '../../../../support/both-stores.js';
import { until } from '../../../../support/until.js';
import { steppedClock } from '../../support/stepped-clock.js';
import {
  type Answer,
  addFiles,
  type Ending,
  embedded,
  endJobs,
  inputOf,
  ORDER,
  refusalOf,
  seal,
  type TaskNode,
  taskNode,
} from '../tasks/task-world.js';

// Every task is registered, split, run and closed, for each dataset of each series.
t.setTimeout(240_000);

const STEPS = [ORDER, { ...ORDER, mode: 'merge', files_per_job: 2, data_out_url: 'file:///sums' }];

const submitSeries = async (node: TaskNode, datasets: readonly string[], more: object = {}) =>
  String((await node.ask('series_submit', { name: 'runs', datasets, steps: STEPS, ...more }))['uid']);
const status = (node: TaskNode, id: string) => node.ask('series_status', { id });

/** Ends what there is to be run meanwhile. */
async function runUntil(
  node: TaskNode,
  uid: string,
  is: (found: Answer) => boolean,
  endingOf?: () => Ending | 'left',
): Promise<Answer> {
  await until(`series ${uid} is so`, async () => {
    await endJobs(node, endingOf);
    return is(await status(node, uid));
  });
  return await status(node, uid);
}

const isIn = (state: string) => (found: Answer) => found['state'] === state;
const done = (finished: number) => (found: Answer) => found['datasets_finished'] === finished;

/** What is stored of series, and of the tasks that they registered. */
async function told(store: EventStore): Promise<string[]> {
  const events: string[] = [];
  for await (const { type, data } of store.readAll({ categories: ['wl_series', 'wl_task'] }))
    if (type.startsWith('Series') || type === 'TaskRegistered')
      events.push(`${type} ${data['index'] ?? ''}`.trim());
  return events;
}

for (const [name, open] of Object.entries(STORES)) {
  t.test(`one dataset after another, over a restart, on ${name}`, async (t) => {
    t.testdir();
    const store = await open(t);
    const before = await taskNode(t, store);
    // The second is registered and empty; it is filled and closed while the series waits for it.
    const datasets = [
      await inputOf(before, 3),
      await inputOf(before, 0, { sealed: false }),
      await inputOf(before, 0),
    ];
    const [first = '', second = ''] = datasets;
    const uid = await submitSeries(before, datasets, { name: 'may' });
    await runUntil(before, uid, done(1));
    await before.close();

    const node = await taskNode(t, store, { name: 'after' });
    t.match(await runUntil(node, uid, (found) => /waits for files/.test(String(found['remarks']))), {
      ...{ state: 'running', datasets_total: 3, datasets_under_way: 1, steps_total: 2 },
      remarks:
        /^1 of 3 datasets are done; dataset 2 of 3 \(input .*\): task 3, step 1 of 2, is registered: waits for files/,
      datasets: [
        { dataset_uid: first, state: 'finished', task_ids: [1, 2] },
        { dataset_uid: second, state: 'under_way', task_ids: [3, 4] },
        { index: 2, state: 'waiting', task_ids: [] },
      ],
    });
    await addFiles(node, second, 0, 2);
    await seal(node, second);
    t.match(await runUntil(node, uid, isIn('finished')), {
      ...{ datasets_finished: 3, datasets_passed_over: 0, end_time: Number },
      remarks: '3 of 3 datasets are done',
    });
    t.strictSame(await told(store), [
      'SeriesCreated',
      ...[0, 1, 2].flatMap((index) => [
        ...[`SeriesDatasetBegun ${index}`, 'TaskRegistered', 'TaskRegistered', `SeriesDatasetEnded ${index}`],
      ]),
      'SeriesFinished',
    ]);
    const task = (index: number, step: number) => seriesTaskIdOf(uid, index, step);
    t.match(await node.ask('task_status', { id: task(1, 1) }), {
      ...{
        series_uid: uid,
        name: 'may 2/3 sort',
        mode: 'merge',
        state: 'finished',
        storage_url: 'file:///out',
      },
      data_in_uid: datasetIdOf(task(1, 0), 'output'),
    });
    t.match(await node.ask('dataset_status', { id: second }), { series_uid: uid, series_index: 1 });
  });

  t.test(`a failed task stops its series until it is retried, on ${name}`, async (t) => {
    t.testdir();
    const node = await taskNode(t, await open(t));
    const uid = await submitSeries(node, [await inputOf(node, 1), await inputOf(node, 1)]);
    const failed = await runUntil(node, uid, isIn('failed'), () => 'failed');
    t.match(failed, {
      remarks:
        /^dataset 1 of 2, step 1 of 2: task 1 has failed: 1 job has failed, .*; retry that task, accept it/,
      datasets: [{ state: 'under_way' }, { state: 'waiting' }],
    });
    await node.ask('task_retry', { id: '1' });
    t.match(await runUntil(node, uid, isIn('finished')), { datasets_finished: 2 });
  });

  t.test(`also where the wall clock is set back before that, on ${name}`, async (t) => {
    t.testdir();
    const clock = steppedClock();
    const node = await taskNode(t, await open(t), { clock });
    const uid = await submitSeries(node, [await inputOf(node, 1)]);
    await runUntil(node, uid, isIn('failed'), () => 'failed');
    await until('what reads of it has failed too', async () => {
      const { state } = { state: '', ...(await node.ask('task_status', { id: '2' })) };
      return state === 'failed';
    });
    clock.step(-3_600_000);
    await node.ask('task_retry', { id: '1' });
    t.match(await runUntil(node, uid, isIn('finished')), { datasets_finished: 1 });
  });

  t.test(`cancelled it is when none of its tasks lives, on ${name}`, async (t) => {
    t.testdir();
    const store = await open(t);
    const node = await taskNode(t, store);
    const inputs = [await inputOf(node, 2), await inputOf(node, 2), await inputOf(node, 2)];
    const uid = await submitSeries(node, inputs, { concurrency: 2 });
    await until('two are under way', async () => (await node.rows('SELECT 1 FROM job_dat')).length === 4);
    t.match(await node.ask('series_cancel', { id: '1', reason: 'wrong steps' }), {
      state: /^cancel/,
      remarks: /wrong steps/,
    });
    await until('it is cancelled', async () => isIn('cancelled')(await status(node, uid)));
    t.match(await status(node, uid), {
      ...{ remarks: '0 of 3 datasets are done, 2 passed over (wrong steps)', datasets_passed_over: 2 },
      datasets: [{ state: 'passed_over' }, { state: 'passed_over' }, { state: 'waiting', task_ids: [] }],
    });
    const tasks = await node.rows('SELECT state, count(*) AS tasks FROM task_dat GROUP BY state');
    t.match(tasks, [{ state: 'cancelled', tasks: 4 }]);
    t.equal(tasks.length, 1);
    t.strictSame(await node.rows("SELECT 1 FROM job_dat WHERE state <> 'cancelled'"), []);
    const kept = await node.rows(
      "SELECT 1 FROM dsm_datasets WHERE producer_task IS NULL AND status <> 'closed'",
    );
    t.strictSame(kept, [], 'what they read stays');
    const events = await told(store);
    t.equal(events.at(-1), 'SeriesCancelled');
    t.match(await node.ask('series_cancel', { id: uid }), { state: 'cancelled' }, 'again changes nothing');
  });
}

t.test('what was cancelled is passed over, with its tasks, and the others go on', async (t) => {
  t.testdir();
  const node = await taskNode(t, await embedded(t));
  const [begun, waiting, closed, last] = [
    await inputOf(node, 2, { sealed: false }),
    await inputOf(node, 0, { sealed: false }),
    await inputOf(node, 1),
    await inputOf(node, 1),
  ];
  const uid = await submitSeries(node, [begun, waiting, closed, last]);
  await until('the first has begun', async () => (await node.rows('SELECT 1 FROM job_dat')).length === 2);
  await node.ask('dataset_cancel', { uid: waiting, reason: 'no beam' });
  await node.ask('dataset_cancel', { uid: begun, reason: 'wrong run' });
  const merging = seriesTaskIdOf(uid, 2, 1);
  await until('the third has begun', async () => {
    const tasks = await node.rows('SELECT 1 FROM task_dat WHERE uid = ?', merging);
    return tasks.length === 1 && (await status(node, uid))['datasets_passed_over'] === 2;
  });
  await node.ask('task_cancel', { id: merging, reason: 'not wanted' });
  // Its jobs are cancelled by then: none is told twice how it ended.
  await until('it is passed over', async () => (await status(node, uid))['datasets_passed_over'] === 3);
  t.match(await runUntil(node, uid, isIn('finished')), {
    remarks: '1 of 4 datasets are done, 3 passed over',
    datasets: [
      { state: 'passed_over', remarks: /wrong run/ },
      { state: 'passed_over', remarks: /was cancelled: no beam/, task_ids: [] },
      { state: 'passed_over', remarks: /^task 4 of it was cancelled: not wanted/ },
      { state: 'finished' },
    ],
  });
  const living = "SELECT 1 FROM task_dat WHERE state NOT IN ('finished', 'cancelled')";
  t.strictSame(await node.rows(living), []);
});

t.test('a failed task that is accepted or cancelled lets its series go on', async (t) => {
  t.testdir();
  const node = await taskNode(t, await embedded(t));
  const uid = await submitSeries(node, [await inputOf(node, 2), await inputOf(node, 1)], { steps: [ORDER] });
  await runUntil(node, uid, isIn('failed'), () => 'failed');
  await node.ask('task_finish', { id: '1' });
  await runUntil(
    node,
    uid,
    (found) => found['state'] === 'failed' && done(1)(found),
    () => 'failed',
  );
  await node.ask('task_cancel', { id: '2' });
  t.match(await runUntil(node, uid, isIn('finished')), { datasets_finished: 1, datasets_passed_over: 1 });
});

t.test('so many at once as it was given, and a repeated order gets its first answer', async (t) => {
  t.testdir();
  const store = await embedded(t);
  const node = await taskNode(t, store);
  const datasets = [];
  for (let n = 0; n < 7; n++) datasets.push(await inputOf(node, 1));
  const order = { name: 'runs', datasets, steps: STEPS, concurrency: 3, command_id: 'c1' };
  const { uid } = await node.ask('series_submit', order);
  t.match(await node.ask('series_submit', order), { uid });
  t.match(await refusalOf(node.ask('series_submit', { ...order, concurrency: 2 })), { kind: 'exists' });
  await runUntil(node, String(uid), isIn('finished'));
  let [under, most] = [0, 0];
  for (const event of await told(store)) {
    if (event.startsWith('SeriesDatasetBegun')) under += 1;
    if (event.startsWith('SeriesDatasetEnded')) under -= 1;
    most = Math.max(most, under);
  }
  t.equal(most, 3);
  t.match(await node.ask('series_list', { state: ['finished'] }), {
    series: [{ uid, datasets: [], steps: [] }],
  });
  t.strictSame((await node.ask('series_list', { state: ['running'] }))['series'], []);
  const { all } = await node.ask('series_history', { id: String(uid) });
  t.match(all, [{ type: 'SeriesCreated', by: 'test' }, { type: 'SeriesDatasetBegun' }]);
});

t.test('what is wrong with an order is said all at once, by index, and nothing is stored', async (t) => {
  t.testdir();
  const node = await taskNode(t, await embedded(t));
  const there = await inputOf(node, 0, { sealed: false });
  const nowhere = '11111111-1111-4111-8111-111111111111';
  const order = { name: 'runs', datasets: [there], steps: STEPS };
  const problems = async (asked: object) => {
    const found = await refusalOf(node.ask('series_submit', asked));
    return found instanceof Error && 'problems' in found && Array.isArray(found.problems)
      ? found.problems.map(({ field }: { readonly field: string }) => field)
      : found;
  };
  t.strictSame(
    await problems({ ...order, name: '', steps: [{ ...ORDER, executable: '/bin/sh', rank: 1.5 }] }),
    [...['name', 'steps.0.executable', 'steps.0.rank']],
  );
  const wrongSteps = [
    { ...ORDER, until_one: true },
    { ...ORDER, mode: 'merge', files_per_job: 1 },
  ];
  const third = { ...ORDER, storage_url: 'file:///x' };
  t.strictSame(
    await problems({ ...order, datasets: [there, 'x', there.toUpperCase()], steps: [...wrongSteps, third] }),
    [...['datasets.1', 'datasets.2', 'steps.0.until_one', 'steps.1.files_per_job'], 'steps.2.storage_url'],
  );
  t.strictSame(await problems({ ...order, datasets: [], steps: [] }), ['datasets', 'steps']);
  t.strictSame(await problems({ ...order, concurrency: 101 }), ['concurrency']);
  t.strictSame(await problems({ ...order, datasets: Array.from({ length: 1001 }, () => there) }), [
    'datasets',
  ]);
  t.strictSame(await problems({ ...order, steps: Array.from({ length: 21 }, () => ORDER) }), ['steps']);
  t.match(await refusalOf(node.ask('series_submit', { ...order, datasets: [there, nowhere] })), {
    ...{ kind: 'not_found', reason: 'dataset_not_found' },
    message: `there is no dataset ${nowhere} (datasets.1)`,
  });
  await node.ask('dataset_cancel', { uid: there, reason: 'wrong' });
  t.match(await refusalOf(node.ask('series_submit', order)), { kind: 'refused', message: /datasets\.0/ });
  t.match(await refusalOf(status(node, '1')), { kind: 'not_found', reason: 'series_not_found' });
  t.strictSame(await node.rows('SELECT * FROM wl_series'), []);
});
