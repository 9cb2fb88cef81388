/** What is wrong with orders of datasets is told alike over gRPC and HTTP, with field and rule, and nothing of it is stored. */

import t from 'tap';
import { z } from 'zod';
import { isErrorKind } from '../../../../../src/base/errors.js';
import { HTTP_STATUS_OF } from '../../../../../src/node/serving/http/problem.js';
import { explainCallError } from '../../../../../src/wire/call-error.js';
import { type HttpWorkload, startHttpWorkload } from '../../support/http-workload.js';

const DATASETS = 'workload.DatasetManager';
const THERE = '11111111-2222-4333-8444-555555555555';
const CLOSED = '22222222-2222-4333-8444-555555555555';
const FEW = '33333333-2222-4333-8444-555555555555';
const NOWHERE = '44444444-2222-4333-8444-555555555555';
const ROOT = '/data/storage';

interface Case {
  readonly method: string;
  readonly asks: Readonly<Record<string, unknown>>;
  readonly kind: string;
  /** Where the kind says too little. */
  readonly reason?: string;
  /** The first problem: its field and rule. */
  readonly message: RegExp;
}

const registering = (dataset: object, field: string, rule: RegExp): Case => ({
  method: 'register',
  asks: { datasets: [{ name: 'new', ...dataset }] },
  kind: 'invalid',
  message: new RegExp(`^${field}: ${rule.source}`),
});
const adding = (file: object, field: string, rule: RegExp): Case => ({
  method: 'add',
  asks: { uid: THERE, files: [{ file_name: 'new', ...file }] },
  kind: 'invalid',
  message: new RegExp(`^${field === '' ? '' : `files\\.0\\.${field}: `}${rule.source}`),
});
const named = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ file_name: `f${i}`, name: `f${i}` }));

