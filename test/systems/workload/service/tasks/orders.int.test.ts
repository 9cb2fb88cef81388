/** What may be ordered of a task that is there, what it says while it waits, and how it ends. */

import t from 'tap';
import { delegating } from '../../../../../src/runtime/event-store/delegating-store.js';
import { dataset, file } from '../../../../../src/systems/workload/service/datasets/dataset-types.js';
import { datasetIdOf, fileIdOf } from '../../../../../src/systems/workload/service/ids.js';
import { STORES } from '../../../../support/both-stores.js';
import { until } from '../../../../support/until.js';
import {
  addFiles,
  embedded,
  endJobs,
  inputOf,
  refusalOf,
  seal,
  stored,
  submit,
  type TaskNode,
  taskNode,
  untilJobs,
  untilState,
} from './task-world.js';

async function untilSays(node: TaskNode, id: string, remarks: RegExp): Promise<void> {
  await until(`task ${id} says ${remarks.source}`, async () =>
    remarks.test(String((await node.ask('task_status', { id }))['remarks'])),
  );
}

async function lose(node: TaskNode, dataset: string, idx: number): Promise<void> {
  await node.runtime.system.execute(file, fileIdOf(dataset, idx), {
    decide: () => [{ type: 'FileMissing', data: { detail: 'gone' } }],
  });
}

for (const [store, open] of Object.entries(STORES)) {
  t.test(`a failed job fails the task, and a retry does it alone again, on ${store}`, async (t) => {
    t.testdir();
    const events = await open(t);
    const node = await taskNode(t, events);
    const task = await submit(node, await inputOf(node, 3));
    await untilJobs(node, task, 3);
    await endJobs(node, (seq) => (seq === 1 ? 'failed' : 'finished'));
    const failed = await untilState(node, task, 'failed');
    t.match(failed, { jobs_failed: 1, remarks: '1 job has failed, and max_failed_jobs is 0' });
    await node.ask('task_retry', { id: task, reason: 'mended' });
    await until('the job is there again', async () => (await endJobs(node)) > 0);
    t.match(await untilState(node, task, 'finished'), { jobs_finished: 3, jobs_failed: 0 });
    const retried = (await stored(events, 'wl_job')).filter(({ type }) => type === 'JobRetried');
    t.equal(retried.length, 1);
    t.match(await refusalOf(node.ask('task_retry', { id: task })), {
      kind: 'refused',
      reason: 'transition_refused',
    });
    t.match(await refusalOf(node.ask('task_cancel', { id: task })), {
      kind: 'refused',
      reason: 'transition_refused',
    });
  });

  t.test(`cancelled is what has no living job, on ${store}`, async (t) => {
    t.testdir();
    const node = await taskNode(t, await open(t));
    const task = await submit(node, await inputOf(node, 5));
    await untilJobs(node, task, 5);
    await endJobs(node, (seq) => (seq === 2 ? 'finished' : 'left'));
    t.match(await node.ask('task_cancel', { id: task, reason: 'wrong' }), { state: /cancel/ });
    t.match(await untilState(node, task, 'cancelled'), {
      ...{ jobs_finished: 1, jobs_cancelled: 4, jobs_waiting: 0, jobs_running: 0 },
      remarks: 'wrong',
    });
    t.match(await node.ask('task_cancel', { id: task }), { state: 'cancelled' }, 'again changes nothing');
    const output = datasetIdOf(task, 'output');
    await until('its output is aborted', async () => {
      const row = await node.row('SELECT status FROM dsm_datasets WHERE uid = ?', output);
      return row['status'] === 'aborted';
    });
  });
}

t.test('a retry is answered with what is to be done again, before any job was told', async (t) => {
  t.testdir();
  let goOn = () => {};
  const going = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  t.teardown(() => goOn());
  const kept = await embedded(t);
  const store = delegating(kept, {
    append: async (...parameters) => {
      if (parameters[2].some(({ type }) => type === 'JobRetried')) await going;
      return await kept.append(...parameters);
    },
  });
  const node = await taskNode(t, store);
  const task = await submit(node, await inputOf(node, 3));
  await untilJobs(node, task, 3);
  await endJobs(node, (seq) => (seq === 0 ? 'finished' : 'failed'));
  await untilState(node, task, 'failed');
  t.match(await node.ask('task_retry', { id: task }), {
    state: 'running',
    remarks: /^waits for 2 of 3 jobs: 2 to be done again/,
  });
  goOn();
  await until('the jobs are told', async () => {
    const { remarks } = await node.ask('task_status', { id: task });
    return /^waits for 2 of 3 jobs: 2 to be run/.test(String(remarks));
  });
});

t.test('a failed task whose jobs were just told to be done again can be cancelled', async (t) => {
  t.testdir();
  const node = await taskNode(t, await embedded(t));
  const task = await submit(node, await inputOf(node, 3));
  await untilJobs(node, task, 3);
  await endJobs(node, () => 'failed');
  await untilState(node, task, 'failed');
  // Whichever comes first, and whatever the loops make of it between the two.
  await Promise.allSettled([node.ask('task_retry', { id: task }), node.ask('task_cancel', { id: task })]);
  await untilState(node, task, 'cancelled');
  const rows = await node.rows("SELECT state FROM job_dat WHERE state NOT IN ('failed', 'cancelled')");
  t.strictSame(rows, [], 'none of its jobs lives');
});

