/** Jobs of real tasks: where their inputs lie, what a held and a cancelled task means for claims, retries over the task. */

import t from 'tap';
import { until } from '../../../../support/until.js';
import { finishJob as finish, MD5, submitTask as submit, untilTask } from '../../support/orders-of-tasks.js';
import { startPilot } from '../../support/synthetic-pilot.js';
import { ON_STORES, startWorkload } from '../../support/workload-node.js';

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
      await untilTask(node, task, 'failed');
      await t.rejects(node.jobs.call('job_retry', { id: first }), {
        message: /only a failed one can be retried/,
      });
      const order = { id: second, reason: 'mended', command_id: 'c-1' };
      await node.jobs.call('job_retry', order);
      const hints = () => pilot.hints.filter((uid) => uid === second).length;
      await until('it is hinted again', () => hints() === 2);
      await node.jobs.call('job_retry', order);
      t.match(await finish(pilot, await pilot.take(second), task), { is_success: true });
      await untilTask(node, task, 'finished');
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
