/** What lies in storage: scans take it as it comes, verifications say what has changed, collections remove what nobody has. */

import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { z } from 'zod';
import { dataset, file } from '../../../../../src/systems/workload/service/datasets/dataset-types.js';
import { availableFrom } from '../../../../../src/systems/workload/service/datasets/file-commands.js';
import { fileIdOf } from '../../../../../src/systems/workload/service/ids.js';
import { until } from '../../../../support/until.js';
import { type HttpWorkload, startHttpWorkload } from '../../support/http-workload.js';

const DATASETS = 'workload.DatasetManager';
const TASK = '99999999-2222-4333-8444-555555555555';

interface World {
  readonly node: HttpWorkload;
  /** Of the dataset. */
  readonly directory: string;
  readonly uid: string;
}

const Registered = z.object({ datasets: z.tuple([z.object({ uid: z.string() })]) });

async function world(t: Test, more = {}): Promise<World> {
  const root = t.testdir({ storage: { 'run 7': {} }, outside: { secret: 'x' } });
  const directory = join(root, 'storage', 'run 7');
  const data = join(root, 'data');
  const config = { 'workload.storage_roots': join(root, 'storage') };
  const node = await startHttpWorkload(t, { data, config });
  const storage_url = `file://${join(root, 'storage')}/run%207`;
  const answer = await node.call(DATASETS, 'dataset_register', {
    datasets: [{ name: 'run', storage_url, ...more }],
  });
  return { node, directory, uid: Registered.parse(answer).datasets[0].uid };
}

const scan = ({ node, uid }: World, more = {}) => node.call(DATASETS, 'dataset_scan', { uid, ...more });
const verify = ({ node, uid }: World) => node.call(DATASETS, 'dataset_verify', { uid });
const File = z.looseObject({ file_name: z.string(), status: z.string() });

async function files({ node, uid }: World, query = {}) {
  const asked = { uid, page_size: 1_000, ...query };
  return z
    .object({ files: z.array(File).default([]) })
    .parse(await node.call(DATASETS, 'dataset_files', asked)).files;
}

function settled(the: World): Promise<void> {
  return until('every file is registered', async () =>
    (await files(the)).every(({ status }) => status !== 'registering'),
  );
}

t.test('a scan takes what is there by name, with its sums, and again only what is new', async (t) => {
  const the = await world(t);
  const { directory } = the;
  for (const name of ['b.txt', 'a.txt', 'ö.txt']) writeFileSync(join(directory, name), `this is ${name}`);
  for (const name of ['.hidden', 'x'.repeat(51)]) writeFileSync(join(directory, name), 'x');
  mkdirSync(join(directory, 'sub'));
  symlinkSync('../../outside/secret', join(directory, 'link'));
  t.same(await scan(the), {
    ...{ added: 3, first_idx: 0, files: 3, passed_over: 2 },
    examples: [
      { file_name: 'link', reason: 'it is no regular file' },
      { file_name: 'x'.repeat(51), reason: 'its name must be at most 50 characters' },
    ],
  });
  await settled(the);
  const sha256 = createHash('sha256').update('this is a.txt').digest('hex');
  const md5 = createHash('md5').update('this is a.txt').digest('hex');
  const [first, ...others] = await files(the);
  t.match(first, { file_name: 'a.txt', path: 'a.txt', size: 13, sha256, status: 'available' });
  t.equal(String(first?.['check_sum']).replaceAll('-', ''), md5);
  t.match(others, [{ file_name: 'b.txt' }, { file_name: 'ö.txt' }]);
  rmSync(join(directory, 'link'));
  rmSync(join(directory, 'x'.repeat(51)));
  t.same(await scan(the), { added: 0, files: 3, passed_over: 0 }, 'nothing is new');
  writeFileSync(join(directory, '0.txt'), '');
  t.same(
    await scan(the, { command_id: 'once' }),
    { added: 1, first_idx: 3, files: 4, passed_over: 0 },
    'behind the others',
  );
  writeFileSync(join(directory, 'later.txt'), '');
  t.same(
    await scan(the, { command_id: 'once' }),
    { added: 1, first_idx: 3, files: 4, passed_over: 0 },
    'its first answer',
  );
  t.match(await files(the), { length: 4 });
});

t.test('many are taken in batches, and two scans at once take each once', async (t) => {
  const the = await world(t);
  const names = Array.from({ length: 1_010 }, (_, i) => `f${String(i).padStart(4, '0')}`);
  for (const name of names) writeFileSync(join(the.directory, name), name);
  const answers = await Promise.all([scan(the), scan(the)]);
  const whole = { added: 1_010, first_idx: 0, files: 1_010, passed_over: 0 };
  t.same(answers, [whole, whole], 'one scan for both');
  const history = await the.node.stream(DATASETS, 'dataset_history', { id: the.uid }, () => false);
  t.match(history, [
    { type: 'DatasetRegistered' },
    { type: 'DatasetFilesAdded' },
    { type: 'DatasetFilesAdded' },
  ]);
  t.equal(history.length, 3);
  const rows = await files(the);
  t.same(
    rows.map(({ file_name }) => file_name),
    names.slice(0, 1_000),
    'in order of their names',
  );
});

