/** Leases of supervisors on nodes that share a store: one node keeps each, and none is lost by one that doesn't hear it. */

import t from 'tap';
import { StoreUnavailableError } from '../../../../../src/base/errors.js';
import { SELDOM } from '../../../../../src/peers/peer-kind.js';
import { LEASE_MS, type LeaseNode, leaseNodes } from '../../../../support/lease-nodes.js';
import { until } from '../../../../support/until.js';

const { recordedAfter: RENEWED_AFTER_LEASES, goneAfter: SILENT_FOR_LEASES } = SELDOM;

const leaseOf = (nodeId: string | null) => ({
  peerId: 'w',
  sessionId: 's1',
  leaseSeconds: LEASE_MS / 1000,
  nodeId,
});

/** Lets a node hear a supervisor's heartbeats for that many leases, three in each as supervisors send them. */
async function beatFor(clock: { advance(ms: number): void }, node: LeaseNode, leases: number): Promise<void> {
  for (let beat = 0; beat < 3 * leases; beat++) {
    clock.advance(LEASE_MS / 3);
    await node.beat('s1');
  }
}

t.test('a node that does not keep a lease never calls it lost', async (t) => {
  const { clock, node, events } = leaseNodes(t);
  const [a, b] = [node('a'), node('b')];
  await a.attach('s1');
  await b.observeAll();
  await beatFor(clock, a, 3);
  clock.advance(LEASE_MS - 1);
  t.same(await events(), ['Attached a']);
  clock.advance(1);
  await until('who keeps it has lost it', async () => (await events()).at(-1) === 'Lost');
  t.same(b.log.messages('warn'), []);
});

t.test('a lease moves to the node that hears its supervisor, and back', async (t) => {
  const { clock, node, events } = leaseNodes(t);
  const [a, b] = [node('a'), node('b')];
  await a.attach('s1');
  await b.beat('s1');
  t.same(await events(), ['Attached a', 'LeaseKept b']);
  await a.observeAll();
  await beatFor(clock, b, 2);
  t.same(await events(), ['Attached a', 'LeaseKept b'], 'who kept it before does not call it lost');
  await a.beat('s1');
  t.same(await events(), ['Attached a', 'LeaseKept b', 'LeaseKept a']);
  await b.observeAll();
  clock.advance(LEASE_MS);
  await until('it is lost', async () => (await events()).length === 4);
  t.same(b.log.messages('warn'), []);
  await b.beat('s1');
  t.same((await events()).at(-1), 'Returned b', 'a lost one may come back by any node');
  await a.observeAll();
  clock.advance(LEASE_MS - 1);
  await b.beat('s1');
  clock.advance(LEASE_MS - 1);
  t.equal((await events()).length, 5);
});

t.test('a node that has not heard that the lease has moved does not call it lost either', async (t) => {
  const { clock, node, events } = leaseNodes(t);
  const [a, b] = [node('a'), node('b')];
  await a.attach('s1');
  clock.advance(LEASE_MS - 1);
  await b.beat('s1');
  clock.advance(1);
  await a.leases.follow('w', 's1');
  t.same(await events(), ['Attached a', 'LeaseKept b']);
});

t.test('attaching again by another node moves the lease as well', async (t) => {
  const { node, events } = leaseNodes(t);
  await node('a').attach('s1');
  await node('b').attach('s1');
  await node('b').attach('s1');
  t.same(await events(), ['Attached a', 'LeaseKept b']);
});

t.test('that a lease is kept is recorded now and then', async (t) => {
  const { clock, node, events } = leaseNodes(t);
  const a = node('a');
  await a.attach('s1');
  for (const recorded of [2, 3]) {
    await beatFor(clock, a, RENEWED_AFTER_LEASES - 1);
    t.equal((await events()).length, recorded - 1);
    await beatFor(clock, a, 1);
    await until('it is recorded', async () => (await events()).length === recorded);
  }
  t.same(await events(), ['Attached a', 'LeaseKept a', 'LeaseKept a']);

  const alone = leaseNodes(t);
  const only = alone.node('a', { shared: false });
  await only.attach('s1');
  await beatFor(alone.clock, only, 2 * RENEWED_AFTER_LEASES);
  t.same(await alone.events(), ['Attached a'], 'but not where nobody else would read it');
});

t.test('the lease of a node that is gone is taken over, by one', async (t) => {
  const { clock, node, events } = leaseNodes(t);
  const [a, b, c] = [node('a'), node('b'), node('c')];
  await a.attach('s1');
  a.leases.stop();
  for (const survivor of [b, c]) await survivor.observeAll();
  clock.advance(SILENT_FOR_LEASES * LEASE_MS - 1);
  t.same(await events(), ['Attached a'], 'in good time');
  clock.advance(1);
  await until('it is taken over', async () => (await events()).length === 2);
  t.match((await events())[1], /LeaseKept [bc]/);
  await until('it is told', () => [b, c].flatMap(({ log }) => log.messages('warn')).length === 1);
  clock.advance(LEASE_MS - 1);
  t.equal((await events()).length, 2, 'and its supervisor has a full lease from then on');
  clock.advance(1);
  await until('it is lost', async () => (await events()).length === 3);
  t.equal((await events())[2], 'Lost');
});