const CASES: readonly Case[] = [
  { method: 'register', asks: { datasets: [] }, kind: 'invalid', message: /^datasets: is missing/ },
  registering({ name: '' }, 'datasets\\.0\\.name', /is missing/),
  registering({ name: 'x'.repeat(256) }, 'datasets\\.0\\.name', /must be at most 255 characters/),
  registering({ name: 'a\nb' }, 'datasets\\.0\\.name', /must hold no NUL, line break/),
  registering({ uid: 'run-7' }, 'datasets\\.0\\.uid', /must be a UUID/),
  registering({ expected_files: -1 }, 'datasets\\.0\\.expected_files', /must be a whole number from 1/),
  registering({ expected_files: 0 }, 'datasets\\.0\\.expected_files', /must be a whole number from 1/),
  ...['http://x/y', 'file://host/data', '/data/storage', 'data', 'file:data'].map((storage_url) =>
    registering(
      { storage_url },
      'datasets\\.0\\.storage_url',
      /must begin with file:\/\/\/ and an absolute path/,
    ),
  ),
  ...[`file://${ROOT}/../x`, `file://${ROOT}/%2e%2e/x`].map((storage_url) =>
    registering({ storage_url }, 'datasets\\.0\\.storage_url', /must not hold \.\./),
  ),
  ...['file:///data', 'file:///', 'file:///data/storage2'].map((storage_url) =>
    registering(
      { storage_url },
      'datasets\\.0\\.storage_url',
      /must lie below workload\.storage_roots \(\/data\/storage\)/,
    ),
  ),
  registering(
    { storage_url: `file://${ROOT}/${'x'.repeat(256)}` },
    'datasets\\.0\\.storage_url',
    /must be at most 255/,
  ),
  registering(
    { storage_url: `file://${ROOT}/%zz` },
    'datasets\\.0\\.storage_url',
    /must have two hex digits/,
  ),
  registering({ storage_url: `file://${ROOT}/a?b` }, 'datasets\\.0\\.storage_url', /must hold no \? or #/),
  registering({ storage_url: `file://${ROOT}/%00` }, 'datasets\\.0\\.storage_url', /must hold no NUL/),
  {
    ...{ method: 'register', asks: { datasets: [{ name: 'a' }, { name: 'a' }] }, kind: 'invalid' },
    message: /^datasets\.1\.name: must be given once, not twice: a$/,
  },
  {
    method: 'register',
    asks: { datasets: named(1_001) },
    kind: 'invalid',
    message: /datasets: must be at most 1000 datasets/,
  },
  {
    ...{ method: 'register', asks: { datasets: [{ name: 'fresh' }, { name: 'there' }] }, kind: 'exists' },
    ...{ reason: 'duplicate_name', message: /^name: there is a dataset there already/ },
  },
  {
    ...{
      method: 'register',
      asks: { datasets: [{ name: 'new', uid: THERE.toUpperCase() }] },
      kind: 'exists',
    },
    ...{ reason: 'duplicate_uid', message: /^uid: there is a dataset 11111111-2222/ },
  },
  { method: 'add', asks: { uid: THERE, files: [] }, kind: 'invalid', message: /^files: is missing/ },
  {
    method: 'add',
    asks: { uid: THERE, files: named(1_001).map(({ file_name }) => ({ file_name })) },
    kind: 'invalid',
    message: /^files: must be at most 1000 files/,
  },
  adding({ file_name: '' }, 'file_name', /is missing/),
  ...['.', '..', 'a/b'].map((file_name) =>
    adding({ file_name }, 'file_name', /must be a file name without a directory/),
  ),
  adding({ file_name: 'x'.repeat(51) }, 'file_name', /must be at most 50 characters/),
  adding({ file_name: 'a\0b' }, 'file_name', /must hold no NUL/),
  adding({ path: '/etc/passwd' }, 'path', /must be relative to the dataset's storage_url/),
  ...['../x', 'a/../b', 'a//b', './a'].map((path) =>
    adding({ path }, 'path', /must have names between its slashes/),
  ),
  adding({ path: 'x'.repeat(1_025) }, 'path', /must be at most 1024 characters/),
  adding({ size: -1 }, 'size', /must be a whole number from 0 to 9007199254740991, not -1/),
  adding({ size: 2 ** 53 }, 'size', /must be a whole number from 0/),
  ...['0'.repeat(31), 'g'.repeat(32), `${'0'.repeat(8)}-${'0'.repeat(24)}`].map((check_sum) =>
    adding({ check_sum }, 'check_sum', /must be an MD5: 32 hex digits/),
  ),
  adding({ sha256: '0'.repeat(63) }, 'sha256', /must be 64 hex digits/),
  {
    ...{
      method: 'add',
      asks: { uid: THERE, files: [{ file_name: 'b' }, { file_name: 'b' }] },
      kind: 'invalid',
    },
    message: /^files\.1\.file_name: must be in the batch once, not at 0 as well: b$/,
  },
  {
    ...{
      method: 'add',
      asks: { uid: THERE, files: [{ file_name: 'b' }, { file_name: 'a' }] },
      kind: 'exists',
    },
    ...{
      reason: 'duplicate_name',
      message: /^file_name: a is in dataset .* already, at 0; nothing of the batch/,
    },
  },
  {
    method: 'add',
    asks: { uid: 'x', files: [{ file_name: 'b' }] },
    kind: 'invalid',
    message: /^uid: must be a UUID/,
  },
  ...['add', 'close', 'cancel', 'scan', 'verify', 'gc'].map((method) => ({
    ...{ method, asks: { uid: NOWHERE, ...(method === 'add' ? { files: [{ file_name: 'b' }] } : {}) } },
    ...{ kind: 'not_found', reason: 'dataset_not_found', message: /^there is no dataset 44444444-/ },
  })),
  ...['add', 'scan'].map((method) => ({
    ...{ method, asks: { uid: CLOSED, ...(method === 'add' ? { files: [{ file_name: 'b' }] } : {}) } },
    ...{ kind: 'refused', reason: 'dataset_sealed', message: /is closed: it takes no files any more$/ },
  })),
  {
    ...{ method: 'cancel', asks: { uid: CLOSED, reason: 'late' }, kind: 'refused' },
    ...{ reason: 'transition_refused', message: /is closed, for ever$/ },
  },
  {
    ...{ method: 'close', asks: { uid: FEW }, kind: 'refused' },
    ...{ reason: 'dataset_not_settled', message: /expects 5 files and has 0; force closes it with those$/ },
  },
  {
    method: 'close',
    asks: { uid: THERE, reason: 'x'.repeat(1_001) },
    kind: 'invalid',
    message: /^reason: must be at most/,
  },
  {
    method: 'files',
    asks: { uid: NOWHERE },
    kind: 'not_found',
    reason: 'dataset_not_found',
    message: /^there is no dataset/,
  },
  {
    method: 'files',
    asks: { uid: THERE, page_size: 1_001 },
    kind: 'invalid',
    message: /^page_size: must be a whole number/,
  },
  {
    method: 'files',
    asks: { uid: THERE, status: ['lost'] },
    kind: 'invalid',
    message: /^status: must be one of registering,/,
  },
  {
    method: 'list',
    asks: { page_token: 'x' },
    kind: 'invalid',
    message: /^page_token: must be the next_page_token/,
  },
  {
    method: 'list',
    asks: { status: ['gone'] },
    kind: 'invalid',
    message: /^status: must be one of registered,/,
  },
  {
    method: 'status',
    asks: { id: '4444' },
    kind: 'not_found',
    reason: 'dataset_not_found',
    message: /^there is no dataset 4444/,
  },
  {
    method: 'history',
    asks: { id: '99' },
    kind: 'not_found',
    reason: 'dataset_not_found',
    message: /^there is no dataset 99/,
  },
];

const PATHS: Readonly<Record<string, readonly [method: string, path: string]>> = {
  register: ['POST', '/datasets'],
  list: ['GET', '/datasets'],
  add: ['POST', '/datasets/{uid}/files'],
  files: ['GET', '/datasets/{uid}/files'],
  status: ['GET', '/datasets/{id}'],
  history: ['GET', '/datasets/{id}/history'],
  ...Object.fromEntries(
    ['close', 'cancel', 'scan', 'verify', 'gc'].map((name) => [
      name,
      ['POST', `/datasets/{uid}/${name}`] as const,
    ]),
  ),
};

const Problem = z.object({
  kind: z.string(),
  detail: z.string(),
  reason: z.string().optional(),
  retryable: z.boolean(),
  status: z.number(),
});

async function overHttp(node: HttpWorkload, { method, asks }: Case) {
  const [verb = '', path = ''] = PATHS[method] ?? [];
  const rest: Record<string, unknown> = { ...asks };
  const filled = path.replaceAll(/\{(\w+)\}/g, (_all, field: string) => {
    const value = String(rest[field]);
    delete rest[field];
    return encodeURIComponent(value);
  });
  const query = new URLSearchParams(
    Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, String(value)])),
  );
  const url = `/api/v1/workload${filled}${verb === 'GET' && query.size > 0 ? `?${query}` : ''}`;
  return await node.ask(verb, url, verb === 'GET' ? {} : { body: rest });
}