t.test('a scan is refused where there is nothing to scan, and stops at what is expected', async (t) => {
  const the = await world(t, { expected_files: 2 });
  const { node, uid, directory } = the;
  const ask = () => node.ask('POST', `/api/v1/workload/datasets/${uid}/scan`, { body: {} });
  for (const name of ['a', 'b', 'c']) writeFileSync(join(directory, name), name);
  t.match(await ask(), {
    status: 409,
    body: { detail: `dataset ${uid} expects 2 files and has 0; 3 more are too many` },
  });
  rmSync(join(directory, 'c'));
  t.match(await ask(), { status: 201, body: { added: 2 } });
  t.match(await ask(), { status: 409, body: { reason: 'dataset_sealed' } });
  const bare = await node.call(DATASETS, 'dataset_register', { datasets: [{ name: 'bare' }] });
  const none = Registered.parse(bare).datasets[0].uid;
  t.match(await node.ask('POST', `/api/v1/workload/datasets/${none}/scan`, { body: {} }), {
    status: 409,
    body: { detail: `dataset ${none} has no storage_url` },
  });
  t.match(await node.ask('POST', `/api/v1/workload/datasets/${TASK}/scan`, { body: {} }), {
    status: 404,
    body: { reason: 'dataset_not_found' },
  });
});

t.test(
  'links that lead out of storage are not followed, and a storage that is away is told as that',
  async (t) => {
    const the = await world(t);
    const { directory, node, uid } = the;
    writeFileSync(join(directory, 'a'), 'a');
    await scan(the);
    await settled(the);
    renameSync(directory, `${directory}.away`);
    for (const what of ['scan', 'verify'])
      t.match(await node.ask('POST', `/api/v1/workload/datasets/${uid}/${what}`, { body: {} }), {
        status: 503,
        body: { kind: 'unavailable', detail: /^the storage is not there: .*ENOENT/ },
      });
    t.match(await files(the), [{ file_name: 'a', status: 'available' }], 'nothing is said of its files');
    symlinkSync('../outside', directory);
    t.match(await node.ask('POST', `/api/v1/workload/datasets/${uid}/scan`, { body: {} }), {
      status: 422,
      body: { field: 'storage_url', rule: /outside of workload.storage_roots$/ },
    });
  },
);

t.test('a verification says what is missing or another one, and what is whole again', async (t) => {
  const the = await world(t);
  const { directory, node, uid } = the;
  for (const name of ['changed', 'fine', 'gone', 'longer', 'replaced'])
    writeFileSync(join(directory, name), name);
  await scan(the);
  await node.call(DATASETS, 'dataset_add', { uid, files: [{ file_name: 'known', size: 5 }] });
  writeFileSync(join(directory, 'known'), 'known');
  await settled(the);
  t.same(await verify(the), { looked_at: 6, missing: 0, corrupt: 0 });
  t.match(await files(the), {
    5: { file_name: 'known', check_sum: /^[0-9a-f-]{36}$/, sha256: /^[0-9a-f]{64}$/ },
  });
  writeFileSync(join(directory, 'changed'), 'CHANGED');
  appendFileSync(join(directory, 'longer'), '!');
  renameSync(join(directory, 'gone'), join(directory, '.gone'));
  rmSync(join(directory, 'replaced'));
  mkdirSync(join(directory, 'replaced'));
  const found = { looked_at: 6, missing: 1, corrupt: 3 };
  t.same(await verify(the), found);
  t.match(await files(the), [
    { status: 'corrupt', remarks: /^its MD5 is [0-9a-f-]{36}, not [0-9a-f-]{36}$/ },
    { status: 'available' },
    { status: 'missing', remarks: 'it is not there' },
    { status: 'corrupt', remarks: 'its size is 7, not 6' },
    { status: 'corrupt', remarks: 'it is a directory' },
    { status: 'available' },
  ]);
  t.match(await node.call(DATASETS, 'dataset_status', { id: uid }), { files_available: 2, files_failed: 4 });
  renameSync(join(directory, '.gone'), join(directory, 'gone'));
  writeFileSync(join(directory, 'changed'), 'changed');
  t.same(await verify(the), { looked_at: 6, missing: 0, corrupt: 2 });
  t.match(await files(the, { status: ['available'] }), { length: 4 });
  const revisions = (await files(the)).map(({ revision }) => revision);
  t.same(await verify(the), { looked_at: 6, missing: 0, corrupt: 2 });
  t.same(
    (await files(the)).map(({ revision }) => revision),
    revisions,
    'what is known is not told again',
  );
});

