/** Schemas in front of a real store: what may be appended, and in which shape everyone reads it. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import type { EventSchemas } from '../../../src/runtime/event-store/event-schema.js';
import type {
  EventStore,
  JsonObject,
  ReadStreamOptions,
} from '../../../src/runtime/event-store/event-store.js';
import { SchemaRegistry, withSchemas } from '../../../src/runtime/event-store/schema-checked-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { collect, follow, ofKind, propose } from '../../support/events.js';

const CURRENT = {
  Opened: { version: 1, fields: { title: 'text', size: 'integer', ratio: 'number?', urgent: 'boolean?' } },
  /** Version 1 had `seconds` as text, version 2 as a number; version 3 calls it `duration`. */
  Measured: {
    version: 3,
    fields: { duration: 'number' },
    upcasts: {
      1: ({ seconds }) => ({ seconds: Number(seconds) }),
      2: ({ seconds }) => ({ duration: seconds ?? 0 }),
    },
  },
} as const satisfies EventSchemas;

const STREAM = 'door-1';

function openStores(t: Test, events: EventSchemas = CURRENT) {
  const raw = openSqliteEventStore(join(t.testdir(), 'owl.db'));
  t.teardown(() => raw.close());
  const registry = new SchemaRegistry([{ category: 'door', events }]);
  return { raw, registry, store: withSchemas(raw, registry) };
}

function opened(data: JsonObject) {
  return propose(data, { type: 'Opened' });
}

function measured(version: number, data: JsonObject) {
  return propose(data, { type: 'Measured', version });
}

await t.test('what fits is stored and read as it is', async (t) => {
  const { store } = openStores(t);
  const events = [
    opened({ title: 'a', size: 3, ratio: 0.5, urgent: false }),
    opened({ title: '', size: -1 }),
    measured(3, { duration: 1.5 }),
  ];
  const result = await store.append(STREAM, 'noStream', events);
  t.strictSame(await collect(store.readStream(STREAM)), result.events);
  t.strictSame(await collect(store.readAll()), result.events);
});

