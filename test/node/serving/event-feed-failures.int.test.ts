/** What followers of events are told when the store fails, turns out to be another one, or is mended; and how following ends. */

import t, { type Test } from 'tap';
import { StoreUnavailableError } from '../../../src/base/errors.js';
import { cursorBehind } from '../../../src/node/serving/feed-cursor.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import type { EventStore, SubscriptionBatch } from '../../../src/runtime/event-store/event-store.js';
import { counter } from '../../runtime/support/counter.js';
import { sqliteStore } from '../../runtime/support/restorable-stores.js';
import { idsOf, ofKind, propose } from '../../support/events.js';
import { openStore, startNode } from '../../support/eventstoredb-stores.js';
import { semaphore } from '../../support/semaphore.js';
import { testDirectory } from '../../support/test-directory.js';
import { Following, followedNode } from './followed-node.js';

/** A store whose subscriptions and looks a test can disturb. */
function disturbed() {
  const faults = {
    subscribing: undefined as Error | undefined,
    resumed: false,
    holds: true,
    heads: undefined as Error | undefined,
  };
  const disturb = (store: EventStore) =>
    delegating(store, {
      head: () => (faults.heads === undefined ? store.head() : Promise.reject(faults.heads)),
      holds: (event) => (faults.holds ? store.holds(event) : Promise.resolve(false)),
      subscribe: async function* (options): AsyncGenerator<SubscriptionBatch> {
        for await (const batch of store.subscribe(options)) {
          if (faults.subscribing !== undefined) throw faults.subscribing;
          yield faults.resumed ? { ...batch, resumed: true } : batch;
        }
      },
    });
  return { faults, disturb };
}

async function disturbedNode(t: Test) {
  const dir = testDirectory(t);
  const { faults, disturb } = disturbed();
  const node = await followedNode(t, dir, await sqliteStore(dir).open(), { disturb });
  return { ...node, faults };
}

t.test('when the store fails all who follow are told, and go on later with their cursors', async (t) => {
  const { feed, add, faults } = await disturbedNode(t);
  const first = await add('semaphore-a', 2);
  const [a, b] = [new Following(feed), new Following(feed)];
  for (const follower of [a, b]) await follower.live();
  faults.subscribing = new StoreUnavailableError('the disk is gone', 'refused');
  const second = await add('semaphore-a', 2);
  for (const follower of [a, b])
    await t.rejects(follower.until(4), { ...ofKind('unavailable'), message: 'the disk is gone' });
  await t.rejects(
    new Following(feed, { after: a.cursor }).live(),
    ofKind('unavailable'),
    'as long as it is so',
  );
  faults.subscribing = undefined;
  faults.heads = new StoreUnavailableError('it is away', 'refused');
  await t.rejects(new Following(feed).live(), { ...ofKind('unavailable'), message: 'it is away' });
  faults.heads = undefined;
  const again = new Following(feed, { after: a.cursor });
  await again.until(2);
  t.same([...a.ids, ...again.ids], idsOf([...first, ...second]));
});

t.test(
  'a store that comes back as another one ends who follow, before they are given anything of it',
  async (t) => {
    const { feed, add, faults } = await disturbedNode(t);
    await add('semaphore-a', 2);
    const follower = await new Following(feed).live();
    await add('semaphore-a', 1);
    await follower.until(3);
    faults.resumed = true;
    await add('semaphore-a', 1);
    await follower.until(4);
    t.equal(follower.taken.length, 4, 'one that is the same is gone on with');
    faults.holds = false;
    await add('semaphore-a', 1);
    await t.rejects(follower.until(5), { ...ofKind('refused'), message: /does not hold the event/ });
    t.equal(follower.taken.length, 4);
  },
);

t.test('what came before the tail is looked for as well', async (t) => {
  const { feed, add, faults } = await disturbedNode(t);
  await add('semaphore-a', 2);
  const follower = await new Following(feed).live();
  faults.resumed = true;
  faults.holds = false;
  await add('semaphore-a', 1);
  await t.rejects(follower.until(3), { ...ofKind('refused'), message: /does not hold the event/ });
  t.equal(follower.taken.length, 2);
});

t.test('the same for one that reads the store itself', async (t) => {
  const dir = testDirectory(t);
  const { faults, disturb } = disturbed();
  const node = await followedNode(t, dir, await sqliteStore(dir).open(), { disturb });
  await node.add('semaphore-a', 20);
  const follower = new Following(node.feed, { batchSize: 5 });
  await follower.until(5);
  faults.resumed = true;
  faults.holds = false;
  await t.rejects(follower.until(10), ofKind('refused'));
  t.equal(follower.taken.length, 5);
});

