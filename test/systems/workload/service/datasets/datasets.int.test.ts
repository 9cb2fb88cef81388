/** Datasets and their files on a real node, over gRPC and HTTP, on both stores: registered, grown, sealed, closed. */

import t, { type Test } from 'tap';
import { z } from 'zod';
import { dataset, file } from '../../../../../src/systems/workload/service/datasets/dataset-types.js';
import { fileIdOf } from '../../../../../src/systems/workload/service/ids.js';
import { until } from '../../../../support/until.js';
import { type HttpWorkload, NODE_STORES, startHttpWorkload } from '../../support/http-workload.js';

const DATASETS = 'workload.DatasetManager';
const MD5 = '0cc175b9c0f1b6a831c399e269772661';
const AS_UUID = '0cc175b9-c0f1-b6a8-31c3-99e269772661';
const SHA256 = 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb';
const UID = '11111111-2222-4333-8444-555555555555';
const AS_WRITTEN = { check_sum: AS_UUID, sha256: SHA256, job: UID, attempt: 1 };

const Registered = z.object({ datasets: z.array(z.object({ uid: z.string() })) });
const url = (uid: string, rest: string) => `/api/v1/workload/datasets/${uid}${rest}`;

async function registered(node: HttpWorkload, name: string, more = {}): Promise<string> {
  const { datasets } = Registered.parse(
    await node.call(DATASETS, 'dataset_register', { datasets: [{ name, ...more }] }),
  );
  return datasets[0]?.uid ?? '';
}

async function status(node: HttpWorkload, id: string) {
  const found = await node.call(DATASETS, 'dataset_status', { id });
  return z.looseObject({ status: z.string(), files: z.number(), files_available: z.number() }).parse(found);
}

function statusIs(node: HttpWorkload, uid: string, wanted: string): Promise<void> {
  return until(`${uid} is ${wanted}`, async () => (await status(node, uid)).status === wanted);
}

for (const [name, store] of Object.entries(NODE_STORES)) {
  t.test(`${name}: a dataset is registered, grown, closed, and never opens again`, async (t) => {
    const node = await startHttpWorkload(t, { config: await store(t) });
    const answer = await node.ask('POST', '/api/v1/workload/datasets', {
      body: {
        datasets: [
          { uid: UID.toUpperCase(), name: 'run 7', storage_url: 'file:///data/run7' },
          { name: 'später' },
        ],
      },
    });
    t.match(answer, {
      status: 201,
      body: {
        datasets: [
          { dataset_id: 1, uid: UID, status: 'registered', files: 0 },
          { dataset_id: 2, name: 'später' },
        ],
      },
    });
    const first = { file_name: 'a.txt', size: 7, check_sum: MD5.toUpperCase(), sha256: SHA256.toUpperCase() };
    const added = await node.ask('POST', url(UID, '/files'), {
      body: { files: [first, { file_name: 'b', path: 'sub/b', size: 0 }] },
    });
    t.match(added, { status: 201, body: { added: 2, first_idx: 0, files: 2 } });
    t.same(
      await node.call(DATASETS, 'dataset_add', { uid: UID, files: [{ file_name: 'c', check_sum: AS_UUID }] }),
      {
        added: 1,
        first_idx: 2,
        files: 3,
      },
    );
    await until('its files are there', async () => (await status(node, UID)).files_available === 3);
    t.match(await node.call(DATASETS, 'dataset_files', { uid: UID }), {
      files: [
        {
          idx: 0,
          file_name: 'a.txt',
          path: 'a.txt',
          size: 7,
          check_sum: AS_UUID,
          sha256: SHA256,
          status: 'available',
        },
        { idx: 1, file_name: 'b', path: 'sub/b', size: 0, status: 'available' },
        { idx: 2, file_name: 'c', check_sum: AS_UUID, status: 'available' },
      ],
    });
    t.match(await status(node, '1'), { uid: UID, status: 'open', files: 3, bytes: 7 });
    t.match(await status(node, UID.slice(0, 6)), { uid: UID }, 'by the beginning of its uid');
    t.match((await node.ask('POST', url(UID, '/close'), { body: {} })).body, {
      ...{ status: 'closed', files: 3, files_available: 3, files_failed: 0, complete: true },
    });
    t.match(await node.ask('POST', url(UID, '/close'), { body: {} }), {
      status: 200,
      body: { status: 'closed' },
    });
    t.match(await node.ask('POST', url(UID, '/files'), { body: { files: [{ file_name: 'd' }] } }), {
      status: 409,
      body: {
        reason: 'dataset_sealed',
        kind: 'refused',
        detail: `dataset ${UID} is closed: it takes no files any more`,
      },
    });
    t.match(await node.ask('POST', url(UID, '/cancel'), { body: {} }), {
      status: 409,
      body: { reason: 'transition_refused' },
    });
    await pages(t, node);
  });

  t.test(`${name}: an order that is sent again gets its first answer`, async (t) => {
    const node = await startHttpWorkload(t, { config: await store(t) });
    const ask = (path: string, body: object, key: string) =>
      node.ask('POST', path, { body, headers: { 'idempotency-key': key } });
    const body = { datasets: [{ name: 'once' }, { name: 'twice' }] };
    const first = await ask('/api/v1/workload/datasets', body, 'one');
    const { datasets } = Registered.parse(first.body);
    const again = await ask('/api/v1/workload/datasets', body, 'one');
    t.match(again, { status: 201, headers: { 'idempotent-replay': 'true' } });
    t.same(Registered.parse(again.body), { datasets: datasets.map(({ uid }) => ({ uid })) });
    t.match(await ask('/api/v1/workload/datasets', { datasets: [{ name: 'other' }] }, 'one'), {
      status: 409,
    });
    const uid = datasets[0]?.uid ?? '';
    const batch = { files: [{ file_name: 'a' }] };
    t.match((await ask(url(uid, '/files'), batch, 'two')).body, { added: 1, first_idx: 0 });
    t.match(await node.ask('POST', url(uid, '/files'), { body: { files: [{ file_name: 'b' }] } }), {
      status: 201,
    });
    t.match(await ask(url(uid, '/files'), batch, 'two'), {
      ...{
        status: 201,
        headers: { 'idempotent-replay': 'true' },
        body: { added: 1, first_idx: 0, files: 1 },
      },
    });
    t.match(await ask(url(uid, '/files'), { files: [{ file_name: 'c' }] }, 'two'), {
      status: 409,
      body: { kind: 'exists' },
    });
    const close = { uid, reason: 'done', command_id: 'close-1' };
    for (const _ of [1, 2]) t.match(await node.call(DATASETS, 'dataset_close', close), { uid });
  });
}

