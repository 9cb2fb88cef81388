/** Merges: full groups at once, the tail when nothing more comes, level after level until one file is left. */

import t from 'tap';
import { datasetIdOf } from '../../../../../src/systems/workload/service/ids.js';
import { STORES } from '../../../../support/both-stores.js';
import { until } from '../../../../support/until.js';
import { embedded, endJobs, inputOf, seal, submit, taskNode, untilJobs, untilState } from './task-world.js';

const MERGE = { mode: 'merge', files_per_job: 3 };

for (const [store, open] of Object.entries(STORES)) {
  t.test(`a merge on ${store}: full groups at once, the tail once the input is sealed`, async (t) => {
    t.testdir();
    const node = await taskNode(t, await open(t));
    const input = await inputOf(node, 7, { sealed: false });
    const task = await submit(node, input, MERGE);
    await untilJobs(node, task, 2);
    t.match(await node.ask('task_status', { id: task }), {
      state: 'splitting',
      split_next: 6,
      remarks: /^waits for files: 7 of 7 are there; 1 wait for others to go with, and input .* is not closed/,
    });
    await seal(node, input);
    await untilJobs(node, task, 3);
    await untilState(node, task, 'running');
    const jobs = await node.rows('SELECT seq, inputs FROM job_dat ORDER BY seq');
    t.strictSame(
      jobs.map(({ inputs }) => inputs),
      [3, 3, 1],
    );
    await endJobs(node);
    t.match(await untilState(node, task, 'finished'), { jobs_finished: 3, jobs_total: 3 });
  });

  t.test(`until one on ${store}: each level reads what the one below it wrote`, async (t) => {
    t.testdir();
    const node = await taskNode(t, await open(t));
    const input = await inputOf(node, 10, { sealed: false });
    const task = await submit(node, input, { ...MERGE, until_one: true });
    await untilJobs(node, task, 3);
    await seal(node, input);
    await until('the task has ended', async () => {
      await endJobs(node);
      return (await node.ask('task_status', { id: task }))['state'] === 'finished';
    });
    // What was written last is registered by then.
    const ofOutput = datasetIdOf(task, 'output');
    await until('its output is closed', async () => {
      const { status } = await node.row('SELECT status FROM dsm_datasets WHERE uid = ?', ofOutput);
      return status === 'closed';
    });
    const usesOfFiles = () =>
      node.rows(
        `SELECT job.seq, job.level, used.type, used.dataset_uid, file.idx FROM job_dat AS job JOIN file_dat AS used USING (job_id)
         JOIN dsm_files AS file ON file.uid = used.dsm_file WHERE used.type <> 'log' ORDER BY seq, type, idx`,
      );
    // What the last one has written is registered behind its end.
    await until('all files are registered', async () => (await usesOfFiles()).length >= 23);
    const uses = await usesOfFiles();
    const levels = datasetIdOf(task, 'levels');
    const named = { [input]: 'in', [levels]: 'levels', [ofOutput]: 'out' };
    t.strictSame(
      uses.map(({ seq, level, type, dataset_uid: dataset, idx }) =>
        [seq, level, type, `${named[String(dataset)]} ${idx}`].join(' '),
      ),
      [
        ...['0 1 input in 0', '0 1 input in 1', '0 1 input in 2', '0 1 output levels 0'],
        ...['1 1 input in 3', '1 1 input in 4', '1 1 input in 5', '1 1 output levels 1'],
        ...['2 1 input in 6', '2 1 input in 7', '2 1 input in 8', '2 1 output levels 2'],
        ...['3 1 input in 9', '3 1 output levels 3'],
        ...['4 2 input levels 0', '4 2 input levels 1', '4 2 input levels 2', '4 2 output levels 4'],
        ...['5 2 input levels 3', '5 2 output levels 5'],
        ...['6 3 input levels 4', '6 3 input levels 5', '6 3 output out 0'],
      ],
    );
    t.match(await node.row('SELECT * FROM dsm_datasets WHERE uid = ?', ofOutput), {
      files: 1,
    });
  });
}

t.test(
  'one level is enough where one job takes all; it is made once it is known that no more come',
  async (t) => {
    t.testdir();
    const node = await taskNode(t, await embedded(t));
    const input = await inputOf(node, 3, { sealed: false });
    const task = await submit(node, input, { ...MERGE, until_one: true });
    await until('it waits', async () =>
      /is not closed/.test(String((await node.ask('task_status', { id: task }))['remarks'])),
    );
    t.equal((await node.ask('task_status', { id: task }))['state'], 'registered');
    await seal(node, input);
    await untilJobs(node, task, 1);
    await endJobs(node);
    t.match(await untilState(node, task, 'finished'), { jobs_total: 1 });
    const [output] = await node.rows("SELECT * FROM file_dat WHERE type = 'output'");
    t.match(output, { dataset_uid: datasetIdOf(task, 'output'), file_name: 'merged.j0.txt' });
  },
);

t.test('an empty input that is closed is a task with no jobs', async (t) => {
  t.testdir();
  const node = await taskNode(t, await embedded(t));
  const input = await inputOf(node, 0);
  for (const more of [{}, MERGE, { ...MERGE, until_one: true }]) {
    const task = await submit(node, input, more);
    t.match(
      await untilState(node, task, 'finished'),
      { jobs_total: 0, jobs_finished: 0 },
      JSON.stringify(more),
    );
  }
});
