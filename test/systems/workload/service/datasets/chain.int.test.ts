/** The whole way with a real pilot: scanned files become jobs, their outputs a dataset that is closed, verified and cleared. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { z } from 'zod';
import { runPilot } from '../../../../../src/systems/workload/machine/pilot.js';
import { localCredentials } from '../../../../support/local-credentials.js';
import { testDirectory } from '../../../../support/test-directory.js';
import { until } from '../../../../support/until.js';
import { wakingClock } from '../../../../support/waking-clock.js';
import { Executables } from '../../support/executables.js';
import { type HttpWorkload, startHttpWorkload } from '../../support/http-workload.js';

const DATASETS = 'workload.DatasetManager';
const Registered = z.object({ datasets: z.tuple([z.object({ uid: z.string() })]) });
const Task = z.looseObject({ uid: z.string(), state: z.string(), data_out_uid: z.string() });
const File = z.looseObject({ path: z.string(), status: z.string(), remarks: z.string().default('') });
const Files = z.object({ files: z.array(File).default([]) });

async function scanned(node: HttpWorkload, name: string, directory: string): Promise<string> {
  const asked = { datasets: [{ name, storage_url: `file://${directory}` }] };
  const { uid } = Registered.parse(await node.call(DATASETS, 'dataset_register', asked)).datasets[0];
  await node.call(DATASETS, 'dataset_scan', { uid });
  await node.call(DATASETS, 'dataset_close', { uid });
  return uid;
}

const filesOf = async (node: HttpWorkload, uid: string) =>
  Files.parse(await node.call(DATASETS, 'dataset_files', { uid })).files;

function datasetIs(node: HttpWorkload, uid: string, wanted: object): Promise<void> {
  return until(`${uid} is ${JSON.stringify(wanted)}`, async () => {
    const found: object = await node.call(DATASETS, 'dataset_status', { id: uid });
    return Object.entries(wanted).every(([key, value]) => Reflect.get(found, key) === value);
  });
}

t.test('from files to files', async (t) => {
  const root = testDirectory(t);
  const [storage, changed, out] = ['in', 'changed', 'out'].map((name) => join(root, name));
  if (storage === undefined || changed === undefined || out === undefined) throw new Error('three names');
  for (const directory of [storage, changed, out]) mkdirSync(directory);
  for (const name of ['a.txt', 'b.txt']) writeFileSync(join(storage, name), `this is ${name}`);
  writeFileSync(join(changed, 'c.txt'), 'this is c.txt');
  const data = join(root, 'data');
  const node = await startHttpWorkload(t, { data, config: { 'workload.storage_roots': root } });
  const submit = async (data_in_uid: string) => {
    const order = {
      executable: 'upper',
      device_type: 'cpu',
      mode: 'map',
      data_in_uid,
      data_out_url: `file://${out}`,
    };
    return Task.parse(await node.call('workload.TaskManager', 'task_submit', { ...order, retries: 0 }));
  };
  const task = await submit(await scanned(node, 'in', storage));
  const bad = await scanned(node, 'changed', changed);
  writeFileSync(join(changed, 'c.txt'), 'THIS IS C.TXT');
  const lost = await submit(bad);
  const pilot = await runPilot({
    settings: {
      ...{
        name: 'p1',
        device: 'cpu',
        slots: 2,
        memory_mib: 0,
        executables: Executables,
        storage_roots: [root],
      },
      ...{ grace_seconds: 1, looping_seconds: 0, log_limit_mib: 1, verify: 'always' },
    },
    ...{ data, server: node.node.address, credentials: localCredentials(data), logger: node.log.logger },
    ...{ version: '1', variables: process.env, clock: wakingClock },
  });
  t.teardown(() => pilot.stop());
  await datasetIs(node, task.data_out_uid, {
    status: 'closed',
    files: 2,
    files_available: 2,
    complete: true,
  });
  const written = await filesOf(node, task.data_out_uid);
  t.same(
    written.map(({ path }) => readFileSync(join(out, path), 'utf8')),
    ['THIS IS A.TXT', 'THIS IS B.TXT'],
  );
  t.same(await node.call(DATASETS, 'dataset_verify', { uid: task.data_out_uid }), {
    ...{ looked_at: 2, missing: 0, corrupt: 0 },
  });
  writeFileSync(join(out, task.uid, 'a.j0.a7.txt'), 'left');
  t.same(await node.call(DATASETS, 'dataset_gc', { uid: task.data_out_uid }), { removed: 1, bytes: 4 });
  t.same(await node.call(DATASETS, 'dataset_verify', { uid: task.data_out_uid }), {
    ...{ looked_at: 2, missing: 0, corrupt: 0 },
  });
  await datasetIs(node, bad, { files_failed: 1 });
  t.match(
    await filesOf(node, bad),
    [{ status: 'corrupt' }],
    'the job has told that its input is another one',
  );
  const state = async () =>
    Task.parse(await node.call('workload.TaskManager', 'task_status', { id: lost.uid })).state;
  await until('its task fails', async () => (await state()) === 'failed');
  t.match(await node.call(DATASETS, 'dataset_status', { id: lost.data_out_uid }), { status: 'sealed' });
});
