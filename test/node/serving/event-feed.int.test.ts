/**
 * Following events: each once and in order over restarts of node and follower, what is read from the store for it, and what
 * a cursor is told that is not of this store. On the embedded store and on the protocol double of EventStoreDB.
 */

import t, { type Test } from 'tap';
import { cursorBehind } from '../../../src/node/serving/feed-cursor.js';
import { idOf } from '../../../src/runtime/event-store/event-store.js';
import { protocolNode, type RestorableStore, sqliteStore } from '../../runtime/support/restorable-stores.js';
import { idsOf, ofKind, propose } from '../../support/events.js';
import { testDirectory } from '../../support/test-directory.js';
import { Following, followedNode } from './followed-node.js';

const STORES: Readonly<Record<string, (t: Test, dir: string) => Promise<RestorableStore>>> = {
  'the embedded store': async (_t, dir) => sqliteStore(dir),
  EventStoreDB: (t) => protocolNode(t),
};

for (const [kind, storeOf] of Object.entries(STORES)) {
  await t.test(kind, async (t) => {
    t.test(
      'each event once and in order, from the past into what comes, whatever is asked for',
      async (t) => {
        const dir = testDirectory(t);
        const node = await followedNode(t, dir, await (await storeOf(t, dir)).open());
        const { feed, add } = node;
        const past = [
          ...(await add('semaphore-a', 3)),
          ...(await add('counter-1', 2)),
          ...(await add('semaphore-b', 2)),
        ];
        const followers = {
          all: new Following(feed),
          category: new Following(feed, { categories: ['counter'] }),
          stream: new Following(feed, { streams: ['semaphore-b'] }),
          type: new Following(feed, { types: ['Counted'], batchSize: 1 }),
          predicate: new Following(feed, { matches: ({ revision }) => revision === 0 }),
          nothing: new Following(feed, { types: ['None'] }),
        };
        for (const follower of Object.values(followers)) await follower.live();
        const all = [
          ...past,
          ...(await add('counter-1', 1)),
          ...(await add('semaphore-b', 1)),
          ...(await add('counter-2', 1)),
          ...(await add('semaphore-c', 1)),
        ];
        const expected = {
          all,
          category: all.filter(({ stream }) => stream.startsWith('counter-')),
          stream: all.filter(({ stream }) => stream === 'semaphore-b'),
          type: all.filter(({ type }) => type === 'Counted'),
          predicate: all.filter(({ revision }) => revision === 0),
        };
        for (const [name, events] of Object.entries(expected)) {
          const follower = followers[name as keyof typeof expected];
          await follower.until(events.length);
          t.same(follower.ids, idsOf(events), name);
          t.same(
            follower.taken.find(({ problem }) => problem !== undefined),
            undefined,
          );
        }
        t.same(followers.nothing.taken, []);
      },
    );

    await t.test('goes on exactly behind each cursor, over a restart of node and follower', async (t) => {
      const dir = testDirectory(t);
      const store = await storeOf(t, dir);
      const node = await followedNode(t, dir, await store.open());
      const cursors = new Map<string, number>([['', 0]]);
      const all = [...(await node.add('semaphore-a', 5))];
      const follower = new Following(node.feed, { categories: ['semaphore'], batchSize: 2 });
      while (follower.taken.length < 5) {
        await follower.next();
        cursors.set(follower.cursor, follower.taken.length);
      }
      await follower.live();
      all.push(...(await node.add('semaphore-b', 3)));
      await node.add('counter-1', 3);
      while (follower.taken.length < 8) {
        await follower.next();
        cursors.set(follower.cursor, follower.taken.length);
      }
      for (const [n, event] of all.entries()) cursors.set(cursorBehind(event), n + 1);
      const ofEvents = all.map(cursorBehind);
      t.same([...ofEvents].sort(), ofEvents, 'they sort as the events do');
      await node.stop();

      const again = await followedNode(t, dir, await store.open());
      all.push(...(await again.add('semaphore-b', 2)));
      for (const [after, given] of cursors) {
        const returned = new Following(again.feed, { after, categories: ['semaphore'], batchSize: 3 });
        await returned.until(all.length - given);
        t.same(returned.ids, idsOf(all.slice(given)), `behind ${given}`);
        await returned.leave();
      }
    });

    await t.test('who is live reads nothing by itself: one reading of the store serves all', async (t) => {
      const dir = testDirectory(t);
      const node = await followedNode(t, dir, await (await storeOf(t, dir)).open());
      const { feed, reads, add } = node;
      await add('semaphore-a', 50);
      const after = await node.runtime.store.head();
      const followers = Array.from(
        { length: 20 },
        (_, n) => new Following(feed, { after, matches: ({ stream }) => Number(idOf(stream)) % 20 === n }),
      );
      for (const follower of followers) await follower.live();
      for (let n = 0; n < 200; n++) await add(`semaphore-${n}`, 1);
      await Promise.all(followers.map((follower) => follower.until(10)));
      for (const [n, { taken }] of followers.entries())
        t.same(
          taken.map(({ event }) => Number(idOf(event.stream)) % 20),
          Array(10).fill(n),
        );
      t.same(reads, { subscriptions: 1, events: 200, looks: 0 });
      await Promise.all(followers.map((follower) => follower.leave()));
    });

    await t.test(
      'a slow follower slows nobody, is kept nothing for, and reads on from the store',
      async (t) => {
        const dir = testDirectory(t);
        const node = await followedNode(t, dir, await (await storeOf(t, dir)).open(), { bound: 16 });
        const { feed, reads, add } = node;
        const slow = await new Following(feed, { batchSize: 8 }).live();
        const quick = await new Following(feed, { batchSize: 8 }).live();
        const before = reads.subscriptions;
        const all: string[] = [];
        for (let n = 0; n < 40; n++) {
          all.push(...idsOf(await add('semaphore-a', 8)));
          await quick.until(all.length);
        }
        t.same(quick.ids, all);
        t.match(reads, { subscriptions: before, events: 320 }, 'each was read once, by the tail');
        await slow.until(320);
        t.same(slow.ids, all);
        const { subscriptions, events } = reads;
        t.equal(subscriptions, before + 1);
        t.ok(
          events >= 320 + 304,
          `but the newest 16 at the most it has read from the store itself: ${events - 320}`,
        );
        all.push(...idsOf(await add('semaphore-a', 8)));
        await slow.until(328);
        t.same(slow.ids, all);
        t.equal(reads.subscriptions, subscriptions, 'and is live again');
      },
    );

    await t.test('a cursor of another store, of a newer copy or of the future is refused', async (t) => {
      const dir = testDirectory(t);
      const store = await storeOf(t, dir);
      const node = await followedNode(t, dir, await store.open());
      const [kept, lost] = await node.add('semaphore-a', 2);
      if (kept === undefined || lost === undefined) throw new Error('two were added');
      await node.stop();
      await store.restore(1);
      const again = await followedNode(t, dir, await store.open());
      const refused = (after: string) => new Following(again.feed, { after, field: 'cursor' }).next();
      await t.rejects(refused(lost.position), {
        ...ofKind('refused'),
        message:
          /^this cursor is none to go on from: .* is ahead of all .* begin anew, from what is shown now/,
      });
      await again.add('semaphore-a', 3);
      await t.rejects(refused(cursorBehind(lost)), {
        ...ofKind('refused'),
        message: /does not hold the event at .* another store, or this one was restored/,
      });
      await t.rejects(
        refused('00000000000000000000000000000001'.slice(kept.position.length === 32 ? 16 : 0)),
        {
          ...ofKind('refused'),
          message: /is no position of the event store of this node/,
        },
      );
      for (const nothing of ['x', 'after-1', `${kept.position}.AAAA`, 'f'.repeat(10_000)])
        await t.rejects(refused(nothing), { ...ofKind('invalid'), message: /^cursor: must be a cursor/ });
      await t.rejects(refused(`${cursorBehind(kept)}x`), 'nor one that was tampered with');
      await t.rejects(new Following(again.feed, { categories: ['other'] }).next(), {
        ...ofKind('invalid'),
        message: 'there is no category "other" to follow; there are semaphore, counter',
      });
      t.equal((await new Following(again.feed, { after: cursorBehind(kept) }).until(3)).length, 3);
    });

    t.test(
      'what can not be read comes in its place with the reason, and so does what is behind it',
      async (t) => {
        const dir = testDirectory(t);
        const store = await storeOf(t, dir);
        const raw = await store.open();
        const node = await followedNode(t, dir, raw);
        const follower = await new Following(node.feed).live();
        await node.add('semaphore-a', 1);
        await raw.append('semaphore-a', 'any', [propose({}, { type: 'Strange' })]);
        const behind = await raw.append('semaphore-a', 'any', [
          propose({ holder: 'x' }, { type: 'PermitAwaited' }),
        ]);
        await node.add('semaphore-b', 1);
        const problems = (taken: typeof follower.taken) =>
          taken.map(({ problem }) => problem?.reason.includes('Strange') ?? false);
        t.same(problems([...(await follower.until(4))]), [false, true, true, false]);
        t.match(
          follower.taken[1]?.problem?.reason,
          /event semaphore\/Strange at revision 1 of semaphore-a .* can't be read/,
        );
        await node.stop();

        const again = await followedNode(t, dir, await store.open());
        const place = follower.taken[1]?.event;
        if (place === undefined) throw new Error('it was given');
        const returned = new Following(again.feed, { after: cursorBehind(place) });
        t.same(problems([...(await returned.until(2))]), [true, false], 'known to who begins behind it');
        t.equal(returned.taken[0]?.event.position, behind.position);
        t.same(
          follower.taken.map(({ problem }) => problem?.isBehind),
          [undefined, false, true, undefined],
        );
        const narrow = new Following(again.feed, { types: ['PermitReleased'], matches: () => false });
        t.same(
          (await narrow.until(1))[0]?.event.position,
          place.position,
          'told to all who asked for the stream',
        );
        await t.rejects(new Following(again.feed, { streams: ['other-1'] }).next(), ofKind('invalid'));
        const elsewhere = await new Following(again.feed, { streams: ['semaphore-b'] }).live();
        t.equal(elsewhere.taken.length, 1);
      },
    );
  });
}
