/** One reading of the store for many readers: what each gets is what the store would have given it, and it is read once. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { systemClock } from '../../../src/base/clock.js';
import { openDatabase } from '../../../src/base/sqlite.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import type {
  EventStore,
  RecordedEvent,
  SubscribeOptions,
  SubscriptionBatch,
} from '../../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { Projector } from '../../../src/runtime/read-models/projector.js';
import { sharedReading } from '../../../src/runtime/readers/shared-reading.js';
import type { OpenStore } from '../../contract/opened-store.js';
import { onNode } from '../../support/eventstoredb-stores.js';
import { logLines } from '../../support/log-lines.js';
import { until } from '../../support/until.js';
import { appendTo, rowsOf, talliesProjection } from '../support/tallies.js';

const onFile: OpenStore = async (t) => {
  const file = join(t.testdir(), 'owl.db');
  let store = openSqliteEventStore(file);
  t.teardown(() => store.close());
  return {
    store,
    reopen: async () => {
      await store.close();
      store = openSqliteEventStore(file);
      return store;
    },
  };
};
const STORES: Readonly<Record<string, OpenStore>> = {
  SQLite: onFile,
  EventStoreDB: onNode(() => ({})),
};

interface Counted {
  readonly store: EventStore;
  subscriptions: number;
  live: number;
  /** Events that were given, to whichever subscription. */
  given: number;
}

function counting(store: EventStore): Counted {
  const counted: Counted = {
    ...{ subscriptions: 0, live: 0, given: 0 },
    store: delegating(store, {
      subscribe: async function* (options) {
        counted.subscriptions += 1;
        counted.live += 1;
        try {
          for await (const batch of store.subscribe(options)) {
            counted.given += batch.events.length;
            yield batch;
          }
        } finally {
          counted.live -= 1;
        }
      },
    }),
  };
  return counted;
}

/** Reads until the test ends. */
function reading(t: Test, store: EventStore, options: SubscribeOptions, pause?: () => Promise<void>) {
  const ending = new AbortController();
  const batches: SubscriptionBatch[] = [];
  const events: RecordedEvent[] = [];
  const done = (async () => {
    for await (const batch of store.subscribe({ ...options, signal: ending.signal })) {
      batches.push(batch);
      events.push(...batch.events);
      await pause?.();
    }
  })();
  const stop = async () => {
    ending.abort();
    await done;
  };
  t.teardown(() => stop().catch(() => undefined));
  return { batches, events, stop, done };
}

const revisions = (events: readonly RecordedEvent[]) =>
  events.map(({ stream, revision }) => `${stream}@${revision}`);

for (const [name, open] of Object.entries(STORES)) {
  t.test(`${name}: an event of ten read models is read once`, async (t) => {
    const { store } = await open(t);
    const db = openDatabase(':memory:');
    t.teardown(() => db.close());
    const { logger } = logLines();
    const counted = counting(store);
    const shared = sharedReading(counted.store, ['tally']);
    const projection = talliesProjection();
    const ten = Array.from({ length: 10 }, (_, i) => {
      const each = { ...projection, name: `tallies${i}`, table: `tallies${i}`, indexes: [] };
      return new Projector({ store: shared, db, projection: each, clock: systemClock, logger });
    });
    t.teardown(() => Promise.all(ten.map((one) => one.stop())));
    await appendTo(store, 'tally-a', [1]);
    for (const one of ten) await one.start();
    await Promise.all(ten.map(async (one) => one.caughtUpTo(await store.head())));
    await until('all have joined', () => counted.live === 1);
    counted.given = 0;
    for (let i = 0; i < 20; i++) await appendTo(store, `tally-${i % 3}`, [i]);
    const head = await store.head();
    await Promise.all(ten.map((one) => one.caughtUpTo(head)));
    t.equal(counted.given, 20, 'and not 200 times');
    t.equal(counted.live, 1);
    for (let i = 1; i < 10; i++) t.same(rowsOf(db, `tallies${i}`), rowsOf(db, 'tallies0'));

    await ten[4]?.rebuild();
    await appendTo(store, 'tally-a', [7]);
    await ten[4]?.caughtUpTo(await store.head());
    t.same(rowsOf(db, 'tallies4'), rowsOf(db, 'tallies3'));
    await until('who rebuilt has joined again', () => counted.live === 1);
    for (const one of ten) await one.stop();
    await until('without readers nothing is read', () => counted.live === 0);
  });

  t.test(`${name}: who is slow holds up nobody, is left out, and misses nothing`, async (t) => {
    const { store } = await open(t);
    const shared = sharedReading(store, ['tally', 'other']);
    let goOn: () => void = () => undefined;
    let held: Promise<void> = Promise.resolve();
    const slow = reading(t, shared, { categories: ['tally'] }, () => held);
    const quick = reading(t, shared, { categories: ['other', 'tally'] });
    await until('both are there', () => slow.batches.length > 0 && quick.batches.length > 0);
    held = new Promise((resolve) => {
      goOn = resolve;
    });
    const expected: RecordedEvent[] = [];
    for (let i = 0; i < 40; i++) {
      const { events } = await appendTo(store, `${i % 2 ? 'other' : 'tally'}-a`, [i]);
      expected.push(...events);
      await until('the quick one has it', () => quick.events.length === i + 1);
    }
    t.ok(slow.events.length <= 1);
    goOn();
    await until('the slow one has all of its own', () => slow.events.length === 20);
    await appendTo(store, 'tally-a', [1]);
    await until('and goes on', () => slow.events.length === 21);
    t.same(revisions(quick.events.slice(0, 40)), revisions(expected));
    t.same(
      revisions(slow.events.slice(0, 20)),
      revisions(expected.filter(({ stream }) => stream === 'tally-a')),
    );
  });
}

