/** A task on a real node, from the order to its jobs, over HTTP and gRPC; and behind a restart of the node. */

import t from 'tap';
import { TASKS } from '../../../../../src/systems/workload/service/tasks/task-operations.js';
import { until } from '../../../../support/until.js';
import { NODE_STORES, startHttpWorkload } from '../../support/http-workload.js';

const API = '/api/v1/workload';

for (const [name, storeOf] of Object.entries(NODE_STORES))
  t.test(`ordered, split, held and cancelled on ${name}`, async (t) => {
    const config = await storeOf(t);
    const first = await startHttpWorkload(t, { config });
    const post = (path: string, body: object, headers: Readonly<Record<string, string>> = {}) =>
      first.ask('POST', `${API}${path}`, { body, headers });
    const made = await post('/datasets', { datasets: [{ name: 'run 7', storage_url: 'file:///in' }] });
    const { datasets } = Object(made.body);
    const [{ uid: dataset }] = datasets;
    await post(`/datasets/${dataset}/files`, { files: [{ file_name: 'a.txt' }, { file_name: 'b.txt' }] });
    const order = {
      executable: 'sort',
      device_type: 'cpu',
      mode: 'map',
      data_in_uid: dataset,
      data_out_url: 'file:///out',
    };
    const key = { 'Idempotency-Key': '"once"' };
    const submitted = await post('/tasks', order, key);
    t.match(submitted, {
      status: 201,
      body: { task_id: 1, state: /registered|splitting/, retries: 3, rank: 0 },
    });
    const again = await post('/tasks', order, key);
    t.match(again, { body: { task_id: 1 }, headers: { 'idempotent-replay': 'true' } });
    t.match(
      await post('/tasks', { ...order, rank: 1 }, key),
      { status: /409|422/ },
      'another order under that key',
    );
    const { uid: task } = Object(submitted.body);
    await until('both files have their job', async () => {
      const { body } = await first.ask('GET', `${API}/tasks/1`);
      return Object(body).jobs_total === 2;
    });
    t.match(await post('/tasks/1/hold', { reason: 'maintenance' }), { status: 200, body: { held: true } });
    await first.node.stop();

    const node = await startHttpWorkload(t, { config, data: first.data });
    t.match(await node.call(TASKS, 'task_status', { id: task }), {
      task_id: '1',
      held: true,
      jobs_total: '2',
    });
    t.match(await node.ask('GET', `${API}/tasks/1`), {
      body: { remarks: /^held since .* \(maintenance\); waits for files: 2 of 2 are there/ },
    });
    await node.ask('POST', `${API}/datasets/${dataset}/files`, { body: { files: [{ file_name: 'c.txt' }] } });
    t.match(await node.ask('PATCH', `${API}/tasks/1`, { body: { rank: 2 } }), {
      status: 200,
      body: { rank: 2 },
    });
    t.match(await node.call(TASKS, 'task_rank', { id: task, rank: 3 }), { rank: '3' });
    t.match(await node.ask('POST', `${API}/tasks/1/release`, { body: {} }), { body: { held: false } });
    await until('the third has one too', async () => {
      const { body } = await node.ask('GET', `${API}/tasks/1`);
      return Object(body).jobs_total === 3;
    });
    t.match(await node.ask('POST', `${API}/tasks/${task}/cancel`, { body: { reason: 'wrong run' } }), {
      status: 202,
    });
    await until('nothing of it lives', async () => {
      const { body } = await node.ask('GET', `${API}/tasks/1`);
      return Object(body).state === 'cancelled';
    });
    const told = await node.stream(TASKS, 'task_history', { id: '1' }, () => false);
    t.strictSame(
      told.map((event) => Object(event).type),
      [
        ...[
          'TaskRegistered',
          'TaskSplitStarted',
          'TaskJobsPlanned',
          'TaskHeld',
          'TaskRanked',
          'TaskRanked',
          'TaskReleased',
        ],
        ...['TaskJobsPlanned', 'TaskCancelRequested', 'TaskCancelled'],
      ],
    );
  });