t.test('what is mended has no reason any more, also for who follows since before', async (t) => {
  const dir = testDirectory(t);
  const store = sqliteStore(dir);
  const raw = await store.open();
  const node = await followedNode(t, dir, raw);
  await node.add('semaphore-a', 1);
  await raw.append('semaphore-a', 'any', [propose({}, { type: 'Strange' })]);
  const follower = await new Following(node.feed).live();
  t.equal(follower.taken[1]?.problem === undefined, false);
  const last = follower.taken[1]?.event;
  if (last === undefined) throw new Error('it was given');
  await node.stop();

  const newer = {
    ...semaphore,
    events: { ...semaphore.events, Strange: { version: 1, fields: {} } },
  } as const;
  const updated = await followedNode(t, dir, await store.open(), { types: [newer, counter] });
  const returned = await new Following(updated.feed).live();
  t.same(
    returned.taken.map(({ problem }) => problem),
    [undefined, undefined],
    'by an update, in what is read anew',
  );
  await updated.runtime.projector('permits').redrive();
  await updated.add('semaphore-a', 1);
  const behind = new Following(updated.feed, { after: cursorBehind(last) });
  t.same((await behind.until(1))[0]?.problem, undefined);
  await returned.until(3);
  t.same(returned.taken[2]?.problem, undefined);
});

t.test(
  'what can not be read is told once the read models know of it, so that what is behind is known too',
  async (t) => {
    const dir = testDirectory(t);
    const raw = await sqliteStore(dir).open();
    let letPass: () => void = () => undefined;
    const passing = new Promise<void>((resolve) => {
      letPass = resolve;
    });
    let isOfReadModels = true;
    const store = delegating(raw, {
      subscribe: async function* (options) {
        const isHeld = isOfReadModels;
        for await (const batch of raw.subscribe(options)) {
          if (isHeld && batch.events.length > 0) await passing;
          yield batch;
        }
      },
    });
    const node = await followedNode(t, dir, store);
    await node.add('semaphore-a', 1);
    await raw.append('semaphore-a', 'any', [propose({}, { type: 'Strange' })]);
    // What subscribes from now on is the feed.
    isOfReadModels = false;
    const follower = new Following(node.feed);
    let isTold = false;
    const first = follower.next().then(() => {
      isTold = true;
    });
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    t.equal(isTold, false, 'not yet');
    letPass();
    await first;
    await raw.append('semaphore-a', 'any', [propose({ holder: 'x' }, { type: 'PermitAwaited' })]);
    await follower.until(3);
    t.same(
      follower.taken.map(({ problem }) => problem?.isBehind),
      [undefined, false, true],
    );
  },
);

t.test('what one read model can not take is a good event all the same', async (t) => {
  const dir = testDirectory(t);
  const node = await followedNode(t, dir, await sqliteStore(dir).open());
  node.runtime.db.exec(
    "CREATE TRIGGER refuses BEFORE INSERT ON permits BEGIN SELECT RAISE(ABORT, 'no'); END",
  );
  const follower = await new Following(node.feed).live();
  await node.add('semaphore-a', 2);
  await follower.until(2);
  await node.runtime.readYourWrites(['permits'], follower.taken[1]?.event.position);
  await node.add('semaphore-a', 1);
  await follower.until(3);
  t.same(
    follower.taken.map(({ problem }) => problem),
    [undefined, undefined, undefined],
  );
});

t.test('following ends with its signal and with the feed, and leaves nothing that reads', async (t) => {
  const dir = testDirectory(t);
  let open = 0;
  const disturb = (store: EventStore) =>
    delegating(store, {
      subscribe: async function* (options) {
        open += 1;
        try {
          yield* store.subscribe(options);
        } finally {
          open -= 1;
        }
      },
    });
  const node = await followedNode(t, dir, await sqliteStore(dir).open(), { disturb });
  await node.add('semaphore-a', 20);
  const followers = [1, 2, 3].map(() => new Following(node.feed, { batchSize: 5 }));
  const [leaves, waits, stays] = followers;
  if (leaves === undefined || waits === undefined || stays === undefined) throw new Error('there are three');
  await leaves.until(5);
  await leaves.leave();
  await waits.live();
  const waiting = waits.next();
  waits.leaving.abort();
  t.equal(await waiting, undefined, 'while it waits for news');
  await stays.live();
  t.equal(open, 1, 'the tail alone');
  const ends = stays.next();
  node.feed.close();
  t.equal(await ends, undefined);
  t.equal(await new Following(node.feed).next(), undefined, 'also who comes later');
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(open, 0);
});

t.test(
  'that a stream was deleted is told in its place, and what was in it stays with who has it',
  async (t) => {
    const dir = testDirectory(t);
    const server = await startNode(t);
    const node = await followedNode(t, dir, await openStore(t, server));
    const follower = await new Following(node.feed).live();
    await node.add('semaphore-a', 2);
    await node.add('semaphore-b', 1);
    await follower.until(3);
    server.log.delete('semaphore-a', 'any');
    await node.add('semaphore-b', 1);
    await follower.until(5);
    t.match(follower.taken[3]?.event, { stream: 'semaphore-a', type: '$cut-off' });
    t.match(follower.taken[3]?.problem, { reason: /semaphore-a is not whole: /, isBehind: false });
    t.equal(follower.taken[4]?.problem, undefined);
    const again = new Following(node.feed, { after: follower.cursor });
    await node.add('semaphore-b', 1);
    t.equal((await again.until(1))[0]?.event.revision, 2, 'who has gone on behind it is not told again');
  },
);
