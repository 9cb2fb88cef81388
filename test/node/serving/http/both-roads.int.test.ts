/**
 * gRPC and HTTP of every operation, compared from one table: the same request gives the same answer, or the same refusal with
 * the status of its kind.
 */

import t, { type Test } from 'tap';
import { z } from 'zod';
import { isErrorKind } from '../../../../src/base/errors.js';
import { HTTP_STATUS_OF } from '../../../../src/node/serving/http/problem.js';
import { explainCallError } from '../../../../src/wire/call-error.js';
import { orderFor } from '../../../support/talent-node.js';
import { DECLARED, declared, httpRequestOf, nameOf } from './declared.js';
import { type HttpNode, startHttpNode } from './http-node.js';

type Road = 'grpc' | 'http';
type Fields = Readonly<Record<string, unknown>>;

interface Case {
  /** What the two are asked; what it changes has the name of the road in its name. */
  readonly asks: (road: Road) => Fields;
  /** Expected of both; a kind for a refusal. */
  readonly kind?: string;
  readonly isLast?: (message: Fields) => boolean;
}

const PLOTS = 'talent.PlotManager';
const always = (fields: Fields) => () => fields;
const own =
  (name: string, more: Fields = {}) =>
  (road: Road) => ({ ...more, task_id: `${name}-${road}` });

