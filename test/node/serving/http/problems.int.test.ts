/** Whatever is wrong with a request is told as a problem, with a status and a sentence that says what to do. */

import t from 'tap';
import { answered } from '../../../../src/node/operations/operation.js';
import { EncodedMessage } from '../../../../src/node/serving/encoded.js';
import { startHttpServer } from '../../../../src/node/serving/http/http-server.js';
import { logLines } from '../../../support/log-lines.js';
import { createSemaphore } from '../../../systems/semaphore/service/semaphore-operations.js';
import { askAt, startHttpNode } from './http-node.js';
import { ANSWER, ODD, ODD_SYSTEM, startOddServer } from './odd-server.js';

const RETRY = '/api/v1/talent/plot-tasks/a/retry';
const DRAIN = '/api/v1/workers/workers/w/drain';
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

t.test('what HTTP has a status for', async (t) => {
  const { ask } = await startHttpNode(t);
  const cases: [
    method: string,
    path: string,
    body: string | Buffer | undefined,
    status: number,
    detail: RegExp,
  ][] = [
    ['POST', RETRY, '', 400, /body is empty; send a JSON object/],
    ['POST', RETRY, '{"reason": "x"', 400, /can not be read as JSON: .*(position|JSON input)/],
    ['POST', RETRY, '{"reason": nope}', 400, /can not be read as JSON: .*(position|not valid JSON)/],
    ['POST', RETRY, Buffer.from([0x22, 0xff, 0x22]), 400, /can not be read as JSON: .*encoded data/],
    ['POST', RETRY, nested(33), 400, /more than 32 lists and objects deep at byte 32$/],
    ['POST', RETRY, `{"reason": "${'['.repeat(100)}\\"{"}`, 404, /task a does not exist/],
    ['POST', RETRY, JSON.stringify({ reason: 'x'.repeat(1024 * 1024) }), 413, /larger than this route takes/],
    [
      'POST',
      DRAIN,
      JSON.stringify({ reason: 'x'.repeat(1024 * 1024) }),
      422,
      /^reason: must be at most 16384/,
    ],
    ['POST', DRAIN, JSON.stringify({ reason: 'x'.repeat(2 * 1024 * 1024) }), 413, /larger than this route/],
    ['GET', '/api/v1/talent/plot-tasks/%zz/history', undefined, 400, /can not be decoded/],
    ['GET', '/api/v1/talent/nothing', undefined, 404, /lists what there is/],
    ['GET', '/', undefined, 404, /lists what there is/],
    ['GET', RETRY, undefined, 405, /there is POST$/],
    ['HEAD', '/healthz', undefined, 405, /./],
    ['PATCH', '/api/v1/semaphore/semaphores/a/permits/b', '{}', 405, /there is DELETE$/],
  ];
  for (const [method, path, body, status, detail] of cases) {
    const answer = await ask(method, path, body === undefined ? {} : { body });
    const what = `${method} ${path} ${String(body).slice(0, 20)}`;
    t.match(answer, { status, headers: { 'content-type': /^application\/problem\+json/ } }, what);
    if (method !== 'HEAD')
      t.match(answer.body, { status, detail, type: /^\/docs#/, title: /./, retryable: false }, what);
  }
  t.match(await ask('GET', RETRY), { headers: { allow: 'POST' } });
});

t.test('what is wrong with fields is told at once, each with its place', async (t) => {
  const { ask } = await startHttpNode(t);
  const wrong = await ask('POST', '/api/v1/talent/supervisors/attach', {
    body: { worker_id: 7, pid: '7', lease_seconds: 0.5, host: 'a\nb', more: {} },
  });
  t.match(wrong, { status: 422, body: { kind: 'invalid', field: 'worker_id', rule: 'must be text' } });
  t.match(wrong.body, {
    problems: [
      { field: 'worker_id' },
      { field: 'host', rule: /NUL/, detail: /^host: must hold no NUL/ },
      { field: 'session_id', rule: 'is missing' },
      { field: 'pid', rule: /whole number/ },
      { field: 'lease_seconds', rule: /whole number from 1 to 3600, not 0.5/ },
      { field: 'more', rule: 'is no field of this request' },
    ],
  });
  const one = async (method: string, path: string, body?: unknown) =>
    (await ask(method, path, body === undefined ? {} : { body })).body;
  const list = '/api/v1/talent/plot-tasks';
  t.match(await one('GET', `${list}?page_size=1&page_size=2`), {
    field: 'page_size',
    rule: /more than once/,
  });
  t.match(await one('GET', `${list}?newest_first=yes`), { field: 'newest_first', rule: /true or false/ });
  t.match(await one('GET', `${list}?page_size=1e3`), { field: 'page_size', rule: /whole number/ });
  t.match(await one('GET', `${list}?__proto__=1`), { kind: 'invalid', field: '__proto__' });
  t.match(await one('POST', RETRY, []), { kind: 'invalid', field: 'body', rule: 'must be an object' });
  t.match(await one('POST', RETRY, { task_id: 'b' }), { field: 'task_id', rule: 'stands in the path' });
  t.match(await one('POST', `${RETRY}?reason=x`, {}), { field: 'reason', rule: /stands in the body/ });
  t.match(await one('DELETE', '/api/v1/semaphore/semaphores/a/permits/b', { holder: 'c' }), {
    field: 'body',
  });
  t.match(await one('POST', RETRY, '{"__proto__": {"x": 1}}'), { field: '__proto__' });
  t.match(await one('GET', `${list}?statuses=received&statuses=failed`), { tasks: [] });
});

t.test('a fault of the program is told without its inner workings', async (t) => {
  const { logger, entries } = logLines();
  const { address } = await startOddServer(
    t,
    {
      answer: async () => {
        throw new TypeError('the secret of /home/owl');
      },
    },
    { logger },
  );
  const { status, body, text } = await askAt(address, 'GET', ANSWER);
  t.match(body, {
    kind: 'internal',
    status: 500,
    detail: /^GET \/api\/v1\/odd\/.* failed inside the service/,
  });
  t.equal(status, 500);
  t.notMatch(text, /secret/);
  t.match(entries('error'), [{ err: { message: /the secret of/ }, request: /permits$/ }]);
});

t.test('an answer that breaks its own schema is a fault of the program', async (t) => {
  const { address } = await startOddServer(t, {
    follow: async function* () {
      yield { cursor: 'x'.repeat(10), events: [] };
    },
    answer: async () => new EncodedMessage(Buffer.from([0x0a, 0xff])),
  });
  t.match(await askAt(address, 'GET', ANSWER), { status: 500, body: { kind: 'internal' } });
});

t.test('however much is wrong, what is told of it is bounded', async (t) => {
  const { ask } = await startHttpNode(t);
  const fields = Array.from({ length: 150 }, (_, n) => [`field_${n}_${'x'.repeat(2_000)}`, n]);
  const { status, text, body } = await ask('POST', RETRY, { body: Object.fromEntries(fields) });
  t.equal(status, 422);
  t.ok(text.length < 64 * 1024, `${text.length} characters`);
  t.match(body, { detail: /; and 50 more$/, problems: { length: 100 } });
});

t.test('a node that can not work says so to everybody, and that it lives, and not why', async (t) => {
  let problem: string | undefined = 'the event store is away';
  const { address } = await startOddServer(t, {}, { problem: () => problem });
  t.match(await askAt(address, 'GET', '/healthz'), { status: 200 });
  t.match(await askAt(address, 'GET', '/readyz'), {
    status: 503,
    headers: { 'retry-after': '2' },
    body: {
      kind: 'unavailable',
      detail: /^the node can not do its work now; `owl node status` says why$/,
      retryable: true,
    },
  });
  problem = undefined;
  t.match(await askAt(address, 'GET', '/readyz'), { status: 200, body: { status: 'ready' } });
});

t.test('a declaration that no HTTP request can carry ends the start', async (t) => {
  const wrong = (more: object) =>
    startHttpServer({
      ...ODD,
      systems: [{ ...ODD_SYSTEM, operations: [answered({ ...createSemaphore, ...more }, async () => ({}))] }],
    });
  const { creates: _, ...unkeyed } = createSemaphore;
  await t.rejects(
    startHttpServer({
      ...ODD,
      systems: [{ ...ODD_SYSTEM, operations: [answered(unkeyed, async () => ({}))] }],
    }),
    /under one key it could be about this and then about that/,
  );
  await t.rejects(wrong({ http: { method: 'POST', path: '/a/{colour}' } }), /has no colour for its route/);
  await t.rejects(
    wrong({ http: { method: 'POST', path: '/a', bodyBytes: 17 * 1024 * 1024 } }),
    /more than a body/,
  );
});
