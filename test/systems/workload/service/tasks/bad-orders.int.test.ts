/** Orders of tasks that can't be carried out: each names field and rule, over both roads the same, and nothing of it is stored. */

import { Metadata } from '@grpc/grpc-js';
import t from 'tap';
import { dataset } from '../../../../../src/systems/workload/service/datasets/dataset-types.js';
import { datasetIdOf } from '../../../../../src/systems/workload/service/ids.js';
import * as declared from '../../../../../src/systems/workload/service/tasks/task-operations.js';
import { workload } from '../../../../../src/systems/workload/system.js';
import { loadProto } from '../../../../../src/wire/proto.js';
import { differences } from '../../../../node/operations/operation-contract.js';
import { startHttpNode } from '../../../../node/serving/http/http-node.js';
import { embedded, inputOf, ORDER, refusalOf, submit, taskNode } from './task-world.js';

const UNKNOWN = '0123456789abcdef0123456789abcdef';
const GOOD = { ...ORDER, data_in_uid: UNKNOWN };

/** [what is wrong, field, rule] */
const BAD: readonly (readonly [wrong: object, field: string, rule: RegExp])[] = [
  [{ executable: '' }, 'executable', /is missing/],
  [{ executable: 'x'.repeat(51) }, 'executable', /1 to 50/],
  [{ executable: '/bin/sh' }, 'executable', /never a path/],
  [{ executable: 'a b' }, 'executable', /letters, digits/],
  [{ args: 'x'.repeat(256) }, 'args', /at most 255/],
  [{ args: 'a\0b' }, 'args', /NUL/],
  [{ args: 'a\nb' }, 'args', /line break/],
  [{ args: 'a "b' }, 'args', /close each quote/],
  [{ rank: 32_768 }, 'rank', /-32768 to 32767/],
  [{ rank: -32_769 }, 'rank', /-32768 to 32767/],
  [{ retries: -1 }, 'retries', /0 to 100/],
  [{ retries: 101 }, 'retries', /0 to 100/],
  [{ files_per_job: 0 }, 'files_per_job', /1 to 1000/],
  [{ files_per_job: 1001 }, 'files_per_job', /1 to 1000/],
  [{ mode: 'merge', files_per_job: 1 }, 'files_per_job', /2 at least/],
  [{ timeout_seconds: 0 }, 'timeout_seconds', /1 to/],
  [{ mode: 'reduce' }, 'mode', /must be one of map, merge/],
  [{ device_type: 'tpu' }, 'device_type', /must be one of cpu, gpu/],
  [{ until_one: true }, 'until_one', /left out for a map/],
  [{ data_in_uid: 'run 7' }, 'data_in_uid', /must be a UUID/],
  [{ data_out_url: 'http://host/out' }, 'data_out_url', /file:\/\/\//],
  [{ data_out_url: 'file://host/out' }, 'data_out_url', /without a host/],
  [{ data_out_url: 'out' }, 'data_out_url', /file:\/\/\//],
  [{ data_out_url: 'file:///data/../etc' }, 'data_out_url', /must not hold \.\./],
  [{ data_out_url: 'file:///etc' }, 'data_out_url', /below workload.storage_roots \(\/data\)/],
  [{ data_out_url: `file:///data/${'x'.repeat(256)}` }, 'data_out_url', /at most 255/],
  [{ storage_url: 'file:///etc' }, 'storage_url', /below workload.storage_roots/],
];

/** What no gRPC peer can send. */
const BAD_OVER_HTTP: typeof BAD = [
  [{ rank: 1.5 }, 'rank', /whole number/],
  [{ rank: '3' }, 'rank', /whole number/],
  [{ rnak: 3 }, 'rnak', /is no field of this request; did you mean rank\?/],
];

t.test('each says what is wrong, over gRPC and HTTP alike', async (t) => {
  const node = await startHttpNode(t, { systems: [workload], config: { 'workload.storage_roots': '/data' } });
  const good = { ...GOOD, data_out_url: 'file:///data/out' };
  const sent = (wrong: object) => ({ ...good, ...wrong });
  for (const [wrong, field, rule] of [...BAD, ...BAD_OVER_HTTP]) {
    const { status, body } = await node.ask('POST', '/api/v1/workload/tasks', { body: sent(wrong) });
    t.match({ status, body }, { status: 422, body: { kind: 'invalid', field, rule } }, JSON.stringify(wrong));
  }
  for (const [wrong, field, rule] of BAD) {
    const refused = await refusalOf(node.call(declared.TASKS, 'task_submit', sent(wrong)));
    t.match(refused, { details: new RegExp(`${field}: .*${rule.source}`) }, JSON.stringify(wrong));
  }
  const several = {
    rank: 40_000,
    mode: 'reduce',
    executable: '/bin/sh',
    data_out_url: 'out',
    storage_url: 'in',
  };
  const { body } = await node.ask('POST', '/api/v1/workload/tasks', { body: sent(several) });
  t.match(body, {
    problems: [
      { field: 'executable' },
      { field: 'rank' },
      { field: 'mode' },
      { field: 'storage_url' },
      { field: 'data_out_url' },
    ],
  });
  const ofTheNode = { data_out_url: 'file:///etc', storage_url: 'file:///', mode: 'merge', files_per_job: 1 };
  const { body: refusedByRoots } = await node.ask('POST', '/api/v1/workload/tasks', {
    body: sent(ofTheNode),
  });
  t.match(refusedByRoots, {
    problems: [{ field: 'files_per_job' }, { field: 'storage_url' }, { field: 'data_out_url' }],
  });
  const unknown = await node.ask('POST', '/api/v1/workload/tasks', { body: good });
  t.match(unknown, { status: 404, body: { kind: 'not_found', reason: 'dataset_not_found' } });
  for (const path of ['/tasks/17', '/tasks/17/history']) {
    const none = await node.ask('GET', `/api/v1/workload${path}`);
    t.match(
      none,
      {
        status: 404,
        body: { reason: 'task_not_found', detail: 'there is no task 17; none is there yet' },
      },
      path,
    );
  }
  const refused = await refusalOf(node.call(declared.TASKS, 'task_cancel', { id: '17' }));
  const { metadata } = Object(refused);
  t.strictSame(metadata instanceof Metadata && metadata.get('owl-reason'), ['task_not_found']);
  t.strictSame((await node.ask('GET', '/api/v1/workload/tasks')).body, { tasks: [] }, 'nothing is stored');
});

t.test('what can not be read is refused: aborted, or what the task itself would write', async (t) => {
  const node = await taskNode(t, await embedded(t));
  const aborted = await inputOf(node, 1, { sealed: false });
  await node.runtime.system.execute(dataset, aborted, {
    decide: () => [{ type: 'DatasetAborted', data: { reason: 'wrong run' } }],
  });
  const ask = (more: object) => refusalOf(node.ask('task_submit', { ...ORDER, ...more }));
  t.match(await ask({ data_in_uid: aborted }), {
    ...{ kind: 'refused', reason: 'transition_refused', message: /was aborted: wrong run/ },
  });
  const uid = '6b1f8f5c-4f0e-4b6c-9a51-6a9a4b8f3c11';
  for (const product of ['output', 'log', 'levels'] as const)
    t.match(await ask({ uid, data_in_uid: datasetIdOf(uid, product) }), {
      kind: 'refused',
      reason: 'own_output',
    });
  t.strictSame(await node.rows('SELECT * FROM task_dat'), []);
});

t.test('an order that is sent again gets its first answer, another one under its id does not', async (t) => {
  const node = await taskNode(t, await embedded(t));
  const input = await inputOf(node, 0, { sealed: false });
  const order = { command_id: 'order-1', name: 'a' };
  const task = await submit(node, input, order);
  t.equal(await submit(node, input, order), task);
  t.equal((await node.rows('SELECT * FROM task_dat')).length, 1);
  const other = node.ask('task_submit', { ...ORDER, data_in_uid: input, ...order, name: 'b' });
  t.match(await refusalOf(other), { kind: 'exists' });
  const taken = node.ask('task_submit', { ...ORDER, data_in_uid: input, uid: task.toUpperCase() });
  t.match(await refusalOf(taken), { kind: 'exists', message: `there is a task ${task} already` });
  t.match(await node.ask('task_status', { id: task }), { retries: 3, rank: 0, require_complete: true });
});

t.test('operations and proto file say the same', async (t) => {
  const all = Object.values(declared).filter((one) => typeof one === 'object');
  for (const operation of all)
    t.strictSame(differences(operation, loadProto('workload')), [], operation.name);
  t.equal(all.length, 11);
});
