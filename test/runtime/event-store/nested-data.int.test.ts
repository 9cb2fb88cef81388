/** Schemas with lists, maps and records in front of both stores: what is refused before a store sees it, and what upcasts make of them. */

import { join } from 'node:path';
import t from 'tap';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import {
  type EventSchemas,
  listOf,
  mapOf,
  optional,
  record,
  textUpTo,
} from '../../../src/runtime/event-store/event-schema.js';
import { LARGEST_EVENT_BYTES } from '../../../src/runtime/event-store/event-size.js';
import {
  type EventStore,
  isJsonObject,
  type JsonObject,
} from '../../../src/runtime/event-store/event-store.js';
import { SchemaRegistry, withSchemas } from '../../../src/runtime/event-store/schema-checked-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { STORES } from '../../support/both-stores.js';
import { collect, follow, freshCategory, ofKind, propose } from '../../support/events.js';
import { openStore, startNode } from '../../support/eventstoredb-stores.js';

const output = record({ name: textUpTo(20), size: 'int64' });
const EVENTS = {
  /** Version 1 had names in a text, separated by commas, and sizes as numbers. */
  JobEnded: {
    version: 2,
    fields: {
      outputs: listOf(output, { most: 3_000 }),
      labels: optional(mapOf('text')),
      text: 'text?',
    },
    upcasts: {
      1: ({ names, sizes, ...rest }) => ({
        ...rest,
        outputs: String(names)
          .split(',')
          .map((name, i) => ({ name, size: Array.isArray(sizes) ? String(sizes[i]) : '0' })),
      }),
    },
  },
} as const satisfies EventSchemas;

function ended(data: JsonObject, version = 2) {
  return propose(data, { type: 'JobEnded', version });
}

function withEvents(raw: EventStore, category: string, events: EventSchemas = EVENTS): EventStore {
  return withSchemas(raw, new SchemaRegistry([{ category, events }]));
}

for (const [name, open] of Object.entries(STORES)) {
  await t.test(name, async (t) => {
    await t.test(
      'what does not fit is refused before the store sees it, naming event, place and rule',
      async (t) => {
        const category = freshCategory();
        let appends = 0;
        const raw = delegating(await open(t), {
          append: () => {
            appends++;
            throw new TypeError('it should not come here');
          },
        });
        const store = withEvents(raw, category);
        const good = { name: 'a', size: '1' };
        const cases: readonly [JsonObject, RegExp][] = [
          [
            { outputs: [good, good, good, { ...good, size: 7 }] },
            /\/JobEnded has 7 in the field outputs\[3\]\.size, which/,
          ],
          [
            { outputs: [{ ...good, name: 'x'.repeat(21) }] },
            /has 21 characters in the field outputs\[0\]\.name, which takes at most 20/,
          ],
          [
            { outputs: Array.from({ length: 3_001 }, () => good) },
            /has 3001 items in the field outputs, which takes at most 3000/,
          ],
          [{ outputs: [], labels: { region: 1 } }, /has 1 in the field labels\.region, which takes a text/],
          [
            { outputs: [good], text: 'ä'.repeat(LARGEST_EVENT_BYTES / 2) },
            /JobEnded takes 10\d{5} bytes as JSON, of which 1048578 are in the field text; an event takes at most 1048576: store/,
          ],
          [{ outputs: [], text: '\u0000'.repeat(180_000) }, /JobEnded takes 108\d{4} bytes as JSON/],
          [
            {
              outputs: [],
              labels: Object.fromEntries(Array.from({ length: 900 }, (_, i) => [`k${i}`, 'x'.repeat(1_200)])),
            },
            /of which 10\d{5} are in the field labels/,
          ],
        ];
        for (const [data, message] of cases)
          await t.rejects(store.append(`${category}-1`, 'any', [ended({ outputs: [] }), ended(data)]), {
            ...ofKind('invalid'),
            message,
          });
        t.equal(appends, 0);
      },
    );

    await t.test('an event of just below the limit is stored and read', async (t) => {
      const category = freshCategory();
      const store = withEvents(await open(t), category);
      const data = { outputs: [], text: 'ä'.repeat(LARGEST_EVENT_BYTES / 2 - 1_000) };
      await store.append(`${category}-1`, 'noStream', [ended(data)]);
      t.strictSame((await collect(store.readStream(`${category}-1`)))[0]?.data, data);
    });

    await t.test('an older version becomes lists of records on every read path', async (t) => {
      const category = freshCategory();
      const raw = await open(t);
      const store = withEvents(raw, category);
      const stream = `${category}-1`;
      const current = ended({ outputs: [{ name: 'c', size: '9223372036854775807' }], labels: { a: '1' } });
      await raw.append(stream, 'noStream', [ended({ names: 'a,b', sizes: [1, 2], text: 'x' }, 1), current]);
      const upcast = {
        text: 'x',
        outputs: [
          { name: 'a', size: '1' },
          { name: 'b', size: '2' },
        ],
      };
      for (const events of [
        await collect(store.readStream(stream)),
        (await collect(store.readStream(stream, { direction: 'backwards' }))).reverse(),
        (await follow(store.subscribe({ categories: [category] }), 2)).events,
      ])
        t.strictSame(
          events.map(({ version, data }) => [version, data]),
          [
            [2, upcast],
            [2, current.data],
          ],
        );
    });

    await t.test(
      'an upcast that gives what does not fit, and data others made up, are told with their place',
      async (t) => {
        const category = freshCategory();
        const raw = await open(t);
        const store = withEvents(raw, category);
        for (const [i, [event, message]] of (
          [
            [
              ended({ names: 'a', sizes: [1.5] }, 1),
              /upcast from version 1, it has "1\.5" in the field outputs\[0\]\.size/,
            ],
            [ended({ outputs: [{ name: 'a' }] }), /it lacks the field outputs\[0\]\.size/],
          ] as const
        ).entries()) {
          await raw.append(`${category}-${i}`, 'noStream', [event]);
          await t.rejects(collect(store.readStream(`${category}-${i}`)), {
            name: 'DamagedStreamError',
            message,
          });
        }
      },
    );

    await t.test('narrower limits make nothing unreadable that is stored', async (t) => {
      const category = freshCategory();
      const raw = await open(t);
      const data = {
        outputs: [
          { name: 'long', size: '1' },
          { name: 'b', size: '2' },
        ],
      };
      await withEvents(raw, category).append(`${category}-1`, 'noStream', [ended(data)]);
      const narrower = {
        JobEnded: {
          ...EVENTS.JobEnded,
          fields: { outputs: listOf(record({ name: textUpTo(1), size: 'int64' }), { most: 1 }) },
        },
      };
      const store = withEvents(raw, category, narrower);
      t.strictSame((await collect(store.readStream(`${category}-1`)))[0]?.data, data);
      await t.rejects(store.append(`${category}-1`, 0, [ended(data)]), ofKind('invalid'));
    });
  });
}

