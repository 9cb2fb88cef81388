/** One thing whose stream nobody can read any more keeps nothing else from its way. */

import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t, { type Test } from 'tap';
import {
  declareFiles,
  registerDataset,
} from '../../../../src/systems/workload/service/datasets/dataset-commands.js';
import { dataset, file } from '../../../../src/systems/workload/service/datasets/dataset-types.js';
import { availableFrom } from '../../../../src/systems/workload/service/datasets/file-commands.js';
import { fileIdOf } from '../../../../src/systems/workload/service/ids.js';
import type { EventStoreDbNode } from '../../../support/eventstoredb-node/node.js';
import { startNode } from '../../../support/eventstoredb-stores.js';
import { until } from '../../../support/until.js';
import { damage } from '../support/damage.js';
import { type Granted, startPilot } from '../support/synthetic-pilot.js';
import { startWorkload, type WorkloadNode } from '../support/workload-node.js';
import { written } from './datasets/written-files.js';

async function onStore(
  t: Test,
  config: Readonly<Record<string, number>> = {},
): Promise<{ node: WorkloadNode; store: EventStoreDbNode }> {
  const store = await startNode(t);
  return { node: await startWorkload(t, { store: store.connectionString, config }), store };
}

const LEFT_OUT = 'what a loop can not tell anything is left out';

t.test('a job that is to be queued', async (t) => {
  const { node, store } = await onStore(t);
  await node.createJob('bad', { rank: 9 });
  await node.createJob('good');
  await node.createJob('other', { device_type: 'gpu' });
  damage(store, 'wl_job-bad');
  const cpu = await startPilot(t, node, { name: 'p1', slots: 2 });
  const gpu = await startPilot(t, node, { name: 'p2', device: 'gpu' });
  await cpu.finished(await cpu.take('good'));
  await gpu.finished(await gpu.take('other'));
  for (const uid of ['next', 'last']) {
    await node.createJob(uid);
    await cpu.finished(await cpu.take(uid));
  }
  t.strictSame(
    node.log.messages('error').filter((one) => one === LEFT_OUT),
    [LEFT_OUT],
    'it is told once',
  );
});

t.test('a job whose hint is to be sent again', async (t) => {
  const { node, store } = await onStore(t, { requeue_seconds: 1 });
  const pilot = await startPilot(t, node, { slots: 2 });
  await node.createJob('bad', { rank: 9 });
  await node.createJob('good');
  await until('both are hinted', () => ['bad', 'good'].every((uid) => pilot.hints.includes(uid)));
  damage(store, 'wl_job-bad');
  await until('the other is hinted again', () => pilot.hints.filter((uid) => uid === 'good').length > 1);
  await node.createJob('next');
  await pilot.finished(await pilot.take('good'));
  await pilot.take('next');
});

t.test('a job that nobody offers to run', async (t) => {
  const { node, store } = await onStore(t, { unknown_after_seconds: 1 });
  for (const uid of ['bad', 'good']) await node.createJob(uid, { executable: 'srot' });
  await node.createJob('other', { device_type: 'gpu' });
  damage(store, 'wl_job-bad');
  for (const uid of ['good', 'other'])
    await until(`${uid} has failed`, async () =>
      (await node.eventsOf(uid)).some(({ type }) => type === 'JobFailed'),
    );
});

t.test('a job that is to be taken back, where nothing is to be granted any more', async (t) => {
  const { node, store } = await onStore(t);
  const pilot = await startPilot(t, node, { slots: 2 });
  for (const uid of ['bad', 'good']) await node.createJob(uid);
  await until('both are hinted', () => ['bad', 'good'].every((uid) => pilot.hints.includes(uid)));
  damage(store, 'wl_job-bad');
  const off = { switch: 'executor', enabled: false, strict: true };
  t.match(await node.ask('Switches', 'switch_set', off), { enabled: false, strict: true });
  t.match(await pilot.claim('good'), { reason: 'disabled' });
  t.match((await node.eventsOf('good')).at(-1), { type: 'JobWithdrawn' });
  t.match(await pilot.claim('bad'), { is_success: false });
});

