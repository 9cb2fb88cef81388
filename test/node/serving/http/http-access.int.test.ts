/** Who may ask for what over HTTP: every operation, by every kind of caller, as the node is configured. */

import t, { type Test } from 'tap';
import { systemClock } from '../../../../src/base/clock.js';
import { Access } from '../../../../src/node/access/access.js';
import { addAccess } from '../../../../src/node/access/access-file.js';
import { Denials } from '../../../../src/node/access/denials.js';
import { authoriseBy } from '../../../../src/node/access/http-access.js';
import { KnownCallers } from '../../../../src/node/access/known-callers.js';
import { ROLES } from '../../../../src/node/access/roles.js';
import { listTasks, retryTask } from '../../../../src/systems/talent/service/operations/task-operations.js';
import { ofKind } from '../../../support/events.js';
import { logLines } from '../../../support/log-lines.js';
import { DECLARED, httpRequestOf, nameOf } from './declared.js';
import { type HttpNode, startHttpNode } from './http-node.js';

const LET_IN = 'let in';

/** What becomes of a request that is wrong in all its fields, so that it changes nothing: 401, 403, or let in. */
async function asked(node: HttpNode, name: string, authorization: string | null): Promise<number | string> {
  const { method, path, body } = httpRequestOf(name, { nonsense: 'x' });
  const filled = path.replaceAll('//', '/$/').replace(/\/$/, '/$');
  const answer = await node.ask(method, filled, { authorization, ...(body === undefined ? {} : { body }) });
  return [401, 403].includes(answer.status) ? answer.status : LET_IN;
}

async function everyOperation(
  t: Test,
  node: HttpNode,
  authorization: string | null,
  expected: (system: string, operation: (typeof DECLARED)[number]['operations'][number]) => number | string,
): Promise<void> {
  for (const { system, operations } of DECLARED)
    for (const one of operations)
      t.equal(await asked(node, nameOf(one), authorization), expected(system, one), nameOf(one));
}

t.test('nobody orders anything, and sees what peers of before saw', async (t) => {
  const node = await startHttpNode(t);
  for (const shown of [null, 'Basic b3ds', 'Bearer ', `Bearer owl_${'x'.repeat(43)}`])
    await everyOperation(t, node, shown, (system, { kind }) =>
      system === 'talent' && kind === 'query' ? LET_IN : 401,
    );
  const order = await node.ask('POST', '/api/v1/talent/plot-tasks/a/retry', {
    body: {},
    authorization: null,
  });
  t.match(order, {
    status: 401,
    headers: { 'www-authenticate': /^Bearer/ },
    body: {
      kind: 'unauthenticated',
      retryable: false,
      detail: /needs a token with the role submitter or operator/,
    },
  });
  for (const path of ['/healthz', '/readyz', '/openapi.json', '/docs'])
    t.match(await node.ask('GET', path, { authorization: null }), { status: 200 }, path);
});

t.test('nothing is read of who may not ask', async (t) => {
  const node = await startHttpNode(t);
  const body = '['.repeat(100);
  const order = { body, authorization: null };
  t.match(await node.ask('POST', '/api/v1/talent/plot-tasks/a/retry', order), { status: 401 });
  t.match(await node.ask('POST', '/api/v1/talent/plot-tasks/a/retry', { body }), { status: 400 });
});

t.test('open to all means looking; required means everybody', async (t) => {
  const open = await startHttpNode(t, { config: { access: 'open' } });
  await everyOperation(t, open, null, (_system, { kind }) => (kind === 'query' ? LET_IN : 401));
  const required = await startHttpNode(t, {
    data: `${t.testdirName}/required`,
    config: { access: 'required' },
  });
  await everyOperation(t, required, null, () => 401);
});

t.test('a role opens what names it, and nothing else', async (t) => {
  const node = await startHttpNode(t, { config: { access: 'required' } });
  for (const role of ROLES) {
    const token = await addAccess(node.data, { name: role, roles: [role] });
    await everyOperation(t, node, `Bearer ${token}`, (_system, { roles }) =>
      roles.includes(role) ? LET_IN : 403,
    );
  }
});

t.test('who is limited to a worker speaks for that one alone', async (t) => {
  const node = await startHttpNode(t);
  const token = await addAccess(node.data, { name: 'shed', roles: ['worker'], workerId: 'w-1' });
  const attach = (body: object) =>
    node.ask('POST', '/api/v1/talent/supervisors/attach', {
      body: { session_id: 's', ...body },
      authorization: `Bearer ${token}`,
    });
  t.match(await attach({ worker_id: 'w-2' }), {
    status: 403,
    body: { kind: 'forbidden', detail: /w-1 alone/ },
  });
  t.match(await attach({}), { status: 403 });
  t.match(await attach({ worker_id: 'w-1' }), {
    status: 200,
    body: { worker_id: 'w-1', status: 'attached' },
  });
});

t.test('what is shown without credentials is shown on this machine alone', async (t) => {
  const { logger } = logLines();
  const denials = new Denials({ clock: systemClock, logger, record: async () => undefined });
  const known = new KnownCallers(t.testdir({}), logger);
  const authorise = authoriseBy(new Access({ mode: 'as-before', known, denials }));
  const asked = { servedAsBefore: true, request: {}, address: '10.0.0.7', authorization: undefined };
  t.match(authorise({ ...asked, operation: listTasks, isLocal: true }), { name: undefined });
  t.throws(() => authorise({ ...asked, operation: listTasks, isLocal: false }), ofKind('unauthenticated'));
  t.throws(() => authorise({ ...asked, operation: retryTask, isLocal: true }), ofKind('unauthenticated'));
});

t.test('what a proxy on this machine passes on is not of this machine', async (t) => {
  const { address, ask } = await startHttpNode(t, { config: { http_hosts: 'farm.example' } });
  const list = async (headers: Readonly<Record<string, string>>) => {
    const { status } = await ask('GET', '/api/v1/talent/plot-tasks', { headers, authorization: null });
    return status;
  };
  const port = address.split(':')[1] ?? '';
  for (const host of [address, `localhost:${port}`]) t.equal(await list({ host }), 200, host);
  t.equal(await list({ host: `farm.example:${port}` }), 401, 'it is called by a name that others use');
  for (const name of ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip'])
    t.equal(await list({ [name]: '10.0.0.7' }), 401, name);
});