const TABLE: Readonly<Record<string, readonly Case[]>> = {
  [`${PLOTS}.plot_task_retry`]: [
    { asks: own('stopped', { reason: 'again' }) },
    { asks: own('received'), kind: 'refused' },
    { asks: own('nobody'), kind: 'not_found' },
    { asks: always({ task_id: 'a b' }), kind: 'invalid' },
    { asks: own('received', { reason: 'a\0', command_id: '$' }), kind: 'invalid' },
  ],
  [`${PLOTS}.plot_task_fail`]: [
    { asks: own('received', { reason: 'its machine burned', command_id: 'burned' }) },
    { asks: own('nobody', { reason: 'what?' }), kind: 'not_found' },
    { asks: own('received'), kind: 'invalid' },
  ],
  [`${PLOTS}.plot_task_list`]: [
    { asks: always({}) },
    { asks: always({ statuses: ['received', 'stopped'], page_size: 2, newest_first: true }) },
    { asks: always({ task_id_prefix: 'received', cache: '/ssd/1', created_from: 1_500_000_000.5 }) },
    { asks: always({ page_size: 1001, statuses: ['green'], worker_id: '$' }), kind: 'invalid' },
    { asks: always({ created_before: 5 }), kind: 'invalid' },
    { asks: always({ page_token: 'x' }), kind: 'invalid' },
  ],
  [`${PLOTS}.plot_task_watch`]: [
    { asks: always({}), isLast: ({ initial_complete }) => initial_complete === true },
    {
      asks: always({ task_ids: ['received-grpc', 'stopped-grpc'], statuses: ['received'] }),
      isLast: ({ initial_complete }) => initial_complete === true,
    },
    { asks: always({ task_ids: ['$'] }), kind: 'invalid' },
  ],
  [`${PLOTS}.plot_task_history`]: [
    { asks: always({ task_id: 'stopped-grpc' }) },
    { asks: always({ task_id: 'stopped-grpc', from_revision: 1 }) },
    { asks: always({ task_id: 'nobody' }), kind: 'not_found' },
    { asks: always({ task_id: 'stopped-grpc', from_revision: -1 }), kind: 'invalid' },
  ],
  [`${PLOTS}.supervisor_attach`]: [
    {
      asks: (road) => ({ worker_id: `w-${road}`, session_id: 's', lease_seconds: 60, host: 'höst', pid: 7 }),
    },
    { asks: always({ session_id: 's s', pid: 2 ** 31 - 1, lease_seconds: 3601 }), kind: 'invalid' },
  ],
  [`${PLOTS}.supervisor_heartbeat`]: [
    { asks: (road) => ({ worker_id: `w-${road}`, session_id: 's' }) },
    { asks: always({ worker_id: 'w-none', session_id: 's' }), kind: 'refused' },
    { asks: always({}), kind: 'invalid' },
  ],
  [`${PLOTS}.supervisor_detach`]: [
    { asks: (road) => ({ worker_id: `w-${road}`, session_id: 's', reason: 'done' }) },
    { asks: always({ worker_id: 'w-none', session_id: '' }), kind: 'invalid' },
  ],
  [`${PLOTS}.supervisor_plots`]: [
    {
      asks: always({ worker_id: 'w-none', session_id: 's', plots: [{ task_id: 'a', attempt: 1 }] }),
      kind: 'refused',
    },
    { asks: always({ worker_id: 'w-none', session_id: '', plots: [] }), kind: 'invalid' },
  ],
  [`${PLOTS}.supervisor_list`]: [{ asks: always({}) }],
  'semaphore.Semaphores.create': [
    { asks: (road) => ({ name: `gpu-${road}`, capacity: 2 }) },
    { asks: (road) => ({ name: `gpu-${road}`, capacity: 2, command_id: 'one' }) },
    { asks: (road) => ({ name: `gpu-${road}`, capacity: 3, command_id: 'one' }), kind: 'exists' },
    { asks: always({ name: 'GPU', capacity: 0 }), kind: 'invalid' },
  ],
  'semaphore.Semaphores.release': [
    { asks: always({ name: 'gpu-grpc', holder: 'nobody' }), kind: 'refused' },
    { asks: always({ name: 'none', holder: 'nobody' }), kind: 'not_found' },
    { asks: always({ name: 'gpu-grpc', holder: 'No-Body' }), kind: 'invalid' },
  ],
  'semaphore.Semaphores.permits': [
    { asks: always({ name: 'gpu-grpc' }) },
    { asks: always({ name: 'held' }) },
    { asks: always({ name: 'a'.repeat(65) }), kind: 'invalid' },
  ],
  'semaphore.Semaphores.follow': [
    { asks: always({ name: 'held' }), isLast: ({ caught_up }) => caught_up === true },
    { asks: always({ after: 'x' }), kind: 'invalid' },
    { asks: always({ after: 'ffffffffffffffff' }), kind: 'refused' },
  ],
  'workers.Workers.drain': [
    { asks: (road) => ({ peer_id: `p-${road}`, reason: 'old', command_id: 'x' }) },
    { asks: (road) => ({ peer_id: `p-${road}`, reason: 'new', command_id: 'x' }), kind: 'exists' },
    { asks: always({ peer_id: '$' }), kind: 'invalid' },
  ],
  'workers.Workers.slots': [
    { asks: always({ peer_id: 'p-grpc' }) },
    { asks: always({ peer_id: 'nobody' }) },
    { asks: always({ peer_id: '-' }), kind: 'invalid' },
  ],
};

interface Told {
  /** Undefined for an answer. */
  readonly kind?: string;
  /** Answers, or the sentence of a refusal. */
  readonly told: unknown;
}

t.test('every operation is in the table, in the document and on both roads', async (t) => {
  const node = await startHttpNode(t);
  await prepare(node);
  const document = await node.ask('GET', '/openapi.json');
  const names = operationIds(document.body);
  t.same(names, Object.keys(TABLE).sort());
  t.same(names, DECLARED.flatMap(({ operations }) => operations.map(nameOf)).sort());
  for (const [name, cases] of Object.entries(TABLE))
    for (const one of cases) await compare(t, node, name, one);
  await t.test('the answers of before are those of both', async (t) => {
    t.match((await node.ask('GET', '/api/v1/semaphore/semaphores/held/permits')).body, {
      permits: [
        { holder: 'a', state: 'held' },
        { holder: 'b', state: 'waiting' },
      ],
    });
    t.match((await node.ask('GET', '/api/v1/talent/supervisors')).body, {
      supervisors: [{ worker_id: 'w-grpc' }, { worker_id: 'w-http', host: 'höst' }],
    });
  });
});

