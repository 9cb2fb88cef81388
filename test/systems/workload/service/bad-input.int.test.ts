/**
 * The table of bad input, row by row, over gRPC and HTTP: both refuse it with the same kind, reason and field, and nothing is stored.
 * What pilots send is in pilots/ and jobs/claims.int.test.ts; what a broker brings, with the broker.
 */

import { Metadata } from '@grpc/grpc-js';
import t from 'tap';
import { z } from 'zod';
import { KIND_TRAILER, PROBLEMS_TRAILER, REASON_TRAILER } from '../../../../src/base/errors.js';
import { datasetIdOf } from '../../../../src/systems/workload/service/ids.js';
import { until } from '../../../support/until.js';
import { type HttpWorkload, startHttpWorkload } from '../support/http-workload.js';

const API = '/api/v1/workload';
const [OPEN, CLOSED, FEW, GONE, NOWHERE] = ['1', '2', '3', '4', '5'].map(
  (digit) => `${digit.repeat(8)}-2222-4333-8444-555555555555`,
);
const TASK = '66666666-2222-4333-8444-555555555555';

interface Row {
  /** What is wrong, as the table has it. */
  readonly what: string;
  readonly call: readonly [service: string, method: string];
  readonly http: readonly [method: string, path: string];
  /** Fields of the path are in `asks` as well. */
  readonly asks: Readonly<Record<string, unknown>>;
  readonly kind: 'invalid' | 'not_found' | 'exists' | 'refused';
  readonly reason?: string;
  readonly field?: string;
  /** No gRPC peer can send that. */
  readonly isHttpOnly?: true;
}

const ORDER = {
  ...{ executable: 'sort', device_type: 'cpu', mode: 'map', data_in_uid: OPEN },
  data_out_url: 'file:///data/out',
};
const task = (what: string, wrong: object, more: Omit<Row, 'what' | 'call' | 'http' | 'asks'>): Row => ({
  ...{ what, call: ['TaskManager', 'task_submit'], http: ['POST', '/tasks'] },
  ...{ asks: { ...ORDER, ...wrong }, ...more },
});
const invalid = (field: string) => ({ kind: 'invalid', field }) as const;
const httpOnly = (field: string) => ({ ...invalid(field), isHttpOnly: true }) as const;
const add = (
  what: string,
  files: unknown,
  more: Omit<Row, 'what' | 'call' | 'http' | 'asks'>,
  uid = OPEN,
): Row => ({
  ...{ what, call: ['DatasetManager', 'dataset_add'], http: ['POST', '/datasets/{uid}/files'] },
  ...{ asks: { uid, files }, ...more },
});
const dataset = (
  method: string,
  uid: string | undefined,
  what: string,
  reason: string,
  kind: Row['kind'] = 'refused',
): Row => ({
  ...{ what, call: ['DatasetManager', `dataset_${method}`], http: ['POST', `/datasets/{uid}/${method}`] },
  ...{ asks: { uid }, kind, reason },
});