async function pages(t: Test, node: HttpWorkload): Promise<void> {
  const List = z.looseObject({
    next_page_token: z.string().default('none'),
    files: z.array(z.looseObject({ idx: z.number() })),
  });
  const first = List.parse((await node.ask('GET', url(UID, '/files?page_size=2'))).body);
  t.same(
    first.files.map(({ idx }) => idx),
    [0, 1],
  );
  const second = List.parse(
    (await node.ask('GET', url(UID, `/files?page_size=2&page_token=${first.next_page_token}`))).body,
  );
  t.match(second, { files: [{ idx: 2 }], next_page_token: 'none' });
  t.match(await node.ask('GET', url(UID, `/files?status=missing&page_token=${first.next_page_token}`)), {
    status: 422,
  });
  t.match((await node.ask('GET', '/api/v1/workload/datasets?newest_first=true')).body, {
    datasets: [{ dataset_id: 2 }, { dataset_id: 1 }],
  });
  t.match((await node.ask('GET', '/api/v1/workload/datasets?status=closed')).body, {
    datasets: [{ dataset_id: 1 }],
  });
}

t.test('names are unique, of many orders at once as well', async (t) => {
  const node = await startHttpWorkload(t);
  const uid = await registered(node, 'run');
  const batches = Array.from({ length: 12 }, (_, i) =>
    node.ask('POST', url(uid, '/files'), {
      body: { files: [{ file_name: 'same' }, { file_name: `own ${i}` }] },
    }),
  );
  const answers = await Promise.all(batches);
  t.equal(answers.filter(({ status: code }) => code === 201).length, 1);
  for (const refused of answers.filter(({ status: code }) => code !== 201))
    t.match(refused, {
      status: 409,
      body: {
        kind: 'exists',
        reason: 'duplicate_name',
        detail: `file_name: same is in dataset ${uid} already, at 0; nothing of the batch was added`,
      },
    });
  t.match(await status(node, uid), { files: 2 });
  const orders = Array.from({ length: 12 }, () =>
    node.ask('POST', '/api/v1/workload/datasets', { body: { datasets: [{ name: 'a' }, { name: 'b' }] } }),
  );
  const codes = (await Promise.all(orders)).map(({ status: code }) => code);
  t.same(codes.sort(), [201, ...Array.from({ length: 11 }, () => 409)]);
  t.match(await node.ask('POST', '/api/v1/workload/datasets', { body: { datasets: [{ name: 'c', uid }] } }), {
    status: 409,
    body: { reason: 'duplicate_uid', detail: `uid: there is a dataset ${uid} already (run, ${uid})` },
  });
  t.match((await node.ask('GET', '/api/v1/workload/datasets')).body, {
    datasets: [{ name: 'run' }, { name: 'a' }, { name: 'b' }],
  });
});

t.test('a close is told as begun until nothing of the dataset is unsettled, and then as done', async (t) => {
  const node = await startHttpWorkload(t);
  const uid = await registered(node, 'run');
  const { system } = node.context.runtime;
  // One that is to be written: as with the datasets of tasks, but from outside.
  await system.execute(dataset, uid, {
    decide: () => [
      {
        type: 'DatasetFilesAdded',
        data: { first_idx: 0, declared: true, files: [{ name: 'a', path: 'a' }] },
      },
    ],
  });
  const close = () => node.ask('POST', url(uid, '/close'), { body: {} });
  for (const time of ['first', 'again'])
    t.match(await close(), { status: 202, body: { status: 'sealed' } }, time);
  const one = fileIdOf(uid, 0);
  const place = { dataset_uid: uid, idx: 0, file_name: 'a', path: 'a', declared: true };
  const written = { ...AS_WRITTEN, file_name: 'a', path: 'a', size: '1' };
  await system.execute(file, one, {
    decide: () => [
      { type: 'FileRegistered', data: place },
      { type: 'FileAvailable', data: written },
    ],
  });
  await statusIs(node, uid, 'closed');
  t.match(await close(), { status: 200, body: { status: 'closed' } });
});

t.test('fewer files than expected are closed by force alone', async (t) => {
  const node = await startHttpWorkload(t);
  const uid = await registered(node, 'run', { expected_files: 2 });
  await node.call(DATASETS, 'dataset_add', { uid, files: [{ file_name: 'a' }] });
  t.match(await node.ask('POST', url(uid, '/close'), { body: {} }), {
    status: 409,
    body: { reason: 'dataset_not_settled', detail: /expects 2 files and has 1; force closes it with those$/ },
  });
  await node.call(DATASETS, 'dataset_close', { uid, force: true });
  await statusIs(node, uid, 'closed');
  const empty = await registered(node, 'empty');
  t.match(await node.call(DATASETS, 'dataset_close', { uid: empty }), {
    status: 'closed',
    complete: true,
    files: 0,
  });
});