await t.test('what does not fit is refused before it is stored, naming event and field', async (t) => {
  const { store, raw } = openStores(t);
  const cases: readonly [JsonObject, RegExp][] = [
    [{ title: 'a' }, /door\/Opened lacks the field size/],
    [{ title: 7, size: 1 }, /door\/Opened has 7 in the field title, which takes a text/],
    [{ title: null, size: 1 }, /null in the field title/],
    [{ title: 'a', size: 1.5 }, /1\.5 in the field size, which takes an integer/],
    [{ title: 'a', size: 2 ** 53 }, /in the field size/],
    [{ title: 'a', size: '1' }, /"1" in the field size/],
    [{ title: 'a', size: 1, ratio: Number.NaN }, /NaN in the field ratio, which takes a finite number/],
    [{ title: 'a', size: 1, ratio: Number.POSITIVE_INFINITY }, /Infinity in the field ratio/],
    [{ title: 'a', size: 1, urgent: 1 }, /1 in the field urgent, which takes true or false/],
    [{ title: 'a', size: 1, colour: 'red' }, /has a field colour that its schema does not know/],
    [{ title: ['x'.repeat(1000)], size: 1 }, /\["x{50,60}… in the field title/],
  ];
  for (const [data, message] of cases) {
    await t.rejects(store.append(STREAM, 'any', [opened({ title: 'good', size: 1 }), opened(data)]), {
      ...ofKind('invalid'),
      message,
    });
  }
  await t.rejects(store.append(STREAM, 'any', [propose({}, { type: 'Closed' })]), {
    ...ofKind('invalid'),
    message: /door\/Closed is not among the events/,
  });
  await t.rejects(store.append(STREAM, 'any', [measured(2, { seconds: 1 })]), {
    ...ofKind('invalid'),
    message: /door\/Measured has version 2, but the current one is 3/,
  });
  await t.rejects(store.append('window-1', 'any', [opened({ title: 'a', size: 1 })]), {
    ...ofKind('invalid'),
    message: /no actor type has the category window/,
  });
  t.strictSame(await collect(raw.readAll()), [], 'nothing of it was stored');
});

await t.test('older versions become the current one on every read path', async (t) => {
  const { store, raw, registry } = openStores(t);
  const old = [measured(1, { seconds: '12.5' }), measured(2, { seconds: 7 }), measured(3, { duration: 1 })];
  await raw.append(STREAM, 'noStream', old);
  const expected = [12.5, 7, 1];
  const durations = (events: readonly { version: number; data: JsonObject }[]) => {
    t.ok(events.every(({ version }) => version === 3));
    return events.map(({ data }) => data['duration']);
  };
  t.strictSame(durations(await collect(store.readStream(STREAM))), expected);
  t.strictSame(
    durations(await collect(store.readStream(STREAM, { direction: 'backwards' }))),
    expected.toReversed(),
  );
  const all = await collect(store.readAll());
  t.strictSame(durations(all), expected);
  t.strictSame(durations((await follow(store.subscribe(), 3)).events), expected);
  t.ok(all.every((event) => registry.problemOf(event) === undefined));
  const [stored] = await collect(raw.readAll());
  t.strictSame(all[0], { ...stored, version: 3, data: { duration: 12.5 } }, 'all else is kept');
});

await t.test('a repeated append answers the stored events in their current shape', async (t) => {
  const { store, raw } = openStores(t);
  const old = measured(1, { seconds: '3' });
  await raw.append(STREAM, 'noStream', [old]);
  const again = await store.append(STREAM, 'noStream', [{ ...old, version: 3, data: { duration: 3 } }]);
  t.equal(again.duplicate, true);
  t.strictSame(again.events[0]?.data, { duration: 3 });
});

await t.test('current events pass as the objects they are', async (t) => {
  const { store, raw } = openStores(t);
  const [mine, theirs] = [store.subscribe(), raw.subscribe()].map((batches) =>
    batches[Symbol.asyncIterator](),
  );
  await Promise.all([mine?.next(), theirs?.next()]);
  const { events } = await store.append(STREAM, 'noStream', [opened({ title: 'a', size: 1 })]);
  const batch = (await mine?.next())?.value;
  t.equal(batch?.events[0], events[0]);
  t.equal((await theirs?.next())?.value?.events[0], events[0]);
  await Promise.all([mine?.return?.(), theirs?.return?.()]);
});

await t.test('an event that can not be read', async (t) => {
  const failing = {
    Failing: {
      version: 2,
      fields: { n: 'integer' },
      upcasts: {
        1: ({ n }) => {
          if (n === 'throw') throw new Error('no way up');
          return { n: n ?? null };
        },
      },
    },
  } as const satisfies EventSchemas;
  const bad: readonly [string, ReturnType<typeof propose>, RegExp][] = [
    ['an unknown type', propose({}, { type: 'Gone' }), /knows no such event/],
    ['a newer version', propose({ n: 1 }, { type: 'Failing', version: 3 }), /version 3 is newer than 2/],
    ['an upcast that throws', propose({ n: 'throw' }, { type: 'Failing' }), /no way up/],
    [
      'an upcast that gives nonsense',
      propose({ n: 'x' }, { type: 'Failing' }),
      /upcast from version 1, it has "x"/,
    ],
    [
      'a current version with data that others made up',
      propose({ n: 'x' }, { type: 'Failing', version: 2 }),
      /it has "x" in the field n/,
    ],
    [
      'a current version that lacks a field',
      propose({}, { type: 'Failing', version: 2 }),
      /it lacks the field n/,
    ],
  ];
  for (const [what, event, message] of bad) {
    await t.test(what, async (t) => {
      const { store, raw, registry } = openStores(t, failing);
      const good = [
        propose({ n: 1 }, { type: 'Failing' }),
        propose({ n: 2 }, { type: 'Failing', version: 2 }),
      ];
      const [first, last] = good;
      const { events } = await raw.append(
        STREAM,
        'noStream',
        [first, event, last].filter((e) => e !== undefined),
      );

      await t.rejects(collect(store.readStream(STREAM)), {
        ...ofKind('refused'),
        stream: STREAM,
        revision: 1,
        message,
      });
      t.equal((await collect(store.readStream(STREAM, { from: 2 }))).length, 1, 'its neighbours can be read');

      const all = await collect(store.readAll());
      const live = (await follow(store.subscribe(), 3)).events;
      for (const given of [all, live]) {
        t.equal(given.length, 3, 'it stops nobody');
        t.strictSame(given[1], events[1], 'and comes as it was stored');
        const problems = given.map((e) => registry.problemOf(e));
        t.match(problems, [undefined, message, undefined]);
        t.match(problems[1], /revision 1 of door-1 \(position 0{15}2\)/, 'with its place');
      }
    });
  }

  await t.test('of a category that no actor type has', async (t) => {
    const { store, raw, registry } = openStores(t, failing);
    await raw.append('window-1', 'noStream', [propose()]);
    const [event] = await collect(store.readAll());
    t.match(event && registry.problemOf(event), /window\/Counted .* knows no such event/);
  });
});

await t.test('a stream that lacks events is not read over the gap, whichever way', async (t) => {
  const { raw, registry } = openStores(t);
  const { events } = await raw.append(
    STREAM,
    'noStream',
    [1, 2, 3, 4].map((size) => opened({ title: 'a', size })),
  );
  const without = (...revisions: number[]) => {
    const left = events.filter(({ revision }) => !revisions.includes(revision));
    return withSchemas(
      delegating(raw, {
        async *readStream(_stream, { direction, from = 0, limit = 9 } = {}) {
          const inOrder =
            direction === 'backwards' ? left.toReversed() : left.filter((e) => e.revision >= from);
          yield* inOrder.slice(0, limit);
        },
      }),
      registry,
    );
  };
  const read = async (store: EventStore, options?: ReadStreamOptions) => {
    const revisions: number[] = [];
    const error = await (async () => {
      for await (const { revision } of store.readStream(STREAM, options)) revisions.push(revision);
    })().catch((thrown) => thrown);
    return { revisions, error };
  };
  t.match(await read(without(1, 2)), {
    revisions: [0],
    error: { kind: 'refused', revision: 1, message: /door-1 lacks its events from revision 1 to 2/ },
  });
  t.match(await read(without(0)), { revisions: [], error: { revision: 0 } });
  t.match(await read(without(1, 2), { direction: 'backwards' }), { revisions: [3], error: { revision: 1 } });
  t.match(await read(without(0), { from: 2 }), { revisions: [2, 3], error: undefined });
});

await t.test('a registry that can not work is refused when it is made', async (t) => {
  const door = { category: 'door', events: CURRENT };
  t.throws(() => new SchemaRegistry([door, door]), { ...ofKind('invalid'), message: /two actor types/ });
  const events = { Moved: { version: 3, fields: {}, upcasts: { 2: (data: JsonObject) => data } } };
  t.throws(() => new SchemaRegistry([{ category: 'door', events }]), {
    ...ofKind('invalid'),
    message: /door\/Moved is at version 3 but has no upcast from version 1/,
  });
});
