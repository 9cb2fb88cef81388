/** The contract of `subscribe`: every event once and in order, also where catching up meets live; and how it ends. */

import type { Test } from 'tap';
import {
  type EventStore,
  type Position,
  type RecordedEvent,
  START,
} from '../../src/runtime/event-store/event-store.js';
import {
  collect,
  follow,
  freshCategory,
  freshStream,
  idsOf,
  propose,
  proposeMany,
  valuesOf,
} from '../support/events.js';
import { until } from '../support/until.js';
import type { OpenStore } from './opened-store.js';

export async function subscriptionContract(t: Test, open: OpenStore): Promise<void> {
  await t.test('from the start: what is there, then what comes', async (t) => {
    const { store } = await open(t);
    const category = freshCategory();
    const stream = freshStream(category);
    const past = await store.append(stream, 'noStream', proposeMany(3));
    const subscription = store.subscribe({ after: START, categories: [category] })[Symbol.asyncIterator]();
    const seen: RecordedEvent[] = [];
    const readUpTo = async (position: Position) => {
      for (let checkpoint = START; checkpoint < position; ) {
        const { value, done } = await subscription.next();
        if (done === true) throw new Error('the subscription ended by itself');
        seen.push(...value.events);
        checkpoint = value.checkpoint;
      }
    };
    await readUpTo(past.position);
    t.strictSame(seen, past.events);
    const live = await store.append(stream, 2, proposeMany(2, 3));
    await readUpTo(live.position);
    t.strictSame(seen, [...past.events, ...live.events]);
    await subscription.return?.();
  });

  await t.test('from the middle: strictly after the position', async (t) => {
    const { store } = await open(t);
    const category = freshCategory();
    const { events } = await store.append(freshStream(category), 'noStream', proposeMany(10));
    const after = events[5]?.position ?? START;
    const given = await follow(store.subscribe({ after, categories: [category] }), 4);
    t.strictSame(given.events, events.slice(6));
  });

  await t.test('no gap and no duplicate for subscribers that begin while writers write', async (t) => {
    const { store } = await open(t);
    const category = freshCategory();
    const before = await store.head();
    const last = propose();
    const subscribers: Promise<{ after: Position; events: RecordedEvent[] }>[] = [];
    const begin = async (after: Position, batchSize: number) => {
      const subscription = store.subscribe({ after, categories: [category], batchSize });
      const { events } = await follow(subscription, (batch) => idsOf(batch.events).includes(last.id));
      return { after, events };
    };
    subscribers.push(begin(before, 7));
    let appends = 0;
    const writers = Array.from({ length: 8 }, async () => {
      const stream = freshStream(category);
      for (let n = 0; n < 60; n += 2) {
        const { position } = await store.append(stream, n === 0 ? 'noStream' : n - 1, proposeMany(2, n));
        if (++appends % 20 === 0) subscribers.push(begin(before, 16), begin(position, 512));
      }
    });
    await Promise.all(writers);
    await store.append(freshStream(category), 'noStream', [last]);

    const all = await collect(store.readAll({ after: before, categories: [category] }));
    t.equal(all.length, 8 * 60 + 1);
    t.equal(subscribers.length, 25);
    for (const { after, events } of await Promise.all(subscribers)) {
      const expected = all.filter(({ position }) => position > after);
      t.strictSame(idsOf(events), idsOf(expected), `${expected.length} events, each once and in order`);
    }
  });

  await t.test('batches are no larger than asked for', async (t) => {
    const { store } = await open(t);
    const category = freshCategory();
    await store.append(freshStream(category), 'noStream', proposeMany(50));
    const { batches, events } = await follow(store.subscribe({ categories: [category], batchSize: 8 }), 50);
    t.ok(batches.every((batch) => batch.events.length <= 8));
    t.strictSame(
      valuesOf(events),
      Array.from({ length: 50 }, (_, i) => i),
    );
  });

  await t.test('checkpoints move while nothing matches, behind the reader and live', async (t) => {
    const { store } = await open(t);
    const category = freshCategory();
    const other = freshStream();
    const before = await store.head();
    for (let i = 0; i < 6; i++) await store.append(other, 'any', proposeMany(500));
    const subscription = store.subscribe({ after: before, categories: [category] });
    let checkpoint = before;
    let caughtUp = false;
    const reading = follow(subscription, (batch) => {
      t.ok(batch.checkpoint >= checkpoint, 'never backwards');
      ({ checkpoint, caughtUp } = batch);
      return batch.events.length > 0;
    });
    await until('it has caught up', () => caughtUp);
    t.ok(checkpoint > before, 'past events that do not match');
    // A store may tell of them now and then only, but not of none among so many.
    const live = await store.append(other, 'any', proposeMany(500));
    const first = live.events[0]?.position ?? START;
    await until('the checkpoint has passed the first of the live events', () => checkpoint >= first);
    const { events, position } = await store.append(freshStream(category), 'noStream', proposeMany(1));
    t.strictSame((await reading).events, events);
    t.ok(checkpoint >= position);
  });

  await t.test('only the categories asked for, live too, even where one name begins another', async (t) => {
    const { store } = await open(t);
    const category = freshCategory();
    const before = await store.head();
    const subscription = store.subscribe({ after: before, categories: [category, `${category}_2`] });
    let caughtUp = false;
    const last = propose({ n: 4 });
    const reading = follow(subscription, (batch) => {
      caughtUp ||= batch.caughtUp;
      return idsOf(batch.events).includes(last.id);
    });
    await until('it is live', () => caughtUp);
    const names = [`${category}x`, category, `${category}_22`, `${category}_2`];
    for (const [n, name] of names.entries()) await store.append(`${name}-1`, 'noStream', proposeMany(1, n));
    await store.append(`${category}-2`, 'noStream', [last]);
    t.strictSame(valuesOf((await reading).events), [1, 3, 4]);
  });

  await t.test('each checkpoint is a place to resume at', async (t) => {
    const { store, reopen } = await open(t);
    const category = freshCategory();
    const [stream, other] = [freshStream(category), freshStream()];
    for (let n = 0; n < 20; n++) {
      await store.append(stream, 'any', proposeMany(1, n));
      await store.append(other, 'any', proposeMany(2));
    }
    const { batches } = await follow(store.subscribe({ categories: [category], batchSize: 3 }), 20);
    const reopened = await reopen();
    await reopened.append(stream, 'any', proposeMany(1, 20));
    let given = 0;
    for (const { events, checkpoint } of batches) {
      given += events.length;
      const rest = await follow(
        reopened.subscribe({ after: checkpoint, categories: [category] }),
        21 - given,
      );
      t.strictSame(
        valuesOf(rest.events),
        Array.from({ length: 21 - given }, (_, i) => given + i),
      );
    }
  });

  await t.test('says when it has caught up, also where there is nothing to give', async (t) => {
    const { store } = await open(t);
    const category = freshCategory();
    const nothing = await follow(store.subscribe({ categories: [category] }), ({ caughtUp }) => caughtUp);
    t.strictSame(nothing.events, []);
    await store.append(freshStream(category), 'noStream', proposeMany(20));
    const some = await follow(
      store.subscribe({ categories: [category], batchSize: 6 }),
      ({ caughtUp }) => caughtUp,
    );
    t.equal(some.events.length, 20, 'not before the last event');
    const after = await store.head();
    const atEnd = await follow(
      store.subscribe({ after, categories: [category] }),
      ({ caughtUp }) => caughtUp,
    );
    t.strictSame(atEnd.events, []);
  });

  await t.test('many subscribers each get everything', async (t) => {
    const { store } = await open(t);
    const category = freshCategory();
    const stream = freshStream(category);
    const before = await store.head();
    const subscribers = Array.from({ length: 40 }, () =>
      follow(store.subscribe({ after: before, categories: [category] }), 30),
    );
    for (let n = 0; n < 30; n++) await store.append(stream, 'any', proposeMany(1, n));
    for (const { events } of await Promise.all(subscribers)) {
      t.strictSame(
        valuesOf(events),
        Array.from({ length: 30 }, (_, i) => i),
      );
    }
  });

  await t.test('a reader that pauses slows nobody and misses nothing', async (t) => {
    const { store } = await open(t);
    const category = freshCategory();
    const stream = freshStream(category);
    await store.append(stream, 'noStream', proposeMany(1));
    const slow = store.subscribe({ categories: [category] })[Symbol.asyncIterator]();
    const first = await slow.next();
    const seen = first.done === true ? [] : [...first.value.events];
    for (let n = 1; n <= 6_000; n += 500) await store.append(stream, 'any', proposeMany(500, n));
    while (seen.length < 6_001) {
      const { value, done } = await slow.next();
      if (done === true) break;
      seen.push(...value.events);
    }
    await slow.return?.();
    t.strictSame(
      valuesOf(seen),
      Array.from({ length: 6_001 }, (_, i) => i),
    );
  });

  await t.test('an abort ends it without an error', async (t) => {
    const { store } = await open(t);
    const category = freshCategory();
    const abort = new AbortController();
    let caughtUp = false;
    const ended = follow(store.subscribe({ categories: [category], signal: abort.signal }), (batch) => {
      caughtUp = batch.caughtUp;
      return false;
    });
    await until('it waits for events', () => caughtUp);
    abort.abort();
    t.strictSame((await ended).events, []);
    const aborted = await collect(store.subscribe({ categories: [category], signal: AbortSignal.abort() }));
    t.strictSame(aborted, [], 'and when it came first, nothing is given at all');
  });

  await t.test('an abort while there is more to give ends it as well', async (t) => {
    const { store } = await open(t);
    const category = freshCategory();
    await store.append(freshStream(category), 'noStream', proposeMany(100));
    const abort = new AbortController();
    const subscription = store.subscribe({ categories: [category], signal: abort.signal, batchSize: 5 });
    const { events } = await follow(subscription, ({ events }) => {
      if (events.length > 0) abort.abort();
      return false;
    });
    t.ok(events.length < 100, `${events.length} of 100 were given`);
  });

  await t.test('closing the store ends all subscriptions without an error', async (t) => {
    const { store } = await open(t);
    const category = freshCategory();
    const waiting = waitingSubscribers(store, category, 3);
    await until('all wait for events', () => waiting.caughtUp() === 3);
    await store.close();
    for (const ended of await Promise.all(waiting.ended)) t.strictSame(ended.events, []);
  });
}

function waitingSubscribers(store: EventStore, category: string, count: number) {
  let caughtUp = 0;
  const ended = Array.from({ length: count }, () =>
    follow(store.subscribe({ categories: [category] }), (batch) => {
      if (batch.caughtUp) caughtUp++;
      return false;
    }),
  );
  return { ended, caughtUp: () => caughtUp };
}