t.test('who keeps many bytes behind it is left out as well, who is in step never', async (t) => {
  const { store } = await onFile(t);
  const counted = counting(store);
  const shared = sharedReading(counted.store, ['tally'], 1);
  let goOn: () => void = () => undefined;
  let held: Promise<void> = Promise.resolve();
  const slow = reading(t, shared, { categories: ['tally'] }, () => held);
  const quick = reading(t, shared, { categories: ['tally'] });
  await until('both are at the end', () => counted.live === 1);
  const { subscriptions } = counted;
  const append = async (n: number) => {
    await appendTo(store, 'tally-a', [n]);
    await until('the quick one has it', () => quick.events.length === n);
  };
  await append(1);
  await until('both have it', () => slow.events.length === 1);
  t.equal(counted.subscriptions, subscriptions, 'one batch may be as large as it is');
  held = new Promise((resolve) => {
    goOn = resolve;
  });
  for (let n = 2; n <= 5; n++) await append(n);
  t.equal(counted.subscriptions, subscriptions);
  goOn();
  await until('the slow one has all', () => slow.events.length === 5);
  t.equal(counted.subscriptions, subscriptions + 1, 'out of a subscription of its own');
  t.same(revisions(slow.events), revisions(quick.events));
});

t.test('readers that come, go and are slow by chance get each event of theirs once, in order', async (t) => {
  const { store } = await onFile(t);
  const shared = sharedReading(store, ['a', 'b', 'c']);
  let turn = 0;
  const byChance = async () => {
    // A different number of turns each time, without a clock.
    for (let i = (turn++ * 7) % 23; i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
  };
  const kinds = [['a'], ['b', 'c'], ['a', 'b', 'c'], ['c']];
  const readers = kinds.flatMap((categories) => [
    { categories, ...reading(t, shared, { categories }, byChance) },
    { categories, ...reading(t, shared, { categories }) },
  ]);
  const all: RecordedEvent[] = [];
  for (let i = 0; i < 120; i++) {
    const stream = `${'abc'[i % 3]}-${i % 5}`;
    all.push(...(await appendTo(store, stream, i % 4 === 0 ? [1, 2, 3] : [1])).events);
    if (i % 20 === 0)
      readers.push({ categories: ['a', 'b', 'c'], ...reading(t, shared, { categories: ['a', 'b', 'c'] }) });
    if (i === 60) await readers[1]?.stop();
  }
  for (const [i, { categories, events }] of readers.entries()) {
    const expected = all.filter(({ stream }) => categories.includes(stream[0] ?? ''));
    if (i === 1) {
      t.same(revisions(events), revisions(expected.slice(0, events.length)));
      continue;
    }
    await until(`reader ${i} has all`, () => events.length >= expected.length);
    t.same(revisions(events), revisions(expected));
  }
});

t.test('an interruption is told to everyone, and a failure ends the reading of all', async (t) => {
  const { store } = await onFile(t);
  let give: (batch: SubscriptionBatch | Error) => void = () => undefined;
  let subscriptions = 0;
  const disturbed = delegating(store, {
    subscribe: async function* (options) {
      subscriptions += 1;
      const isCommon = options?.categories?.length === 2;
      if (!isCommon) {
        yield* store.subscribe(options);
        return;
      }
      for (;;) {
        const next = await new Promise<SubscriptionBatch | Error>((resolve) => {
          give = resolve;
          options?.signal?.addEventListener('abort', () => resolve(new Error('over')));
        });
        if (next instanceof Error) throw next;
        yield next;
      }
    },
  });
  const shared = sharedReading(disturbed, ['a', 'b']);
  const first = reading(t, shared, { categories: ['a'] });
  const second = reading(t, shared, { categories: ['b'] });
  await until('both wait at the end', () => first.batches.length === 1 && second.batches.length === 1);
  await until('one reads for both', () => subscriptions === 3);
  give({ events: [], checkpoint: '', caughtUp: false, resumed: true });
  await until('both heard', () => first.batches.length === 2 && second.batches.length === 2);
  t.match(first.batches[1], { resumed: true });
  t.match(second.batches[1], { resumed: true });
  const ends = [t.rejects(first.done, /away/), t.rejects(second.done, /away/)];
  give(new Error('the store is away'));
  await Promise.all(ends);
});
