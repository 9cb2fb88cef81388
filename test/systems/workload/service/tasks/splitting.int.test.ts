/** Tasks become jobs: each file of a dataset is in one job of its level, on each kind of store, whoever is killed. */

import t from 'tap';
import { STORES } from '../../../../support/both-stores.js';
import {
  addFiles,
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
