/** Orders that are sent again with their Idempotency-Key: carried out once, answered as the first time, whoever asks meanwhile. */

import { join } from 'node:path';
import t from 'tap';
import { z } from 'zod';
import { addAccess, revokeAccess } from '../../../../src/node/access/access-file.js';
import { orderFor } from '../../../support/talent-node.js';
import { type Answer, type HttpNode, startHttpNode } from './http-node.js';

const SEMAPHORES = '/api/v1/semaphore/semaphores';
const REPLAY = 'idempotent-replay';
const Created = z.object({ name: z.string(), revision: z.number().optional() });

function create(
  node: HttpNode,
  key: string | undefined,
  body: object = { capacity: 2 },
  token?: string,
): Promise<Answer> {
  return node.ask('POST', SEMAPHORES, {
    body,
    headers: key === undefined ? {} : { 'idempotency-key': key },
    ...(token === undefined ? {} : { authorization: token }),
  });
}

t.test('the same order again gets the first answer, also after a restart', async (t) => {
  const data = join(t.testdir(), 'data');
  const first = await startHttpNode(t, { data });
  const order = await create(first, 'k-1');
  t.match(order, { status: 200, body: { name: /^[0-9a-f]{32}$/ } });
  t.equal(order.headers[REPLAY], undefined);
  const { name } = Created.parse(order.body);
  // Something else happens to it in between.
  await first.call('semaphore.Semaphores', 'acquire', { name, holder: 'a' });
  const again = await create(first, 'k-1');
  t.match(again, { status: 200, headers: { [REPLAY]: 'true' } });
  t.same(again.body, order.body, 'what has happened since is not in it');
  await first.node.stop();
  const second = await startHttpNode(t, { data });
  t.match(await create(second, 'k-1'), { status: 200, headers: { [REPLAY]: 'true' }, text: order.text });
  t.match(
    await create(second, '"k-1"'),
    { headers: { [REPLAY]: 'true' }, body: { name } },
    'quoted it is the same',
  );
});

t.test('another content under the key is refused, and changes nothing', async (t) => {
  const node = await startHttpNode(t);
  const { name } = Created.parse((await create(node, 'k')).body);
  const other = await create(node, 'k', { capacity: 3 });
  t.match(other, {
    status: 409,
    body: {
      ...{ kind: 'exists', retryable: false },
      detail: /^Idempotency-Key k was used for another create and is not used as create: nothing was done; /,
    },
  });
  t.equal(other.headers[REPLAY], undefined);
  t.match(await create(node, 'k'), { status: 200, headers: { [REPLAY]: 'true' }, body: { name } });
});

t.test('of many at once one is carried out', async (t) => {
  const node = await startHttpNode(t);
  const answers = await Promise.all(Array.from({ length: 8 }, () => create(node, 'at-once')));
  t.ok(answers.every(({ status }) => status === 200));
  t.equal(new Set(answers.map(({ text }) => text)).size, 1);
  t.equal(answers.filter(({ headers }) => headers[REPLAY] === 'true').length, 7);
});

t.test('a key is that of who asks, and of what it was sent to', async (t) => {
  const node = await startHttpNode(t);
  const [a, b] = await Promise.all(
    ['a', 'b'].map(async (name) => `Bearer ${await addAccess(node.data, { name, roles: ['submitter'] })}`),
  );
  const names = await Promise.all(
    [
      create(node, 'k', {}, a),
      create(node, 'k', { capacity: 1 }, a),
      create(node, 'k', { capacity: 1 }, b),
      create(node, 'l', { capacity: 1 }, b),
    ].map(async (answer) => (await answer).body),
  );
  const [wrong, ...created] = names;
  t.match(wrong, { kind: 'invalid', field: 'capacity' }, 'what was refused takes no key');
  t.equal(new Set(created.map((one) => Created.parse(one).name)).size, 3);

  for (const task of ['one', 'two']) {
    await node.call('talent.PlotManager', 'plot_task_create', orderFor(task));
    await node.call('talent.PlotManager', 'plot_task_stop', { task_id: task });
    const retry = () =>
      node.ask('POST', `/api/v1/talent/plot-tasks/${task}/retry`, {
        body: {},
        headers: { 'idempotency-key': 'k' },
      });
    const first = await retry();
    t.match(first, { status: 200, body: { is_success: true } });
    t.match(await retry(), { status: 200, headers: { [REPLAY]: 'true' }, body: first.body });
  }
});

t.test('who gets the name of one that was taken back gets none of his keys', async (t) => {
  const node = await startHttpNode(t);
  const add = async () => `Bearer ${await addAccess(node.data, { name: 'a', roles: ['submitter'] })}`;
  const first = await add();
  const created = Created.parse((await create(node, 'k', { capacity: 1 }, first)).body);
  await revokeAccess(node.data, 'a');
  const second = await create(node, 'k', { capacity: 1 }, await add());
  t.equal(second.headers[REPLAY], undefined);
  t.not(Created.parse(second.body).name, created.name);
});

t.test('a key that can not count is refused, never passed over', async (t) => {
  const node = await startHttpNode(t);
  for (const key of ['', '"', 'ö', 'a b', 'x'.repeat(256), '"a"b"']) {
    const answer = await create(node, key);
    t.match(answer, { status: 422, body: { field: 'Idempotency-Key' } }, key);
  }
  t.match(await create(node, 'k', { capacity: 1, name: 'mine' }), { status: 422, body: { field: 'name' } });
  t.match(await create(node, 'k', { capacity: 1, command_id: 'mine' }), {
    status: 422,
    body: { field: 'command_id' },
  });
  t.match(await create(node, undefined), { status: 422, body: { field: 'name', rule: 'is missing' } });
  const release = { headers: { 'idempotency-key': 'k' } };
  t.match(await node.ask('DELETE', `${SEMAPHORES}/mine/permits/a`, release), {
    status: 422,
    body: { field: 'Idempotency-Key', rule: /of no use here/ },
  });
  t.match(
    await node.ask('GET', `${SEMAPHORES}/mine/permits`, release),
    { status: 422, body: { field: 'Idempotency-Key', rule: /of no use here/ } },
    'a query changes nothing',
  );
});
