/** A verification that takes long is followed: how far it is, how it ended, and that nobody has to wait for it. */

import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { z } from 'zod';
import { until } from '../../../../support/until.js';
import { startHttpWorkload } from '../../support/http-workload.js';

const DATASETS = 'workload.DatasetManager';
const FILES = 9;
const Registered = z.object({ datasets: z.tuple([z.object({ uid: z.string() })]) });

/** Files are looked at as long as it is not shut. */
async function gate(t: Test, directory: string) {
  const handle = await open(join(directory, 'f0'));
  const prototype: FileHandle = Object.getPrototypeOf(handle);
  await handle.close();
  const { stat } = prototype;
  let opened = Promise.resolve();
  let openUp = () => undefined;
  let held = 0;
  const gated = async function (this: FileHandle, ...options: unknown[]) {
    held += 1;
    await opened;
    held -= 1;
    return await Reflect.apply(stat, this, options);
  };
  Object.assign(prototype, { stat: gated });
  t.teardown(() => {
    openUp();
    Object.assign(prototype, { stat });
  });
  return {
    held: () => held,
    shut() {
      opened = new Promise((resolve) => {
        openUp = () => void resolve();
      });
    },
    open: () => openUp(),
  };
}

async function world(t: Test) {
  const root = t.testdir({ storage: {} });
  const directory = join(root, 'storage', 'in');
  mkdirSync(directory);
  const node = await startHttpWorkload(t, { data: join(root, 'data') });
  for (let n = 0; n < FILES; n++) writeFileSync(join(directory, `f${n}`), String(n));
  const order = { datasets: [{ name: 'in', storage_url: `file://${directory}` }] };
  const uid = Registered.parse(await node.call(DATASETS, 'dataset_register', order)).datasets[0].uid;
  await node.call(DATASETS, 'dataset_scan', { uid });
  await until('its files are there', async () => {
    const { files_available: there } = z
      .looseObject({ files_available: z.number().optional() })
      .parse(await node.call(DATASETS, 'dataset_status', { id: uid }));
    return there === FILES;
  });
  const verify = (key: string, body: object = { wait_seconds: 0 }) =>
    node.ask('POST', `/api/v1/workload/datasets/${uid}/verify`, {
      body,
      headers: key === '' ? {} : { 'idempotency-key': key },
    });
  return { node, directory, verify };
}

t.test('it is told how far it is, and with the same key how it ended', async (t) => {
  const { directory, verify } = await world(t);
  const files = await gate(t, directory);
  rmSync(join(directory, 'f8'));
  files.shut();
  t.match(await verify('k1'), { status: 202, body: { status: 'under_way' } });
  await until('two are being read', () => files.held() === 2);
  t.match(await verify('k1'), { status: 202, body: { status: 'under_way', looked_at: 0, files: FILES } });
  t.match(
    await verify('k2'),
    { status: 202, body: { looked_at: 0, files: FILES } },
    'another order joins it',
  );
  t.equal(files.held(), 2, 'nothing is read twice');
  files.open();
  const done = { status: 200, body: { status: 'done', looked_at: FILES, missing: 1, corrupt: 0 } };
  t.match(await verify('k1', { wait_seconds: 20 }), done);
  writeFileSync(join(directory, 'f8'), '8');
  const replayed = await verify('k1');
  t.match(replayed, done, 'what it has found stays its answer');
  t.equal(replayed.headers['idempotent-replay'], 'true');
  t.match(await verify('k2'), done, 'the other one has ended with it');
  t.match(await verify('k3', { wait_seconds: 20 }), { status: 200, body: { status: 'done', missing: 0 } });
});

t.test('how it failed is told to who asks next, and then it begins anew', async (t) => {
  const { directory, verify } = await world(t);
  renameSync(directory, `${directory}.away`);
  const first = await verify('k1');
  const answers = first.status === 202 ? [await verify('k1', { wait_seconds: 20 })] : [first];
  t.match(answers, [{ status: 503, body: { detail: /^the storage is not there/ } }]);
  renameSync(`${directory}.away`, directory);
  t.match(await verify('k1', { wait_seconds: 20 }), { status: 200, body: { looked_at: FILES } });
});

t.test('without it, and without a key, all is as it was', async (t) => {
  const { verify } = await world(t);
  const whole = await verify('', {});
  t.match(whole, { status: 202, body: { looked_at: FILES, missing: 0, corrupt: 0 } });
  t.notOk('status' in z.looseObject({}).parse(whole.body));
  t.match(await verify(''), { status: 422, body: { field: 'command_id', rule: /with wait_seconds/ } });
  for (const wait_seconds of [-1, 0.5, 21, '1'])
    t.match(await verify('k', { wait_seconds }), { status: 422, body: { field: 'wait_seconds' } });
});
