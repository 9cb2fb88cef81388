/** Jobs of real tasks: where their inputs lie, what a held and a cancelled task means for claims, retries over the task. */

import t from 'tap';
import { until } from '../../../../support/until.js';
import { type Granted, type SyntheticPilot, startPilot } from '../../support/synthetic-pilot.js';
import { ON_STORES, startWorkload, type WorkloadNode } from '../../support/workload-node.js';

const MD5 = 'b026324c-6904-b2a9-cb4b-88d6d61c81d1';

/** A task over so many files. @returns the uids of the task and of its jobs, by number */
async function submit(node: WorkloadNode, files: number, more: object = {}) {
  const { datasets } = await node.ask('DatasetManager', 'dataset_register', {
    datasets: [{ name: 'input', storage_url: 'file:///in' }],
  });
  const uid = String(Reflect.get(Array.isArray(datasets) ? Object(datasets[0]) : {}, 'uid'));
  const named = Array.from({ length: files }, (_, n) => ({
    file_name: `f${n}.txt`,
    size: 5,
    check_sum: MD5,
  }));
  await node.ask('DatasetManager', 'dataset_add', { uid, files: named });
  await node.ask('DatasetManager', 'dataset_close', { uid });
  const task = await node.ask('TaskManager', 'task_submit', {
    ...{ executable: 'wc', device_type: 'cpu', mode: 'map', data_in_uid: uid, data_out_url: 'file:///out' },
    ...more,
  });
  let jobs: string[] = [];
  await until('its jobs are made', async () => {
    const found = await node.jobs.call('job_list', { task: task['uid'] });
    jobs = [Reflect.get(found, 'jobs') ?? []].flat().map((one: object) => String(Reflect.get(one, 'uid')));
    return jobs.length === files;
  });
  return { task: String(task['uid']), jobs };
}

async function finish(pilot: SyntheticPilot, grant: Granted, task: string) {
  const { job, claim_id, outputs = [], log } = grant;
  const written = (file: object) => ({
    ...file,
    ...{ path: `${task}/${job}`, size: 4, check_sum: MD5, sha256: '4'.repeat(64) },
  });
  return await pilot.tell({
    finished: { job, claim_id, outputs: outputs.map(written), log: written(log ?? {}), wall_seconds: 1 },
  });
}

for (const [store, start] of Object.entries(ON_STORES))
  t.test(
    `on ${store} a task runs on a pilot, a failed job is retried over it, and it finishes`,
    async (t) => {
      const node = await start(t);
      const pilot = await startPilot(t, node, { slots: 2 });
      const { task, jobs } = await submit(node, 2, { retries: 0 });
      const [first = '', second = ''] = jobs;
      const grant = await pilot.take(first);
      t.match(grant, {
        ...{ task, storage_url: 'file:///in', data_out_url: 'file:///out', seq: 0 },
        inputs: [{ file_name: 'f0.txt', path: 'f0.txt', size: 5, check_sum: MD5 }],
      });
      t.match(await finish(pilot, grant, task), { is_success: true });
      await pilot.failed(await pilot.take(second), 'payload_exit');
      await until('the task has failed', async () => (await stateOf(node, task)) === 'failed');
      await t.rejects(node.jobs.call('job_retry', { id: first }), {
        message: /only a failed one can be retried/,
      });
      const order = { id: second, reason: 'mended', command_id: 'c-1' };
      await node.jobs.call('job_retry', order);
      const hints = () => pilot.hints.filter((uid) => uid === second).length;
      await until('it is hinted again', () => hints() === 2);
      await node.jobs.call('job_retry', order);
      t.match(await finish(pilot, await pilot.take(second), task), { is_success: true });
      await until('the task has finished', async () => (await stateOf(node, task)) === 'finished');
      await t.rejects(node.jobs.call('job_retry', { id: second }), {
        message: /only a failed one can be retried/,
      });
    },
  );

t.test('nothing of a task that is held or cancelled is granted', async (t) => {
  const node = await startWorkload(t);
  const pilot = await startPilot(t, node, { slots: 1 });
  const { task, jobs } = await submit(node, 3);
  const [first = '', second = ''] = jobs;
  const running = await pilot.take(first);
  await node.ask('TaskManager', 'task_hold', { id: task, reason: 'wait' });
  t.match(await pilot.claim(second), { is_success: false, reason: 'held' });
  t.match(await node.jobs.call('job_status', { id: second }), { remarks: 'its task is held' });
  await node.ask('TaskManager', 'task_release', { id: task });
  t.match(await finish(pilot, running, task), { is_success: true });
  await pilot.take(second);
  await node.ask('TaskManager', 'task_cancel', { id: task, reason: 'wrong' });
  t.match(await pilot.claim(jobs[2] ?? ''), { is_success: false, reason: 'cancelled' });
  await until('its pilot is told', () => pilot.told.some(({ cancel }) => cancel?.job === second));
});

async function stateOf(node: WorkloadNode, task: string): Promise<unknown> {
  return (await node.ask('TaskManager', 'task_status', { id: task }))['state'];
}
