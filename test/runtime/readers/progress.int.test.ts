/** How far readers of the event store say they are, in their status and in the log, while a build is held in its middle. */

import t from 'tap';
import { openDatabase } from '../../../src/base/sqlite.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import { type EventStore, START } from '../../../src/runtime/event-store/event-store.js';
import { Follower } from '../../../src/runtime/readers/follower.js';
import { KnownHistory } from '../../../src/runtime/readers/known-history.js';
import { TransactionLog } from '../../support/eventstoredb-node/transaction-log.js';
import { openStore, startNode } from '../../support/eventstoredb-stores.js';
import { holdingBack } from '../../support/held-store.js';
import { projecting } from '../../support/projecting.js';
import { until } from '../../support/until.js';
import { add, appendTo, rowsOf, talliesProjection } from '../support/tallies.js';

const CATCHING_UP = 'catching up with what is stored';
const CAUGHT_UP = 'caught up with what is stored';

async function addMany(store: EventStore, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await add(store, `${n % 3}`, n);
}

t.test('a first build tells its share of what is stored, and 1 at the end', async (t) => {
  const { store, projector } = projecting(t);
  await addMany(store, 40);
  const gate = holdingBack(store);
  gate.shut();
  const tallies = projector(talliesProjection(), { store: gate.store, batchSize: 10 });
  t.equal(tallies.status().share, undefined, 'before the store has told where it ends');
  await tallies.start();
  await until('the first batch is there', () => gate.waiting());
  t.match(tallies.status(), { share: 0, caughtUp: false, checkpoint: START });
  for (const share of [0.25, 0.5, 0.75]) {
    gate.pass(1);
    await until('the next batch is there', () => gate.waiting());
    t.match(tallies.status(), { share, caughtUp: false });
  }
  gate.pass();
  await tallies.caughtUpTo(await store.head());
  t.match(tallies.status(), { share: 1, caughtUp: true });
});

t.test('what is stored during a build counts, though nobody asks for it', async (t) => {
  const { store, clock, projector } = projecting(t);
  await addMany(store, 20);
  const gate = holdingBack(store);
  gate.shut();
  const tallies = projector(talliesProjection(), { store: gate.store, batchSize: 10 });
  await tallies.start();
  await until('the first batch is there', () => gate.waiting());
  await addMany(store, 20);
  gate.pass(1);
  await until('the second batch is there', () => gate.waiting());
  t.equal(tallies.status().share, 10 / 20, 'not asked for with every batch');
  clock.advance(1_000);
  gate.pass(1);
  await until('the end is known', async () => tallies.status().head === (await store.head()));
  t.match(tallies.status(), { share: 20 / 40, caughtUp: false });

  const shares: number[] = [];
  while (!tallies.status().caughtUp) {
    clock.advance(1_000);
    await add(store, 'more', 1);
    gate.pass(1);
    await until('it goes on', () => gate.waiting() || tallies.status().caughtUp);
    shares.push(tallies.status().share ?? Number.NaN);
  }
  t.ok(
    shares.every((share) => share > 0 && share <= 1),
    shares.join(' '),
  );
  t.equal(shares.at(-1), 1);
  gate.pass();
});

t.test('that the store cannot be asked for its end does not disturb a build', async (t) => {
  const { store, clock, log, projector } = projecting(t);
  await addMany(store, 20);
  let asked = 0;
  const gate = holdingBack(
    delegating(store, {
      head: () => (asked++ === 0 ? store.head() : Promise.reject(new Error('the store is away'))),
    }),
  );
  gate.shut();
  const tallies = projector(talliesProjection(), { store: gate.store, batchSize: 5 });
  await tallies.start();
  await until('the first batch is there', () => gate.waiting());
  clock.advance(1_000);
  gate.pass(1);
  await until('the second batch is there', () => gate.waiting());
  t.equal(asked, 2);
  t.match(tallies.status(), { share: 5 / 20, lastError: undefined });
  gate.pass();
  await tallies.caughtUpTo(await store.head());
  t.equal(tallies.status().share, 1);
  t.strictSame(log.messages('warn'), []);
});