const ROWS: readonly Row[] = [
  task('executable empty', { executable: '' }, invalid('executable')),
  task('51 letters', { executable: 'x'.repeat(51) }, invalid('executable')),
  task('/bin/sh', { executable: '/bin/sh' }, invalid('executable')),
  task('a b', { executable: 'a b' }, invalid('executable')),
  task('args 256 letters', { args: 'x'.repeat(256) }, invalid('args')),
  ...['a\0b', 'a\nb', 'a "b'].map((args) => task('args', { args }, invalid('args'))),
  task('rank 32768', { rank: 32_768 }, invalid('rank')),
  task('rank 1.5', { rank: 1.5 }, httpOnly('rank')),
  task('rank "3"', { rank: '3' }, httpOnly('rank')),
  ...[-1, 101].map((retries) => task('retries', { retries }, invalid('retries'))),
  task('files_per_job 0', { files_per_job: 0 }, invalid('files_per_job')),
  task('merge with 1', { mode: 'merge', files_per_job: 1 }, invalid('files_per_job')),
  task('timeout 0', { timeout_seconds: 0 }, invalid('timeout_seconds')),
  task('mode', { mode: 'reduce' }, invalid('mode')),
  task('device', { device_type: 'tpu' }, invalid('device_type')),
  task('unknown field', { rnak: 1 }, httpOnly('rnak')),
  task('not a uuid', { data_in_uid: 'run 7' }, invalid('data_in_uid')),
  task('unknown', { data_in_uid: NOWHERE }, { kind: 'not_found', reason: 'dataset_not_found' }),
  task('aborted', { data_in_uid: GONE }, { kind: 'refused', reason: 'transition_refused' }),
  task(
    'its own output',
    { uid: TASK, data_in_uid: datasetIdOf(TASK, 'output') },
    { kind: 'refused', reason: 'own_output' },
  ),
  ...[
    'http://h/o',
    'file://host/o',
    'o',
    'file:///data/../o',
    'file:///etc',
    `file:///data/${'x'.repeat(256)}`,
  ].flatMap((url) => [
    task('storage_url', { storage_url: url }, invalid('storage_url')),
    task('data_out_url', { data_out_url: url }, invalid('data_out_url')),
  ]),
  ...['', '.', 'a/b', 'x'.repeat(51), 'a\0b'].map((file_name) =>
    add('file_name', [{ file_name }], invalid('files.0.file_name')),
  ),
  // In SQLite and on disk the two would be one and the same.
  ...['a\ud800.txt', 'a\udc01'].map((file_name) =>
    add('half a surrogate pair', [{ file_name }], httpOnly('files.0.file_name')),
  ),
  ...['name', 'args', 'data_out_url'].map((field) =>
    task('half a surrogate pair', { [field]: 'file:///data/\udc00' }, httpOnly(field)),
  ),
  {
    ...{ what: 'half a surrogate pair', call: ['DatasetManager', 'dataset_register'] },
    ...{ http: ['POST', '/datasets'], asks: { datasets: [{ name: 'sur\ud800' }] } },
    ...httpOnly('datasets.0.name'),
  },
  {
    ...{ what: 'half a surrogate pair', call: ['DatasetManager', 'dataset_cancel'] },
    ...{ http: ['POST', '/datasets/{uid}/cancel'], asks: { uid: OPEN, reason: 'a\ud83d' } },
    ...httpOnly('reason'),
  },
  add('twice in the batch', [{ file_name: 'b' }, { file_name: 'b' }], invalid('files.1.file_name')),
  add('twice against the dataset', [{ file_name: 'b' }, { file_name: 'a' }], {
    ...{ kind: 'exists', reason: 'duplicate_name' },
  }),
  ...['0'.repeat(31), 'g'.repeat(32)].map((check_sum) =>
    add('check_sum', [{ file_name: 'b', check_sum }], invalid('files.0.check_sum')),
  ),
  ...[-1, 2 ** 53].map((size) => add('size', [{ file_name: 'b', size }], invalid('files.0.size'))),
  add(
    'array of 1001',
    Array.from({ length: 1001 }, (_, i) => ({ file_name: `f${i}` })),
    invalid('files'),
  ),
  dataset('close', FEW, 'fewer than expected', 'dataset_not_settled'),
  add('add after close', [{ file_name: 'b' }], { kind: 'refused', reason: 'dataset_sealed' }, CLOSED),
  dataset('cancel', CLOSED, 'cancel after closed', 'transition_refused'),
  dataset('scan', NOWHERE, 'no such dataset', 'dataset_not_found', 'not_found'),
];

const Problem = z.object({
  ...{ kind: z.string(), reason: z.string().optional(), field: z.string().optional(), detail: z.string() },
});

async function overHttp(node: HttpWorkload, { http: [method, path], asks }: Row) {
  const { uid, ...rest } = asks;
  const isInPath = path.includes('{uid}');
  const body = isInPath ? rest : asks;
  const answer = await node.ask(method, `${API}${path.replace('{uid}', String(uid))}`, { body });
  const { kind, reason, field, detail } = Problem.parse(answer.body);
  return { kind, reason, field, detail };
}

