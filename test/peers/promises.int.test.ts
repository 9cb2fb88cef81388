/** What is confirmed to a holder that ends or pauses for silence: nobody calls it lost before it has stopped by itself. */

import t from 'tap';
import { StoreUnavailableError } from '../../src/base/errors.js';
import { hearOut } from '../../src/base/listening-time.js';
import { actsForMs, GO_ON, type LeasePolicy } from '../../src/peers/holder/lease-terms.js';
import { WITHIN_TWO_LEASES } from '../../src/peers/peer-kind.js';
import { LEASE_MS, leaseNodes } from '../support/lease-nodes.js';

const PAUSE: LeasePolicy = { kind: 'pause', share: 0.9 };
const END: LeasePolicy = { kind: 'end', giveUpSeconds: 600, marginSeconds: 60 };
const KIND = { handover: WITHIN_TWO_LEASES, policy: PAUSE };
const STEP_MS = LEASE_MS / 30;
/** After a heartbeat that was confirmed. */
const ACTS_FOR_MS = actsForMs({ leaseSeconds: LEASE_MS / 1000, policy: PAUSE });

t.test(
  'a node that alone is cut off from the store promises nothing that another does not know',
  async (t) => {
    let away = false;
    const { clock, node, events } = leaseNodes(t, {
      ...KIND,
      append: (proceed) => async (stream, expected, proposed) => {
        if (away && proposed[0]?.data['node_id'] === 'a')
          throw new StoreUnavailableError('a is cut off', 'refused');
        return await proceed(stream, expected, proposed);
      },
    });
    const [a, b] = [node('a'), node('b')];
    await a.attach('s1');
    await b.observeAll();
    away = true;
    let confirmedAt = clock.monotonic();
    let refused = 0;
    while ((await events()).at(-1) !== 'Lost' && clock.monotonic() < 10 * LEASE_MS) {
      clock.advance(STEP_MS);
      // What the other node does then comes in turns of its own.
      await hearOut();
      try {
        await a.beat('s1');
        confirmedAt = clock.monotonic();
      } catch (error) {
        refused += 1;
        t.match(error, { kind: 'unavailable' });
      }
    }
    t.same(await events(), ['Attached a', 'LeaseKept b', 'Lost']);
    t.ok(refused > 0);
    t.ok(confirmedAt > LEASE_MS, "a short outage is not the peer's affair");
    t.ok(clock.monotonic() > confirmedAt + ACTS_FOR_MS, 'it has stopped before it is called lost');
  },
);

t.test('a heartbeat asks the store once another node may keep the lease, asleep or not', async (t) => {
  const { clock, node, events } = leaseNodes(t, KIND);
  const a = node('a');
  const b = node('b');
  await a.attach('s1');
  await b.beat('s1');
  await a.beat('s1');
  t.same(await events(), ['Attached a', 'LeaseKept b'], 'not while the store has just taken its word');
  // A machine that sleeps: nobody listens, and the store is elsewhere.
  clock.sleep(2 * LEASE_MS);
  await a.beat('s1');
  t.equal((await events()).at(-1), 'LeaseKept a');
});

t.test('attaching once more is a promise too', async (t) => {
  const { node, events } = leaseNodes(t, KIND);
  const a = node('a');
  await a.attach('s1');
  await node('b').beat('s1');
  await a.attach('s1');
  t.same(await events(), ['Attached a', 'LeaseKept b', 'LeaseKept a']);
});

t.test('one node alone asks nobody, and neither does one whose holders go on', async (t) => {
  let confirmed = 0;
  for (const { policy, shared } of [
    { policy: END, shared: false },
    { policy: GO_ON, shared: true },
  ]) {
    let appends = 0;
    const { clock, node } = leaseNodes(t, {
      ...KIND,
      policy,
      append: (proceed) => async (stream, expected, proposed) => {
        appends += 1;
        if (appends > 1) throw new StoreUnavailableError('the store is away', 'refused');
        return await proceed(stream, expected, proposed);
      },
    });
    const a = node('a', { shared });
    await a.attach('s1');
    for (let beat = 0; beat < 20; beat++) {
      clock.advance(LEASE_MS / 3);
      await a.beat('s1');
      confirmed += 1;
    }
  }
  t.equal(confirmed, 40, 'each was confirmed');
});
