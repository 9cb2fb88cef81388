/** The contract of event stores on SQLite, and what SQLite's store guarantees beyond it. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openDatabase } from '../../../../src/base/sqlite.js';
import { DUPLICATE_WINDOW } from '../../../../src/runtime/event-store/sqlite/sqlite-event-log.js';
import {
  openSqliteEventStore,
  type SqliteEventStoreOptions,
} from '../../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { eventStoreContract } from '../../../contract/event-store.js';
import {
  collect,
  freshCategory,
  freshStream,
  idsOf,
  ofKind,
  propose,
  proposeMany,
  valuesOf,
} from '../../../support/events.js';

function openAt(t: Test, path: string, options?: SqliteEventStoreOptions) {
  const store = openSqliteEventStore(path, options);
  t.teardown(() => store.close());
  return store;
}

function freshPath(t: Test): string {
  return join(t.testdir(), 'owl.db');
}

await eventStoreContract(t, 'SQLite', async (t) => {
  const path = freshPath(t);
  const store = openAt(t, path);
  return {
    store,
    async reopen() {
      await store.close();
      return openAt(t, path);
    },
  };
});

await t.test('group commit', async (t) => {
  await t.test('appends of one turn share a few transactions', async (t) => {
    const store = openAt(t, freshPath(t));
    await Promise.all(
      Array.from({ length: 200 }, () => store.append(freshStream(), 'noStream', proposeMany(2))),
    );
    t.strictSame(store.stats, { groups: 4, events: 400, duplicates: 0, conflicts: 0 });
    await store.append(freshStream(), 'noStream', [propose()]);
    t.equal(store.stats.groups, 5, 'and a later turn makes another');
  });

  await t.test('a group is bounded, and a larger append has one of its own', async (t) => {
    const store = openAt(t, freshPath(t), { eventsPerGroup: 10 });
    const sizes = [4, 4, 4, 25, 10, 1];
    const results = await Promise.all(
      sizes.map((size) => store.append(freshStream(), 'noStream', proposeMany(size))),
    );
    t.strictSame(
      results.map(({ revision }) => revision + 1),
      sizes,
    );
    t.equal(store.stats.groups, 5, '4+4, 4, 25, 10, 1');
  });

  await t.test('appends to one stream in one group see each other in order', async (t) => {
    const store = openAt(t, freshPath(t));
    const stream = freshStream();
    const [a, b, c] = [propose(), propose(), propose()];
    const outcomes = await Promise.allSettled([
      store.append(stream, 'noStream', [a]),
      store.append(stream, 0, [b]),
      store.append(stream, 0, [c]),
      store.append(stream, 0, [b]),
      store.append(stream, 'streamExists', [c]),
    ]);
    t.strictSame(
      outcomes.map((outcome) =>
        outcome.status === 'fulfilled' ? outcome.value.revision : outcome.reason.actual,
      ),
      [0, 1, 1, 1, 2],
    );
    t.strictSame(idsOf(await collect(store.readStream(stream))), idsOf([a, b, c]));
    t.strictSame(store.stats, { groups: 1, events: 3, duplicates: 1, conflicts: 1 });
  });

  await t.test('a group that stores nothing is no commit', async (t) => {
    const store = openAt(t, freshPath(t));
    await Promise.allSettled([
      store.append(freshStream(), 0, [propose()]),
      store.append(freshStream(), 3, [propose()]),
    ]);
    t.strictSame(store.stats, { groups: 0, events: 0, duplicates: 0, conflicts: 2 });
  });
});

await t.test('live subscribers', async (t) => {
  await t.test('get the very objects that the append answered', async (t) => {
    const store = openAt(t, freshPath(t));
    const subscription = store.subscribe()[Symbol.asyncIterator]();
    t.strictSame(await subscription.next(), {
      done: false,
      value: { events: [], checkpoint: '', caughtUp: true },
    });
    const { events, position } = await store.append(freshStream(), 'noStream', proposeMany(3));
    const { value } = await subscription.next();
    t.strictSame(value, { events, checkpoint: position, caughtUp: true });
    t.equal(value?.events[1], events[1], 'not copies');
    await subscription.return(undefined);
  });

  await t.test('read the database when they fall behind what is kept in memory', async (t) => {
    const store = openAt(t, freshPath(t), { recentEvents: 8 });
    const stream = freshStream();
    const slow = store.subscribe({ batchSize: 5 })[Symbol.asyncIterator]();
    await slow.next();
    for (let n = 0; n < 40; n++) await store.append(stream, 'any', proposeMany(1, n));
    const seen: unknown[] = [];
    while (seen.length < 40) seen.push(...valuesOf((await slow.next()).value?.events ?? []));
    t.strictSame(
      seen,
      Array.from({ length: 40 }, (_, n) => n),
    );
    await slow.return(undefined);
  });

  await t.test('are told of every event that did not match', async (t) => {
    const store = openAt(t, freshPath(t));
    const categories = [freshCategory()];
    const subscription = store.subscribe({ categories })[Symbol.asyncIterator]();
    await subscription.next();
    const { position } = await store.append(freshStream(), 'noStream', proposeMany(3));
    t.strictSame((await subscription.next()).value, { events: [], checkpoint: position, caughtUp: true });
    await subscription.return(undefined);
  });
});

await t.test('two stores on one file', async (t) => {
  await t.test('the file decides who was first', async (t) => {
    const path = freshPath(t);
    const [one, two] = [openAt(t, path), openAt(t, path)];
    const stream = freshStream();
    for (let n = 0; n < 20; n++) {
      const expected = n === 0 ? 'noStream' : n - 1;
      const outcomes = await Promise.allSettled([
        one.append(stream, expected, proposeMany(1, n)),
        two.append(stream, expected, proposeMany(1, n)),
      ]);
      t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
    }
    t.equal((await collect(two.readStream(stream))).length, 20);
  });

  await t.test('an append answered by one is known to the other', async (t) => {
    const path = freshPath(t);
    const [one, two] = [openAt(t, path), openAt(t, path)];
    const stream = freshStream();
    const events = proposeMany(2);
    const first = await one.append(stream, 'noStream', events);
    t.strictSame(await two.append(stream, 'noStream', events), { ...first, duplicate: true });
  });

  await t.test('a subscriber gets what both wrote, in order, once its own store looks', async (t) => {
    const path = freshPath(t);
    const [one, two] = [openAt(t, path), openAt(t, path)];
    const stream = freshStream();
    const subscription = one.subscribe()[Symbol.asyncIterator]();
    await subscription.next();
    for (let n = 0; n < 30; n++) {
      await (n % 3 === 0 ? one : two).append(stream, 'any', proposeMany(1, n));
    }
    const head = await one.head();
    const seen: unknown[] = [];
    for (let checkpoint = ''; checkpoint < head; ) {
      const { value } = await subscription.next();
      seen.push(...valuesOf(value?.events ?? []));
      checkpoint = value?.checkpoint ?? head;
    }
    t.strictSame(
      seen,
      Array.from({ length: 30 }, (_, n) => n),
    );
    await two.append(stream, 'any', proposeMany(1, 30));
    const waiting = subscription.next();
    await one.head();
    t.strictSame(valuesOf((await waiting).value?.events ?? []), [30], 'head wakes it as well');
    await subscription.return(undefined);
  });
});

await t.test('an append that expects no revision', async (t) => {
  await t.test('is recognised among the newest events of its stream only', async (t) => {
    const store = openAt(t, freshPath(t));
    const stream = freshStream();
    const [early, late] = [propose(), propose()];
    await store.append(stream, 'noStream', [early, late, ...proposeMany(DUPLICATE_WINDOW - 1)]);
    t.equal((await store.append(stream, 'any', [late])).duplicate, true);
    t.equal((await store.append(stream, 'any', [early])).duplicate, false);
  });

  await t.test('is a conflict when its events are there in another order or behind new ones', async (t) => {
    const store = openAt(t, freshPath(t));
    const stream = freshStream();
    const [a, b, c] = [propose(), propose(), propose()];
    await store.append(stream, 'noStream', [a, b]);
    await t.rejects(store.append(stream, 'any', [b, a]), ofKind('conflict'));
    await t.rejects(store.append(stream, 'any', [c, a]), ofKind('conflict'));
    t.equal((await collect(store.readStream(stream))).length, 2);
  });
});

await t.test('options that make no sense are invalid', async (t) => {
  const store = openAt(t, freshPath(t));
  await t.rejects(collect(store.readAll({ after: '12' })), ofKind('invalid'), 'a position of another store');
  await t.rejects(collect(store.subscribe({ after: 'C:1/P:1' })), ofKind('invalid'));
  await t.rejects(collect(store.subscribe({ batchSize: 0 })), ofKind('invalid'));
  await t.rejects(collect(store.readStream(freshStream(), { from: -1 })), ofKind('invalid'));
  await t.rejects(collect(store.readStream(freshStream(), { limit: 1.5 })), ofKind('invalid'));
});

await t.test('a file made by a newer owl is left alone', async (t) => {
  const path = freshPath(t);
  const db = openDatabase(path);
  db.exec('PRAGMA user_version = 99');
  db.close();
  t.throws(() => openSqliteEventStore(path), {
    name: 'OwlError',
    kind: 'invalid',
    message: /newer version of owl/,
  });
});

await t.test('a stream that lacks events is an error, not the end', async (t) => {
  const path = freshPath(t);
  const store = openAt(t, path);
  const stream = freshStream();
  await store.append(stream, 'noStream', proposeMany(3));
  const db = openDatabase(path);
  db.exec('DELETE FROM events WHERE revision > 0');
  db.close();
  await t.rejects(collect(store.readStream(stream)), {
    name: 'DamagedStreamError',
    kind: 'refused',
    message: /lacks revisions 1 to 2/,
  });
});