t.test('a lease whose keeper has spoken since is not taken over, however late that is heard', async (t) => {
  const { clock, node, events } = leaseNodes(t);
  const [a, b] = [node('a'), node('b')];
  await a.attach('s1');
  // b hears nothing of what a stores later: its subscription stands still.
  await b.observeAll();
  await beatFor(clock, a, RENEWED_AFTER_LEASES);
  await until('a has recorded it', async () => (await events()).length === 2);
  await beatFor(clock, a, SILENT_FOR_LEASES - RENEWED_AFTER_LEASES + 1);
  await b.leases.follow('w', 's1');
  a.leases.stop();
  t.notOk((await events()).includes('LeaseKept b'));
  clock.advance(SILENT_FOR_LEASES * LEASE_MS);
  await until('it is taken over in the end', async () => (await events()).at(-1) === 'LeaseKept b');
});

t.test('a lease taken over from a node that was cut off comes back with the next heartbeat', async (t) => {
  const { clock, node, events } = leaseNodes(t);
  const [a, b] = [node('a'), node('b')];
  await a.attach('s1');
  await b.observeAll();
  clock.advance(LEASE_MS / 2);
  await a.beat('s1');
  b.leases.resume(leaseOf('a'), 0);
  await b.beat('s1');
  await a.observeAll();
  await a.beat('s1');
  await b.observeAll();
  t.same(await events(), ['Attached a', 'LeaseKept b', 'LeaseKept a']);
});

t.test('while the store is away a supervisor that is heard is not lost, nor when it is back', async (t) => {
  let away = false;
  const { clock, node, events } = leaseNodes(t, {
    append: (proceed) => async (stream, expected, proposed) => {
      if (away) throw new StoreUnavailableError('the store is away', 'refused');
      return await proceed(stream, expected, proposed);
    },
  });
  const a = node('a');
  await a.attach('s1');
  await beatFor(clock, a, RENEWED_AFTER_LEASES - 1);
  away = true;
  await beatFor(clock, a, 5);
  await until('it is told', () => a.log.messages('warn').length > 1);
  t.same(await events(), ['Attached a']);
  away = false;
  await until('that it is kept is recorded', async () => {
    await beatFor(clock, a, 1);
    return (await events()).length === 2;
  });
  await beatFor(clock, a, 2);
  t.same(await events(), ['Attached a', 'LeaseKept a']);
  t.same(a.log.messages('error'), []);
});

t.test('a lease that could not be taken over is tried again', async (t) => {
  let failures = 1;
  const { clock, node, events } = leaseNodes(t, {
    append: (proceed) => async (stream, expected, proposed) => {
      if (proposed[0]?.type === 'SupervisorLeaseKept' && failures-- > 0)
        throw new StoreUnavailableError('the store is away', 'refused');
      return await proceed(stream, expected, proposed);
    },
  });
  const [a, b] = [node('a'), node('b')];
  await a.attach('s1');
  a.leases.stop();
  await b.observeAll();
  clock.advance(SILENT_FOR_LEASES * LEASE_MS);
  await until('the failure is told', () => b.log.messages('error').length === 1);
  clock.advance(LEASE_MS);
  await until('it is taken over', async () => (await events()).at(-1) === 'LeaseKept b');
});

t.test('after a restart each node goes on with its own', async (t) => {
  const { clock, node, events } = leaseNodes(t);
  const before = node('a');
  await before.attach('s1');
  before.leases.stop();

  const [a, b] = [node('a'), node('b')];
  a.leases.resume(leaseOf('a'), 0);
  b.leases.resume(leaseOf('a'), 0);
  clock.advance(LEASE_MS - 1);
  await a.beat('s1');
  await until('it says so with the first heartbeat', async () => (await events()).length === 2);
  clock.advance(LEASE_MS);
  await until('it is lost', async () => (await events()).length === 3);
  t.same(b.log.messages('warn'), []);
});

t.test('a history that came from a fleet is kept by the one node that has it now', async (t) => {
  const { clock, node, events } = leaseNodes(t);
  await node('gone').attach('s1');
  const alone = node('alone', { shared: false });
  alone.leases.resume(leaseOf('gone'), 0);
  await until('it is taken over', async () => (await events()).length === 2);
  t.same(await events(), ['Attached gone', 'LeaseKept alone']);
  await until('it is held', () => alone.log.messages('warn').length === 1);
  clock.advance(LEASE_MS);
  await until('it is lost', async () => (await events()).at(-1) === 'Lost');
});