t.test('of an empty store everything is held as soon as it is known to be empty', async (t) => {
  const { store, projector } = projecting(t);
  const gate = holdingBack(store);
  gate.shut();
  const tallies = projector(talliesProjection(), { store: gate.store });
  await tallies.start();
  await until('the store has answered', () => gate.waiting());
  t.match(tallies.status(), { share: undefined, caughtUp: false });
  gate.pass();
  await until('it has caught up', () => tallies.status().caughtUp);
  t.equal(tallies.status().share, 1);
});

t.test('a reader of other categories than the newest events comes to 1', async (t) => {
  const { store, projector } = projecting(t);
  await addMany(store, 3);
  await appendTo(store, 'other-a', Array<number>(50).fill(1));
  const tallies = projector(talliesProjection());
  await tallies.start();
  await until('it has caught up', () => tallies.status().caughtUp);
  t.equal(tallies.status().share, 1);
});

t.test('while the store is away, what was known last is told', async (t) => {
  const { store, projector } = projecting(t);
  await addMany(store, 20);
  let away = false;
  const leaving = delegating(store, {
    subscribe: async function* (options) {
      for await (const batch of store.subscribe(options)) {
        if (away) throw new Error('the store is away');
        yield batch;
        away = true;
      }
    },
    head: () => (away ? Promise.reject(new Error('the store is away')) : store.head()),
  });
  const tallies = projector(talliesProjection(), { store: leaving, batchSize: 5 });
  await tallies.start();
  await until('the store is away', () => tallies.status().lastError !== undefined);
  t.match(tallies.status(), { share: 5 / 20, caughtUp: false, lastError: /away/ });
  await tallies.stop();

  const again = projector(talliesProjection(), { store: leaving });
  await again.start();
  await until('it has looked for the store', () => again.status().lastError !== undefined);
  t.match(again.status(), { share: undefined, checkpoint: '0000000000000005' }, 'a new run knows no end');
});

t.test('a rebuild tells its own share, beside that of the table that serves', async (t) => {
  const { store, projector } = projecting(t);
  await addMany(store, 40);
  const gate = holdingBack(store);
  const tallies = projector(talliesProjection(), { store: gate.store, batchSize: 10 });
  await tallies.start();
  await tallies.caughtUpTo(await store.head());
  gate.shut();
  gate.pass(1);
  const rebuilding = tallies.rebuild();
  await until('it stands in its middle', () => gate.waiting());
  t.match(tallies.status(), { share: 1, caughtUp: true, rebuild: { share: 0.25 } });
  gate.pass();
  await rebuilding;
  await until('it serves', () => tallies.status().caughtUp);
  t.match(tallies.status(), { share: 1, rebuild: undefined });
});

t.test('while a new version is filled, its share is that of the reader', async (t) => {
  const { store, projector } = projecting(t);
  await addMany(store, 40);
  const old = projector(talliesProjection());
  await old.start();
  await old.caughtUpTo(await store.head());
  await old.stop();
  const gate = holdingBack(store);
  gate.shut();
  gate.pass(3);
  const tallies = projector(talliesProjection({ version: 2 }), { store: gate.store, batchSize: 10 });
  await tallies.start();
  await until('it stands in its middle', () => gate.waiting());
  t.match(tallies.status(), { share: 0.75, caughtUp: false, rebuild: { share: 0.75 } });
  gate.pass();
  await tallies.caughtUpTo(await store.head());
  await until('it serves', () => tallies.status().caughtUp);
  t.match(tallies.status(), { share: 1, rebuild: undefined });
});

t.test('a build that takes long is told in the log every few seconds, until its end', async (t) => {
  const { store, clock, log, projector } = projecting(t);
  await addMany(store, 30);
  const gate = holdingBack(store);
  gate.shut();
  const tallies = projector(talliesProjection(), { store: gate.store, batchSize: 10 });
  await tallies.start();
  await until('the first batch is there', () => gate.waiting());
  clock.advance(4_999);
  t.strictSame(log.messages('info'), [], 'not at once');
  clock.advance(1);
  gate.pass(1);
  await until('the second batch is there', () => gate.waiting());
  clock.advance(10_000);
  t.strictSame(log.messages('info'), [CATCHING_UP, CATCHING_UP, CATCHING_UP]);
  t.match(log.entries('info'), [{ reader: 'tallies', share: 0 }, { share: 0.333 }, { share: 0.333 }]);
  gate.pass();
  await tallies.caughtUpTo(await store.head());
  t.match(log.entries('info').slice(3), [{ msg: CAUGHT_UP, reader: 'tallies', seconds: 15 }]);
  clock.advance(60_000);
  t.equal(log.messages('info').length, 4, 'and nothing after it');
});