/** Registered, with one file that a job was to write and has. */
async function withFile({ context }: WorkloadNode, uid: string, produces?: string): Promise<string> {
  const { system } = context.runtime;
  const made = produces === undefined ? {} : { producer_task: randomUUID(), produces };
  await system.execute(dataset, uid, { decide: registerDataset({ name: uid, ...made }) });
  await system.execute(dataset, uid, { decide: declareFiles(0, [{ name: 'a', path: '' }]) });
  const place = { dataset_uid: uid, idx: 0, file_name: 'a', path: 'a', declared: true };
  const id = fileIdOf(uid, 0);
  const { uid: _uid, ...content } = written(uid, 'a', '7');
  await system.execute(file, id, { decide: availableFrom(place, { ...content, job: 'j', attempt: 1 }) });
  return id;
}

t.test('a file that nobody wants', async (t) => {
  const { node, store } = await onStore(t);
  const { system } = node.context.runtime;
  const [unwanted, other, good] = [randomUUID(), randomUUID(), randomUUID()];
  damage(store, `wl_file-${await withFile(node, unwanted, 'output')}`);
  const last = await withFile(node, other, 'output');
  await withFile(node, good);
  for (const uid of [unwanted, other])
    await system.execute(dataset, uid, {
      decide: () => [{ type: 'DatasetAborted', data: { reason: 'wrong' } }],
    });
  await system.execute(dataset, good, { decide: () => [{ type: 'DatasetSealed', data: { files: 1 } }] });
  await until(
    'another dataset is closed',
    async () => (await system.read(dataset, good)).snapshot.value === 'closed',
  );
  await until(
    'and another file discarded',
    async () => (await system.read(file, last)).snapshot.value === 'discarded',
  );
});

t.test('a dataset that is cancelled', async (t) => {
  const { node, store } = await onStore(t);
  const { system } = node.context.runtime;
  const pilot = await startPilot(t, node, { slots: 2 });
  const [bad, good] = [randomUUID(), randomUUID()];
  const grants: Granted[] = [];
  for (const uid of [bad, good]) {
    const input = await withFile(node, uid);
    await node.createJob(`reads-${uid}`, {
      inputs: [{ uid: input, dataset_uid: uid, idx: 0, file_name: 'a', path: 'a' }],
    });
    grants.push(await pilot.take(`reads-${uid}`));
    await node.ask('DatasetManager', 'dataset_cancel', { uid, reason: 'wrong' });
  }
  damage(store, `wl_dataset-${bad}`);
  for (const { job, claim_id } of grants)
    t.match(await pilot.tell({ cancelled: { job, claim_id, processes_ended: 1 } }), { is_success: true });
  await until(
    'the other is aborted',
    async () => (await system.read(dataset, good)).snapshot.value === 'aborted',
  );
});

t.test('a file that is verified', async (t) => {
  const { node, store } = await onStore(t);
  const place = join(node.data, 'files');
  mkdirSync(place);
  for (const name of ['a', 'b']) writeFileSync(join(place, name), name);
  const uid = randomUUID();
  const ask = (name: string, request: object) => node.ask('DatasetManager', name, request);
  await ask('dataset_register', { datasets: [{ uid, name: 'd', storage_url: pathToFileURL(place).href }] });
  await ask('dataset_add', { uid, files: [{ file_name: 'a' }, { file_name: 'b' }] });
  const { system } = node.context.runtime;
  for (const idx of [0, 1])
    await until(
      'it is there',
      async () => (await system.read(file, fileIdOf(uid, idx))).snapshot.value === 'available',
    );
  damage(store, `wl_file-${fileIdOf(uid, 0)}`);
  t.match(await ask('dataset_verify', { uid }), {
    ...{ looked_at: 2, missing: 0, corrupt: 0, unreadable: 1 },
    examples: [{ file_name: 'a', reason: /revision 1 of wl_file-.* can't be read/ }],
  });
  const { context } = (await system.read(file, fileIdOf(uid, 1))).snapshot;
  t.not(context.checkSum, null, 'the other one was looked at');
});