t.test('what is held waits, and says so; released it goes on', async (t) => {
  t.testdir();
  const node = await taskNode(t, await embedded(t));
  const input = await inputOf(node, 0, { sealed: false });
  const task = await submit(node, input);
  t.match(await node.ask('task_status', { id: task }), {
    remarks:
      /^waits for files: none is known of yet, and input .* is not closed; no cpu pilot has offered `sort` yet$/,
  });
  await node.ask('task_hold', { id: task, reason: 'maintenance' });
  await addFiles(node, input, 0, 2);
  t.match(await node.ask('task_status', { id: '1' }), {
    held: true,
    state: 'registered',
    remarks: /^held since \d{4}-.* \(maintenance\); is being split/,
  });
  t.match(await node.ask('task_hold', { id: task }), { held: true }, 'again changes nothing');
  await node.ask('task_release', { id: task.slice(0, 8) });
  await untilJobs(node, task, 2);
  t.match(await node.ask('task_status', { id: task }), {
    remarks:
      /^waits for files: 2 of 2 are there, and input .* is not closed; waits for 2 of 2 jobs: 2 to be run; no cpu pilot/,
  });
});

t.test('finished softly: what has begun ends, the rest is never begun', async (t) => {
  t.testdir();
  const node = await taskNode(t, await embedded(t));
  const input = await inputOf(node, 4, { sealed: false });
  const task = await submit(node, input);
  const waiting = await submit(node, await inputOf(node, 0, { sealed: false }));
  t.match(await refusalOf(node.ask('task_finish', { id: waiting })), { reason: 'transition_refused' });
  await untilJobs(node, task, 4);
  await endJobs(node, (seq) => (seq < 2 ? 'finished' : 'left'));
  await node.ask('task_finish', { id: task });
  t.match(await untilState(node, task, 'finished'), { jobs_finished: 2, jobs_cancelled: 2 });
  await addFiles(node, input, 4, 1);
  await seal(node, input);
  await untilState(node, await submit(node, await inputOf(node, 0)), 'finished');
  t.match(await node.ask('task_status', { id: task }), { state: 'finished', jobs_total: 4 });
});

t.test(
  'a file that will not come fails what requires all, by name; with it there again it goes on',
  async (t) => {
    t.testdir();
    const node = await taskNode(t, await embedded(t));
    const input = await inputOf(node, 5, { sealed: false });
    await lose(node, input, 3);
    const strict = await submit(node, input, { mode: 'merge', files_per_job: 2 });
    const lenient = await submit(node, input, { mode: 'merge', files_per_job: 2, require_complete: false });
    t.match(await untilState(node, strict, 'failed'), {
      remarks: 'its input is incomplete, and require_complete is set: f3.txt is missing',
    });
    await untilJobs(node, lenient, 2);
    await node.runtime.system.execute(file, fileIdOf(input, 3), {
      decide: () => [{ type: 'FileRestored', data: { reason: 'found' } }],
    });
    await node.ask('task_retry', { id: strict });
    await seal(node, input);
    await untilState(node, strict, 'running');
    await untilJobs(node, strict, 3);
    await untilState(node, lenient, 'running');
    const inputs = async (task: string) => {
      const rows = await node.rows(
        `SELECT group_concat(file_name, ' ') AS names FROM file_dat JOIN job_dat USING (job_id) JOIN task_dat USING (task_id)
       WHERE uid = ? AND type = 'input' GROUP BY seq ORDER BY seq`,
        task,
      );
      return rows.map(({ names }) => names);
    };
    t.strictSame(await inputs(lenient), ['f0.txt f1.txt', 'f2.txt f4.txt'], 'what was left out is left out');
    t.strictSame(await inputs(strict), ['f0.txt f1.txt', 'f2.txt f3.txt', 'f4.txt']);
  },
);

t.test('no more wait than there is room for, and the larger rank goes first', async (t) => {
  t.testdir();
  const node = await taskNode(t, await embedded(t), { config: { split_window: 8 } });
  const [low, high] = [await inputOf(node, 0, { sealed: false }), await inputOf(node, 12)];
  const early = await submit(node, low);
  const late = await submit(node, high, { rank: 5 });
  await untilSays(node, late, /^waits for room: 8 cpu jobs wait already, and workload.split_window is 8;/);
  await addFiles(node, low, 0, 4);
  await untilJobs(node, late, 8);
  t.match(await node.ask('task_status', { id: early }), { state: 'registered', remarks: /^waits for room/ });
  await endJobs(node);
  await untilJobs(node, late, 12);
  await untilJobs(node, early, 4);
});

t.test('another rank reaches the jobs that are not queued yet', async (t) => {
  t.testdir();
  const node = await taskNode(t, await embedded(t));
  const task = await submit(node, await inputOf(node, 2));
  await untilJobs(node, task, 2);
  await node.ask('task_rank', { id: task, rank: 7 });
  await until('they have it', async () => {
    const rows = await node.rows('SELECT rank FROM job_dat');
    return rows.every(({ rank }) => rank === 7);
  });
  t.match(await refusalOf(node.ask('task_rank', { id: task })), { kind: 'invalid', field: 'rank' });
});

t.test('an input that is aborted fails what has not begun to read it, and cancels what has', async (t) => {
  t.testdir();
  const node = await taskNode(t, await embedded(t));
  const [none, some] = [await inputOf(node, 0, { sealed: false }), await inputOf(node, 2, { sealed: false })];
  const [waiting, begun] = [await submit(node, none), await submit(node, some)];
  await untilJobs(node, begun, 2);
  for (const uid of [none, some])
    await node.runtime.system.execute(dataset, uid, {
      decide: () => [{ type: 'DatasetAborted', data: { reason: 'wrong run' } }],
    });
  t.match(await untilState(node, waiting, 'failed'), { remarks: /^its input .* was aborted$/ });
  t.match(await untilState(node, begun, 'cancelled'), { jobs_cancelled: 2 });
});
