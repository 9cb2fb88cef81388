/** How soon a node follows another that kept a lease and is gone, where a kind of peer asks for two lengths of the lease. */

import t from 'tap';
import { StoreUnavailableError } from '../../src/base/errors.js';
import { type Handover, WITHIN_TWO_LEASES } from '../../src/peers/peer-kind.js';
import { LEASE_MS, type LeaseNode, type LeaseNodes, leaseNodes } from '../support/lease-nodes.js';
import { until } from '../support/until.js';

const handover: Handover = WITHIN_TWO_LEASES;
const BEATS = 3;

/** Lets a node hear heartbeats, three in a lease, while others hear what is stored. */
async function beatFor(
  { clock }: LeaseNodes,
  node: LeaseNode,
  beats: number,
  others: readonly LeaseNode[] = [],
): Promise<void> {
  for (let beat = 0; beat < beats; beat++) {
    clock.advance(LEASE_MS / BEATS);
    await node.beat('s1');
    // Behind what is recorded in the background, where the store is there.
    await node.leases.follow('w', 's1').catch(() => undefined);
    for (const other of others) await other.observeAll();
  }
}

t.test('a node that is gone is followed within two lengths of the lease', async (t) => {
  const nodes = leaseNodes(t, { handover });
  const [a, b] = [nodes.node('a'), nodes.node('b')];
  await a.attach('s1');
  await beatFor(nodes, a, 4 * BEATS, [b]);
  const before = await nodes.events();
  t.same(new Set(before), new Set(['Attached a', 'LeaseKept a']), 'nobody took over while it was there');
  t.ok(before.length >= 4 && before.length <= 6, `one event in about each lease: ${before}`);
  a.leases.stop();
  nodes.clock.advance(2 * LEASE_MS);
  await until('b keeps it', async () => (await nodes.events()).at(-1) === 'LeaseKept b');
  t.match(await b.beat('s1'), { sessionId: 's1' });
  nodes.clock.advance(LEASE_MS - 1);
  t.notOk((await nodes.events()).includes('Lost'), 'and its peer has a full lease');
});

t.test("a peer's silence is not taken for its keeper's", async (t) => {
  const nodes = leaseNodes(t, { handover });
  const [a, b] = [nodes.node('a'), nodes.node('b')];
  await a.attach('s1');
  await b.observeAll();
  // The last heartbeat comes just before the next record is due.
  nodes.clock.advance(handover.recordedAfter * LEASE_MS - 1);
  await a.beat('s1');
  nodes.clock.advance(LEASE_MS);
  await until('it is lost', async () => (await nodes.events()).at(-1) === 'Lost');
  t.same(await nodes.events(), ['Attached a', 'Lost']);
});

t.test(
  'while the store is away nobody is followed, and then its keeper has its whole time again',
  async (t) => {
    let away = false;
    const assertThere = () => {
      if (away) throw new StoreUnavailableError('the store is away', 'refused');
    };
    const nodes = leaseNodes(t, {
      handover,
      append: (proceed) => async (stream, expected, proposed) => {
        assertThere();
        return await proceed(stream, expected, proposed);
      },
      reads: assertThere,
    });
    const [a, b] = [nodes.node('a'), nodes.node('b')];
    await a.attach('s1');
    await b.observeAll();
    await beatFor(nodes, a, 1);
    away = true;
    await beatFor(nodes, a, 4 * BEATS);
    await until('b has looked', () => b.log.messages('error').length > 0);
    away = false;
    // Found to be back at the end of the next lease, and the record of `a` may take as long as it likes.
    nodes.clock.advance(LEASE_MS);
    await a.leases.follow('w', 's1');
    nodes.clock.advance(LEASE_MS / 2);
    t.notOk((await nodes.events()).includes('LeaseKept b'), 'it was the store that was silent');
    await beatFor(nodes, a, 2 * BEATS, [b]);
    t.same(new Set(await nodes.events()), new Set(['Attached a', 'LeaseKept a']));
  },
);

t.test('a node that was stopped meanwhile reads the store before it follows another', async (t) => {
  const nodes = leaseNodes(t, { handover });
  const [a, b] = [nodes.node('a'), nodes.node('b')];
  await a.attach('s1');
  await b.observeAll();
  // What `a` records lies unread in the sockets of `b`.
  await beatFor(nodes, a, 3 * BEATS);
  await b.leases.follow('w', 's1');
  t.notOk((await nodes.events()).includes('LeaseKept b'));
  a.leases.stop();
  await until('b keeps it', async () => {
    nodes.clock.advance(LEASE_MS);
    return (await nodes.events()).at(-1) === 'LeaseKept b';
  });
});