async function overGrpc(node: HttpWorkload, { method, asks }: Case) {
  const name = `dataset_${method}`;
  try {
    if (method === 'history') await node.stream(DATASETS, name, asks, () => true);
    else await node.call(DATASETS, name, asks);
    return { kind: 'none', message: 'it was answered' };
  } catch (error) {
    return explainCallError(error, node.node.address);
  }
}

t.test('each bad order is refused alike on both roads, and nothing is stored', async (t) => {
  const node = await startHttpWorkload(t, { config: { 'workload.storage_roots': ROOT } });
  const { store } = node.context.runtime;
  const datasets = [
    { uid: THERE, name: 'there' },
    { uid: CLOSED, name: 'closed' },
    { uid: FEW, name: 'few', expected_files: 5 },
  ];
  await node.call(DATASETS, 'dataset_register', { datasets });
  await node.call(DATASETS, 'dataset_add', { uid: THERE, files: [{ file_name: 'a' }] });
  await node.call(DATASETS, 'dataset_close', { uid: CLOSED });
  await node.context.runtime.caughtUp();
  const stored = async () => {
    const { files } = z
      .object({ files: z.number() })
      .parse(await node.call(DATASETS, 'dataset_status', { id: THERE }));
    const list = z
      .object({ datasets: z.array(z.unknown()) })
      .parse(await node.call(DATASETS, 'dataset_list', {}));
    return { files, datasets: list.datasets.length };
  };
  const before = await stored();
  for (const one of CASES) {
    const what = `${one.method} ${JSON.stringify(one.asks).slice(0, 90)}`;
    const [grpc, http] = [await overGrpc(node, one), await overHttp(node, one)];
    t.match(grpc, { kind: one.kind, message: one.message }, what);
    const problem = Problem.parse(http.body);
    t.match(problem, { kind: one.kind, detail: grpc.message, retryable: false }, what);
    t.equal(problem.reason, one.reason, what);
    t.equal(http.status, isErrorKind(one.kind) ? HTTP_STATUS_OF[one.kind] : 0, what);
  }
  t.same(await stored(), before);
  t.ok(await store.head());
  const odd = [
    [400, '{'],
    [422, '[]'],
    [413, JSON.stringify({ datasets: [{ name: 'x'.repeat(2 ** 21) }] })],
  ] as const;
  for (const [status, body] of odd)
    t.match(await node.ask('POST', '/api/v1/workload/datasets', { body }), { status }, body.slice(0, 10));
  const unknown = { datasets: [{ name: 'a', expected_file: 1 }], more: true };
  t.match(await node.ask('POST', '/api/v1/workload/datasets', { body: unknown }), {
    status: 422,
    body: { problems: [{ field: 'datasets.0.expected_file' }, { field: 'more' }] },
  });
  t.same(await stored(), before);
});