async function overGrpc(node: HttpWorkload, { call: [service, method], asks }: Row) {
  const error = await node.call(`workload.${service}`, method, asks).then(
    () => ({}),
    (refused: unknown) => Object(refused),
  );
  const metadata = error.metadata instanceof Metadata ? error.metadata : new Metadata();
  const trailer = (name: string) => metadata.get(name)[0]?.toString();
  const problems = z
    .array(z.object({ field: z.string() }))
    .parse(JSON.parse(trailer(PROBLEMS_TRAILER) ?? '[]'));
  return {
    ...{ kind: trailer(KIND_TRAILER), reason: trailer(REASON_TRAILER), field: problems[0]?.field },
    detail: String(error.details),
  };
}

/** All that can be seen: how many there are of everything, and how often they have changed. */
function stored({ context }: HttpWorkload): string {
  const of = (table: string) => `SELECT count(*) || ':' || coalesce(sum(revision), 0) AS n FROM ${table}`;
  return ['dsm_datasets', 'dsm_files', 'task_dat', 'job_dat']
    .map((table) => String(context.runtime.db.prepare(of(table)).get()?.['n']))
    .join(' ');
}

t.test('each row is refused alike on both roads, and nothing is stored', async (t) => {
  const node = await startHttpWorkload(t, { config: { 'workload.storage_roots': '/data' } });
  const post = (path: string, body: unknown) => node.ask('POST', `${API}${path}`, { body });
  await post('/datasets', [
    { uid: OPEN, name: 'open', storage_url: 'file:///data/in' },
    { uid: CLOSED, name: 'closed' },
    { uid: FEW, name: 'few', expected_files: 5 },
    { uid: GONE, name: 'gone' },
  ]);
  await post(`/datasets/${OPEN}/files`, { files: [{ file_name: 'a' }] });
  await post(`/datasets/${CLOSED}/close`, {});
  await post(`/datasets/${GONE}/cancel`, { reason: 'wrong run' });
  const { runtime } = node.context;
  const settled = `SELECT count(*) AS n FROM dsm_datasets WHERE (uid = ? AND status = 'closed') OR (uid = ? AND status = 'aborted')
    OR (uid = ? AND files_available = 1)`;
  await until(
    'all is as it stays',
    () => runtime.db.prepare(settled).get(CLOSED ?? '', GONE ?? '', OPEN ?? '')?.['n'] === 3,
  );
  const before = stored(node);
  for (const row of ROWS) {
    const { what, kind, reason, field, isHttpOnly = false } = row;
    const name = `${what}: ${JSON.stringify(row.asks).slice(0, 60)}`;
    const http = await overHttp(node, row);
    t.same({ kind: http.kind, reason: http.reason, field: http.field }, { kind, reason, field }, name);
    if (!isHttpOnly) t.same(await overGrpc(node, row), http, `the same over gRPC: ${name}`);
  }
  await runtime.caughtUp();
  t.equal(stored(node), before, 'nothing is stored');

  const upper = { files: [{ file_name: 'upper', check_sum: 'AB'.repeat(16) }] };
  t.match(await post(`/datasets/${OPEN}/files`, upper), { status: 201 }, 'upper case is accepted');
  await until('and stored in lower case', async () => {
    const { text } = await node.ask('GET', `${API}/datasets/${OPEN}/files`);
    return text.includes('"check_sum":"abababab-abab-abab-abab-abababababab"');
  });
  t.match(await post('/tasks', { ...ORDER, executable: 'nobodys' }), {
    ...{ status: 201, body: { remarks: /no cpu pilot has offered `nobodys` yet/ } },
  });
});

t.test('what is no order at all has the status that HTTP has for it', async (t) => {
  const node = await startHttpWorkload(t);
  const post = (body: string, headers = {}) => node.ask('POST', `${API}/tasks`, { body, headers });
  t.match(await post('{'), { status: 400, body: { kind: 'invalid' } });
  t.match(await post(`${'['.repeat(200)}${']'.repeat(200)}`), { status: 400 });
  t.match(await post(JSON.stringify({ name: 'x'.repeat(2 ** 21) })), { status: 413 });
  t.match(await post('{}', { 'content-type': 'text/plain' }), { status: 415 });
  t.match(await post('{"name":"a","name":"b"}'), { status: 400, body: { detail: /has "name" twice/ } });
  t.match(await post('[]'), { status: 422, body: { field: 'body' } });
  t.match(await node.ask('DELETE', `${API}/tasks`), { status: 405, headers: { allow: /POST/ } });
});