await t.test('a record that somebody made too deep on the server stops no reader', async (t) => {
  const node = await startNode(t);
  const store = await openStore(t, node);
  const { events } = await store.append('deep-1', 'noStream', [
    ended({ outputs: [] }),
    ended({ outputs: [] }),
  ]);
  const record = node.log.records.find(({ type }) => type === 'JobEnded');
  const deep = Buffer.from(`{"outputs":${'['.repeat(100_000)}${']'.repeat(100_000)}}`);
  Object.assign(record ?? {}, { data: deep });
  for (const given of [
    await collect(store.readStream('deep-1')),
    (await follow(store.subscribe({ categories: ['deep'] }), 2)).events,
  ]) {
    t.match(given[0], { damage: /data is no JSON object/, data: { base64: deep.toString('base64') } });
    t.strictSame(given[1], events[1]);
  }
});

await t.test('metadata counts as well, and is no deeper than data', async (t) => {
  const raw = openSqliteEventStore(join(t.testdir(), 'owl.db'));
  t.teardown(() => raw.close());
  const store = withEvents(raw, 'wide');
  const having = (more: object) => {
    const event = ended({ outputs: [] });
    return { ...event, metadata: { ...event.metadata, ...more } };
  };
  await t.rejects(store.append('wide-1', 'any', [having({ by: 'x'.repeat(LARGEST_EVENT_BYTES) })]), {
    ...ofKind('invalid'),
    message: /wide\/JobEnded takes 10\d{5} bytes as JSON, of which 10\d{5} are in its metadata/,
  });
  let deep: unknown = [];
  for (let i = 0; i < 100_000; i++) deep = [deep];
  await t.rejects(store.append('wide-1', 'any', [having({ more: deep })]), {
    ...ofKind('invalid'),
    message: /metadata of event JobEnded for wide-1 is deeper than 64 levels/,
  });
});

await t.test('events larger than today are read and copied, for histories move both ways', async (t) => {
  const raw = openSqliteEventStore(join(t.testdir(), 'owl.db'));
  t.teardown(() => raw.close());
  const data = { outputs: [], text: 'x'.repeat(2 * LARGEST_EVENT_BYTES) };
  await raw.append('large-1', 'noStream', [ended(data)]);
  const [event] = await collect(withEvents(raw, 'large').readStream('large-1'));
  t.ok(event !== undefined && isJsonObject(event.data) && event.data['text'] === data.text);
});

await t.test('a schema that no event could fit is refused when the registry is made', async (t) => {
  const events = { Bad: { version: 1, fields: { a: listOf('text', { most: 0 }) } } };
  t.throws(() => new SchemaRegistry([{ category: 'door', events }]), {
    ...ofKind('invalid'),
    message: /^event door\/Bad declares the field a, which has the limit 0/,
  });
});
