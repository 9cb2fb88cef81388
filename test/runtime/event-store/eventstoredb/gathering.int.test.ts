/** A subscription of EventStoreDB gathers what comes one by one: readers pay for a batch, not for each event. */

import t, { type Test } from 'tap';
import type { SubscriptionBatch } from '../../../../src/runtime/event-store/event-store.js';
import { collect, freshCategory, proposeMany, valuesOf } from '../../../support/events.js';
import { openStore, startNode } from '../../../support/eventstoredb-stores.js';
import { ManualClock } from '../../../support/manual-clock.js';
import { until } from '../../../support/until.js';

const BATCH_SIZE = 16;
/** Longer than events are gathered, shorter than anything else waits. */
const GATHERED_MS = 10;

/** A subscription that has just given a batch, at a clock that stands still since. */
async function startFollowing(t: Test) {
  const node = await startNode(t);
  // Deadlines of calls follow from it, so it begins in the present.
  const clock = new ManualClock(Date.now());
  const store = await openStore(t, node, { clock, deadlineMs: 60_000 });
  const category = freshCategory();
  const batches: SubscriptionBatch[] = [];
  const abort = new AbortController();
  const ended = (async () => {
    const options = { categories: [category], batchSize: BATCH_SIZE, signal: abort.signal };
    for await (const batch of store.subscribe(options)) batches.push(batch);
  })();
  t.teardown(async () => {
    abort.abort();
    await ended;
  });
  await until('it has caught up with nothing', () => batches.length === 1);
  batches.length = 0;

  const stream = `${category}-1`;
  const write = async (count: number) => {
    for (const [index, event] of proposeMany(count).entries())
      await store.append(stream, index === 0 ? 'noStream' : index - 1, [event]);
    // On the same connection: by the time it is answered, what the subscription gives has come as well.
    await collect(store.readStream(stream));
  };
  return { clock, batches, write, abort, ended };
}

t.test('events that come soon after a batch are given together', async (t) => {
  const { clock, batches, write } = await startFollowing(t);
  await write(7);
  t.strictSame(batches, []);
  clock.advance(GATHERED_MS);
  await until('they are given', () => batches.length > 0);
  t.strictSame(
    batches.map(({ events }) => valuesOf(events)),
    [[0, 1, 2, 3, 4, 5, 6]],
  );
  t.equal(batches[0]?.caughtUp, true);
});

t.test('a full batch does not wait, and the rest of it does', async (t) => {
  const { clock, batches, write } = await startFollowing(t);
  await write(BATCH_SIZE + 2);
  await until('the full one is given', () => batches.length > 0);
  t.equal(batches[0]?.events.length, BATCH_SIZE);
  t.equal(batches.length, 1);
  clock.advance(GATHERED_MS);
  await until('the rest is given', () => batches.length > 1);
  t.strictSame(valuesOf(batches[1]?.events ?? []), [BATCH_SIZE, BATCH_SIZE + 1]);
});

t.test('after a while without any, the first event does not wait', async (t) => {
  const { clock, batches, write } = await startFollowing(t);
  clock.advance(GATHERED_MS);
  await write(1);
  await until('it is given', () => batches.length > 0);
  t.strictSame(valuesOf(batches[0]?.events ?? []), [0]);
});

t.test('the end of a subscription does not wait', async (t) => {
  const { clock, batches, write, abort, ended } = await startFollowing(t);
  await write(1);
  const before = clock.now();
  abort.abort();
  await ended;
  t.equal(clock.now(), before);
  t.strictSame(batches, [], 'and gives nothing more');
});