async function prepare({ call }: HttpNode): Promise<void> {
  for (const road of ['grpc', 'http'])
    for (const name of ['stopped', 'received']) {
      await call(PLOTS, 'plot_task_create', orderFor(`${name}-${road}`));
      if (name === 'stopped')
        await call(PLOTS, 'plot_task_stop', { task_id: `stopped-${road}`, reason: 'ö' });
    }
  await call('semaphore.Semaphores', 'create', { name: 'held', capacity: 1 });
  for (const holder of ['a', 'b']) await call('semaphore.Semaphores', 'acquire', { name: 'held', holder });
}

async function compare(t: Test, node: HttpNode, name: string, { asks, kind, isLast }: Case): Promise<void> {
  const what = `${name} ${JSON.stringify(asks('http')).slice(0, 100)}`;
  const [grpc, http] = [
    await overGrpc(node, name, asks('grpc'), isLast),
    await overHttp(t, node, name, asks('http'), isLast),
  ];
  t.equal(grpc.kind, kind, `${what}: ${JSON.stringify(grpc.told)}`);
  const isOwn = JSON.stringify(asks('http')) !== JSON.stringify(asks('grpc'));
  t.same(blurred(http, isOwn && 'http'), blurred(grpc, isOwn && 'grpc'), what);
}

/** Without what has to differ. */
function blurred(told: Told, road: Road | false): unknown {
  const json = JSON.stringify(told);
  const text = road === false ? json : json.replaceAll(`-${road}`, '-road');
  return JSON.parse(text, (key, value: unknown) => (key === 'expires_at' ? typeof value : value));
}

async function overGrpc(node: HttpNode, name: string, asked: Fields, isLast: Case['isLast']): Promise<Told> {
  const { operation } = declared(name);
  const { service, name: method, answer } = operation;
  try {
    const messages = operation.isStream
      ? await node.stream(service, method, asked, (message) => isLast?.({ ...message }) ?? false)
      : [await node.call(service, method, asked)];
    const answers = messages.map((message) => answer.parse(message));
    const [{ is_success, msg } = {}] = answers;
    // As its contract has it; the table says which kind it is.
    if (is_success === false) return { kind: kindOfRefusal(String(msg)), told: msg };
    return { told: answers };
  } catch (error) {
    const { kind, message } = explainCallError(error, node.node.address);
    return { kind, told: message };
  }
}

function kindOfRefusal(msg: string): string {
  if (msg.includes('does not exist')) return 'not_found';
  return /^[a-z_]+: /.test(msg) ? 'invalid' : 'refused';
}

async function overHttp(
  t: Test,
  node: HttpNode,
  name: string,
  asked: Fields,
  isLast: Case['isLast'],
): Promise<Told> {
  const { operation } = declared(name);
  const { method, path, body } = httpRequestOf(name, asked);
  if (operation.isStream === true && isLast !== undefined) {
    const events = await node.follow(path, ({ data }) =>
      isLast(z.record(z.string(), z.unknown()).parse(data)),
    );
    return { told: events.map(({ data }) => data) };
  }
  const answer = await node.ask(method, path, body === undefined ? {} : { body });
  if (answer.status === 200 && operation.isStream === true)
    return {
      told: answer.text
        .split('\n')
        .flatMap((line) => (line.startsWith('data: ') ? [JSON.parse(line.slice(6))] : [])),
    };
  if (answer.status === 200) return { told: [answer.body] };
  const { kind, detail, status } = z
    .object({ kind: z.string(), detail: z.string(), status: z.number() })
    .parse(answer.body);
  t.match(answer.headers['content-type'], /^application\/problem\+json/, path);
  t.equal(answer.status, isErrorKind(kind) ? HTTP_STATUS_OF[kind] : 0, path);
  t.equal(status, answer.status);
  return { kind, told: detail };
}

function operationIds(document: unknown): string[] {
  const { paths } = z
    .object({ paths: z.record(z.string(), z.record(z.string(), z.object({ operationId: z.string() }))) })
    .parse(document);
  return Object.values(paths)
    .flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId))
    .sort();
}
