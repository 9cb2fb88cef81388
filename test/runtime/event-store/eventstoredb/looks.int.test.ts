/** Subscriptions of EventStoreDB look beside what they are given for how far they are, and burden the server little with it. */

import t from 'tap';
import { START } from '../../../../src/runtime/event-store/event-store.js';
import { collect, freshCategory, freshStream, proposeMany, valuesOf } from '../../../support/events.js';
import { openStore, recordLog, SHORT_DEADLINE_MS, startNode } from '../../../support/eventstoredb-stores.js';
import { ManualClock } from '../../../support/manual-clock.js';
import { until } from '../../../support/until.js';
import { followAll } from './following.js';

t.test('there is one look at a time, and one that takes too long ends no subscription', async (t) => {
  const node = await startNode(t);
  const log = recordLog();
  const store = await openStore(t, node, { logger: log.logger, deadlineMs: SHORT_DEADLINE_MS });
  const category = freshCategory();
  const following = followAll(t, store, category);
  await until('it has caught up', () => following.batches.at(-1)?.caughtUp === true);
  const { faults } = node;
  faults.searchMs = 60_000;
  const before = faults.searches;
  let newest = START;
  await until('some looks were in vain', async () => {
    ({ position: newest } = await store.append(freshStream(), 'noStream', proposeMany(1)));
    return faults.searches >= before + 4;
  });
  t.equal(faults.mostSearches, 1);
  await store.append(`${category}-1`, 'noStream', proposeMany(1));
  await until('it still gives events', () => following.events.length === 1);
  faults.searchMs = 0;
  await until('it is told how far it is', () => (following.batches.at(-1)?.checkpoint ?? START) >= newest);
  t.notOk(log.lines.some((line) => line.includes('interrupted')));
});

t.test('while what was stored before is still coming, looks are few', async (t) => {
  const node = await startNode(t);
  const clock = new ManualClock(Date.now());
  const store = await openStore(t, node, { clock, deadlineMs: 60_000 });
  const writer = await openStore(t, node);
  const category = freshCategory();
  const { events } = await writer.append(`${category}-1`, 'noStream', proposeMany(2));
  node.faults.holdSubscriptions(BigInt(`0x${events[0]?.position.slice(0, 16)}`));
  const { calls } = node;
  const following = followAll(t, store, category);
  // It reads where the log ends, and subscribes.
  await until('it has begun', () => node.calls === calls + 2);

  const searchedAfter = async (count: number) => {
    const startedAt = clock.now();
    await until('it has looked', async () => {
      clock.advance(5);
      // On the same connection: by the time it is answered, what was asked before has come as well.
      await collect(store.readStream(`${category}-1`));
      return node.faults.searches === count;
    });
    return clock.now() - startedAt;
  };
  t.ok((await searchedAfter(1)) >= 50, 'it is given some time');
  t.ok((await searchedAfter(2)) >= 100, 'then more');
  t.ok((await searchedAfter(3)) >= 200, 'and more');
  node.faults.releaseSubscriptions();
  await until('all is there', () => {
    clock.advance(10);
    return following.events.length === 2;
  });
  t.strictSame(valuesOf(following.events), [0, 1]);
});

t.test('while others write all the time and nothing of that matches, looks are few', async (t) => {
  const node = await startNode(t);
  const clock = new ManualClock(Date.now());
  const store = await openStore(t, node, { clock, deadlineMs: 600_000 });
  const category = freshCategory();
  const following = followAll(t, store, category);
  await until('it has caught up', () => following.batches.at(-1)?.caughtUp === true);
  const reached = () => following.batches.at(-1)?.checkpoint ?? START;
  /** Somebody writes once in so many milliseconds. */
  const writeFor = async (timeMs: number) => {
    for (let passedMs = 0; passedMs < timeMs; passedMs += 10) {
      await store.append(freshStream(), 'any', proposeMany(1));
      clock.advance(10);
      // On the same connection: by the time it is answered, a look of before is as well.
      await store.head();
    }
  };
  const settled = async () => {
    const newest = await store.head();
    await until('it is told how far it is', () => {
      clock.advance(10);
      return reached() >= newest;
    });
  };
  const before = node.faults.searches;
  await writeFor(2_000);
  const looks = node.faults.searches - before;
  t.ok(looks >= 4 && looks <= 10, `${looks} looks in two seconds`);
  await settled();

  clock.advance(1_000);
  const at = clock.now();
  await store.append(freshStream(), 'any', proposeMany(1));
  await settled();
  t.ok(clock.now() - at < 100, 'after a while in which nobody has written, it looks soon');
});
