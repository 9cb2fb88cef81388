/** Tasks become jobs: each file of a dataset is in one job of its level, on each kind of store, whoever is killed. */

import t from 'tap';
import { StoreUnavailableError } from '../../../../../src/base/errors.js';
import { delegating } from '../../../../../src/runtime/event-store/delegating-store.js';
import { STORES } from '../../../../support/both-stores.js';
import { until } from '../../../../support/until.js';
import {
  addFiles,
  embedded,
  endJobs,
  inputOf,
  seal,
  stored,
  submit,
  taskNode,
  untilJobs,
  untilSealed,
  untilState,
} from './task-world.js';

for (const [store, open] of Object.entries(STORES)) {
  t.test(`a map on ${store}: a job for each file, also for those that come later`, async (t) => {
    t.testdir();
    const events = await open(t);
    const node = await taskNode(t, events);
    const input = await inputOf(node, 3, { sealed: false });
    const task = await submit(node, input);
    await untilState(node, task, 'splitting');
    await addFiles(node, input, 3, 2);
    await seal(node, input);
    const status = await untilState(node, task, 'running');
    await untilJobs(node, task, 5);
    t.match(status, { split_next: 5, data_in_uid: input, storage_url: 'file:///in' });
    const jobs = await node.rows(
      `SELECT job.seq, job.inputs, job.state, use.file_name, use.type FROM job_dat AS job JOIN file_dat AS use USING (job_id)
       ORDER BY seq, type`,
    );
    t.strictSame(
      jobs.map(({ seq, type, file_name }) => [seq, type, file_name]),
      [0, 1, 2, 3, 4].flatMap((i) => [
        [i, 'input', `f${i}.txt`],
        [i, 'log', `f${i}.j${i}.log`],
        [i, 'output', `f${i}.j${i}.txt`],
      ]),
    );
    await untilSealed(node, String(status['data_out_uid']));
    t.match(await node.row('SELECT * FROM dsm_datasets WHERE uid = ?', String(status['data_out_uid'])), {
      status: 'sealed',
      files: 5,
      producer_task: task,
      storage_url: 'file:///out',
    });
    const created = (await stored(events, 'wl_job')).filter(({ type }) => type === 'JobCreated');
    t.equal(created.length, 5);
  });
}

t.test('a chunk is one event of the task, and holds no more than five hundred jobs', async (t) => {
  const events = await embedded(t);
  const node = await taskNode(t, events);
  const task = await submit(node, await inputOf(node, 520));
  await untilState(node, task, 'running');
  await untilJobs(node, task, 520);
  const told = (await stored(events, 'wl_task')).map(({ type, data }) =>
    `${type} ${data['jobs'] ?? ''}`.trim(),
  );
  t.strictSame(told, [
    ...['TaskRegistered', 'TaskSplitStarted', 'TaskJobsPlanned 500'],
    ...['TaskJobsPlanned 20', 'TaskSplitCompleted 520'],
  ]);
  const batches = (await stored(events, 'wl_dataset')).filter(
    ({ type, data }) => type === 'DatasetFilesAdded' && data['declared'] === true,
  );
  t.equal(batches.length, 4, 'outputs and logs of a chunk are one event each');
});

t.test('a task reads what another one still writes', async (t) => {
  const node = await taskNode(t, await embedded(t));
  const input = await inputOf(node, 2, { sealed: false });
  const first = await submit(node, input);
  const { data_out_uid: between } = await node.ask('task_status', { id: first });
  const second = await submit(node, String(between), {
    mode: 'merge',
    files_per_job: 2,
    data_out_url: 'file:///merged',
  });
  await untilJobs(node, first, 2);
  t.match(await node.ask('task_status', { id: second }), { storage_url: 'file:///out', state: 'registered' });
  await endJobs(node);
  await untilJobs(node, second, 1);
  await addFiles(node, input, 2, 1);
  await seal(node, input);
  await until('both have ended', async () => {
    await endJobs(node);
    const states = await node.rows('SELECT state FROM task_dat');
    return states.every(({ state }) => state === 'finished');
  });
  const jobs = await node.rows(
    'SELECT inputs FROM job_dat JOIN task_dat USING (task_id) WHERE uid = ? ORDER BY seq',
    second,
  );
  t.strictSame(
    jobs.map(({ inputs }) => inputs),
    [2, 1],
  );
  const parents = await node.rows(
    'SELECT count(parent_job_id) AS parents FROM job_dat JOIN task_dat USING (task_id) WHERE uid = ?',
    second,
  );
  t.strictSame(parents[0]?.['parents'], 2, 'each knows whose file it reads');
  await until('all that was written is closed', async () => {
    const open = await node.rows(
      "SELECT 1 FROM dsm_datasets WHERE status <> 'closed' AND producer_task IS NOT NULL",
    );
    return open.length === 0;
  });
});

t.test(
  'a task that can not be written to is tried again by itself, and keeps no other waiting',
  async (t) => {
    const events = await embedded(t);
    let failures = 0;
    const failing = delegating(events, {
      append: async (stream, expected, proposed, ...more) => {
        if (failures === 0 && proposed.some(({ type }) => type === 'TaskJobsPlanned')) {
          failures += 1;
          throw new StoreUnavailableError('not now', 'refused');
        }
        return events.append(stream, expected, proposed, ...more);
      },
    });
    const node = await taskNode(t, failing);
    const input = await inputOf(node, 1, { sealed: false });
    const tasks = [await submit(node, input), await submit(node, input)];
    for (const task of tasks) await untilJobs(node, task, 1);
    t.equal(failures, 1);
  },
);