t.test('a file that can not be read just now is told by name, and nothing is stored of it', async (t) => {
  const the = await world(t);
  for (const name of ['a', 'b']) writeFileSync(join(the.directory, name), name);
  await scan(the);
  await settled(the);
  const before = await files(the);
  const handle = await open(join(the.directory, 'a'));
  const prototype: FileHandle = Object.getPrototypeOf(handle);
  await handle.close();
  const { stat } = prototype;
  const mend = () => Object.assign(prototype, { stat });
  t.teardown(mend);
  const failing = () => Promise.reject(Object.assign(new Error('EIO: i/o error'), { code: 'EIO' }));
  Object.assign(prototype, { stat: failing });
  const unreadable = { reason: 'it can not be read: EIO: i/o error' };
  const { examples, ...counts } = z
    .looseObject({ examples: z.array(z.looseObject({ file_name: z.string() })) })
    .parse(await verify(the));
  t.same(counts, { looked_at: 2, missing: 0, corrupt: 0, unreadable: 2 });
  t.match(
    examples.toSorted((one, other) => (one.file_name < other.file_name ? -1 : 1)),
    [
      { file_name: 'a', ...unreadable },
      { file_name: 'b', ...unreadable },
    ],
  );
  t.same(await files(the), before);
  mend();
  t.same(await verify(the), { looked_at: 2, missing: 0, corrupt: 0 });
});

t.test(
  'what attempts that do not count have left is removed, once nothing may be written any more',
  async (t) => {
    const the = await world(t);
    const { node, directory } = the;
    const { system } = node.context.runtime;
    const out = '88888888-2222-4333-8444-555555555555';
    const storage_url = `file://${directory.replaceAll(' ', '%20')}`;
    const store = (type: string, data: object) =>
      system.execute(dataset, out, { decide: () => [{ type, data: { ...data } }] });
    await store('DatasetRegistered', { name: 'out', storage_url, producer_task: TASK, produces: 'output' });
    const declared = [{ name: 'a.j0.txt', path: '' }];
    await store('DatasetFilesAdded', { first_idx: 0, declared: true, files: declared });
    mkdirSync(join(directory, TASK));
    for (const name of ['a.j0.a1.txt', 'a.j0.a2.txt']) writeFileSync(join(directory, TASK, name), name);
    const gc = (uid: string) => node.ask('POST', `/api/v1/workload/datasets/${uid}/gc`, { body: {} });
    t.match(await gc(out), {
      status: 409,
      body: {
        reason: 'dataset_not_settled',
        detail: /is open: jobs may still write; a task that has failed is/,
      },
    });
    const id = fileIdOf(out, 0);
    t.match(await node.call(DATASETS, 'dataset_files', { uid: out }), {
      files: [{ uid: id, idx: 0, file_name: 'a.j0.txt', status: 'declared' }],
    });
    t.equal((await system.read(file, id)).revision, -1, 'it is registered with the end of its job');
    await store('DatasetSealed', { files: 1 });
    await store('DatasetClosed', { files_available: 0, files_failed: 0, bytes: '0', complete: false });
    t.match(await gc(out), { status: 409, body: { detail: /a\.j0\.txt of task .* may still be written$/ } });
    const content = { size: '11', check_sum: TASK, sha256: 'ab', job: 'j0', attempt: 2 };
    const data = { file_name: 'a.j0.txt', path: `${TASK}/a.j0.a2.txt`, ...content };
    const place = { dataset_uid: out, idx: 0, file_name: 'a.j0.txt', path: '', declared: true };
    await system.execute(file, id, { decide: availableFrom(place, data) });
    const others = ['a.j0.a1.log', 'a.j0.txt', 'b.j7.a1.txt', 'notes.txt'];
    for (const name of others) writeFileSync(join(directory, TASK, name), name);
    t.match(await gc(out), { status: 200, body: { removed: 1, bytes: 11 } });
    t.same(
      readdirSync(join(directory, TASK)).sort(),
      [...others, 'a.j0.a2.txt'].sort(),
      "what the dataset has is kept, and so are logs and what is nobody's",
    );
    renameSync(join(directory, TASK), join(directory, 'elsewhere'));
    symlinkSync('elsewhere', join(directory, TASK));
    writeFileSync(join(directory, 'elsewhere', 'stays'), 'x');
    t.match(await gc(out), { status: 409, body: { detail: /is a link to/ } });
    t.ok(existsSync(join(directory, 'elsewhere', 'stays')));
    writeFileSync(join(directory, 'foreign'), 'x');
    t.match(await gc(the.uid), { status: 409, body: { detail: /is written by no task/ } });
    t.ok(existsSync(join(directory, 'foreign')));
  },
);