t.test('a build that is over sooner, or has no store yet, is not told in the log', async (t) => {
  const { store, clock, log, projector, openReadModels } = projecting(t);
  await addMany(store, 10);
  const tallies = projector(talliesProjection());
  await tallies.start();
  clock.advance(4_000);
  await tallies.caughtUpTo(await store.head());
  const away = delegating(store, { head: () => Promise.reject(new Error('the store is away')) });
  const waiting = projector(talliesProjection(), { store: away, db: openReadModels() });
  await waiting.start();
  clock.advance(60_000);
  await waiting.stop();
  clock.advance(60_000);
  t.strictSame(log.messages('info'), []);
});

t.test('a build that is stopped says no more in the log', async (t) => {
  const { store, clock, log, projector } = projecting(t);
  await addMany(store, 10);
  const gate = holdingBack(store);
  gate.shut();
  const tallies = projector(talliesProjection(), { store: gate.store });
  await tallies.start();
  await until('the batch is there', () => gate.waiting());
  clock.advance(5_000);
  t.strictSame(log.messages('info'), [CATCHING_UP]);
  const stopping = tallies.stop();
  gate.pass();
  await stopping;
  clock.advance(60_000);
  t.strictSame(log.messages('info'), [CATCHING_UP]);
});

t.test('what is being handled does not count yet', async (t) => {
  const { store, db, clock, log, onEnd } = projecting(t);
  await addMany(store, 10);
  const handled: (() => void)[] = [];
  const follower = new Follower({
    name: 'slow',
    store,
    history: new KnownHistory({ store, db, clock, logger: log.logger }),
    categories: ['tally'],
    clock,
    logger: log.logger,
    open: () => START,
    handle: ({ events }) =>
      events.length === 0 ? undefined : new Promise((resolve) => handled.push(resolve)),
  });
  onEnd(() => follower.stop());
  follower.start();
  await until('the first events are handled', () => handled.length === 1);
  handled[0]?.();
  await until('it has caught up', () => follower.status().caughtUp);
  await addMany(store, 30);
  await until('more events are handled', () => handled.length === 2);
  const { share, checkpoint, head } = follower.status();
  t.equal(share, store.shareOf(checkpoint, head));
  t.ok((share ?? 1) < 1, `${share}`);
  for (let done = 1; !follower.status().caughtUp; done++) {
    await until(
      'there is a batch, or none is left',
      () => handled.length > done || follower.status().caughtUp,
    );
    handled[done]?.();
  }
  t.equal(follower.status().share, 1);
});

t.test('on EventStoreDB, past records of the server and of others', async (t) => {
  const node = await startNode(t, { log: new TransactionLog({ byCategory: true }) });
  const store = await openStore(t, node);
  const { projector, onEnd } = projecting(t);
  await addMany(store, 40);
  await appendTo(store, 'other-a', Array<number>(100).fill(1));
  node.log.delete('other-a', 'any');
  const middle = node.log.records.filter(({ stream }) => stream.startsWith('tally-'))[20];
  node.faults.holdSubscriptions(middle?.position ?? 0n);
  const db = openDatabase(':memory:');
  onEnd(() => db.close());
  const tallies = projector(talliesProjection(), { store, db });
  await tallies.start();
  await until(
    'what may come has come',
    () => rowsOf(db).reduce((n, row) => n + Number(row['applied']), 0) === 20,
  );
  const { share = Number.NaN, checkpoint, head, caughtUp } = tallies.status();
  t.equal(share, store.shareOf(checkpoint, head));
  t.ok(share > 0 && share < 0.5, `${share}: there is more behind it than before it`);
  t.equal(caughtUp, false);
  await node.stop();
  t.equal(tallies.status().share, share, 'told without the store');
  node.faults.releaseSubscriptions();
  await node.start();
  await until('it has caught up', () => tallies.status().caughtUp);
  t.equal(tallies.status().share, 1, 'though the newest events are none of its own');
});
