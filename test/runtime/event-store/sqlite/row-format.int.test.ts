/** Rows of today: what comes back, what a file of before becomes, what is kept once, and how it looks in the `sqlite3` shell. */

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import t from 'tap';
import { openDatabase } from '../../../../src/base/sqlite.js';
import type { JsonObject } from '../../../../src/runtime/event-store/event-store.js';
import { MOST_SHAPES } from '../../../../src/runtime/event-store/sqlite/row-shapes.js';
import { openSqliteEventStore } from '../../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { collect, freshStream, propose, proposeMany } from '../../../support/events.js';
import { makeOlder } from '../../../support/older-store.js';

function ask(path: string, sql: string): Record<string, unknown>[] {
  const db = openDatabase(path);
  try {
    return db.prepare(sql).all();
  } finally {
    db.close();
  }
}

await t.test('data and metadata of every kind come back, in the order of their fields', async (t) => {
  const path = join(t.testdir(), 'owl.db');
  const store = openSqliteEventStore(path);
  const [a, b] = [randomUUID(), randomUUID()];
  const time = 1_795_000_000_123;
  const kinds = [
    { time, $correlationId: a, $causationId: a },
    { time, $correlationId: a, $causationId: a, commandId: a, by: 'overlord 10.0.0.1' },
    { time, $correlationId: b, $causationId: a },
    { time, $correlationId: b, $causationId: a, commandId: a, by: 'ключ \ud800' },
    { time, $correlationId: a, $causationId: a, commandId: b },
    { time: 0.5, $correlationId: 'c', $causationId: a, commandId: 'd', by: '' },
    { time: -1, $correlationId: a, $causationId: 'e', more: { z: [1], a: null } },
  ];
  const wide: JsonObject = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`field_${i}`, i]));
  const named: JsonObject = JSON.parse('{"__proto__":1,"z":2,"10":3,"9":4,"a b":"c\\u0000"}');
  const datas: JsonObject[] = [
    {},
    { z: 1, a: -0.5, t: true, n: null },
    { deep: { z: 1, a: [] } },
    wide,
    named,
  ];
  const stream = freshStream();
  for (const data of datas) {
    const events = kinds.map((metadata) => propose(data, { metadata }));
    await store.append(stream, 'any', events);
    const read = await collect(store.readStream(stream, { direction: 'backwards', limit: kinds.length }));
    t.strictSame(read.map(({ metadata }) => metadata).reverse(), kinds);
    t.ok(
      read.every(
        (event) => event.damage === undefined && JSON.stringify(event.data) === JSON.stringify(data),
      ),
    );
  }
  await store.close();
});

await t.test('rows of flat and nested events are byte for byte those of every release', async (t) => {
  const path = join(t.testdir(), 'owl.db');
  const store = openSqliteEventStore(path);
  const id = (n: number) => `00000000-0000-5000-8000-00000000000${n}`;
  const metadata = {
    ...{ time: 1_795_000_000_123, $correlationId: id(9), $causationId: id(9), commandId: id(9) },
    by: 'overlord 10.0.0.1',
  };
  const kept: readonly [data: JsonObject, row: string, shape: number, checksum: number][] = [
    [{ z: 1.5, a: 'x', yes: true, nothing: null }, '[1.5,"x",true,null]', 1, -633460865],
    [{}, '[]', 2, -1519007361],
    [{ n: 1e21, m: -0, t: '\ud800 ключ' }, '[1e+21,0,"\\ud800 ключ"]', 3, 1840220197],
    [
      { outputs: [{ size: '7', name: 'b' }, { name: 'a' }], labels: { z: 1, a: 2 } },
      '{"outputs":[{"size":"7","name":"b"},{"name":"a"}],"labels":{"z":1,"a":2}}',
      ...([2, 544242771] as const),
    ],
    [JSON.parse('{"map":{"__proto__":1}}'), '{"map":{"__proto__":1}}', 2, -1312933391],
  ];
  const events = kept.map(([data], i) => propose(data, { id: id(i), type: 'Kept', version: 2, metadata }));
  await store.append('golden-1', 'noStream', events);
  await store.close();
  t.strictSame(
    ask(
      path,
      'SELECT data, metadata, shape, time, lower(hex(cause)) AS cause, source, checksum FROM events',
    ).map((row) => ({ ...row })),
    kept.map(([, data, shape, checksum]) => ({
      ...{ data, metadata: '', shape, time: 1_795_000_000_123 },
      ...{ cause: '0000000000005000800000000000000901', source: 1, checksum },
    })),
  );
});

await t.test(
  'what events have in common is kept once, over restarts, rolled back appends and other processes',
  async (t) => {
    const path = join(t.testdir(), 'owl.db');
    const [one, other] = [openSqliteEventStore(path), openSqliteEventStore(path)];
    const stream = freshStream();
    const event = (type: string) => propose({ n: 1, m: 2 }, { type });
    await one.append(stream, 'noStream', [event('A')]);
    await other.append(stream, 0, [event('A'), event('B')]);
    // The first event's shape is written before the second one is refused, in one transaction.
    const db = openDatabase(path);
    db.exec(
      `CREATE TRIGGER refuse BEFORE INSERT ON events WHEN NEW.revision = 4 BEGIN SELECT raise(ABORT, 'no'); END`,
    );
    await t.rejects(one.append(stream, 2, [event('C'), event('D')]));
    db.exec('DROP TRIGGER refuse');
    db.close();
    await other.append(stream, 2, [event('D'), event('C')]);
    await one.append(stream, 4, [event('C'), event('B')]);
    for (const store of [one, other]) {
      const events = await collect(store.readStream(stream));
      t.strictSame(events.map(({ type, damage }) => damage ?? type).join(''), 'AABDCCB');
      await store.close();
    }
    t.strictSame(
      ask(path, 'SELECT text FROM event_shapes ORDER BY no').map(({ text }) => text),
      ['A', 'B', 'D', 'C'].map((type) => JSON.stringify([type, 1, 'n', 'm'])),
    );
  },
);

await t.test('there are never more shapes than fit into memory', async (t) => {
  const path = join(t.testdir(), 'owl.db');
  const store = openSqliteEventStore(path);
  const stream = freshStream();
  const events = Array.from({ length: MOST_SHAPES + 50 }, (_, n) => propose({ [`field_${n}`]: n }));
  await store.append(stream, 'noStream', events);
  const read = await collect(store.readStream(stream));
  t.ok(read.every(({ data, damage }, n) => damage === undefined && data[`field_${n}`] === n));
  await store.close();
  t.equal(
    ask(path, 'SELECT count(*) AS n FROM event_shapes')[0]?.['n'],
    MOST_SHAPES + 1,
    'and one without fields',
  );
});

await t.test('a file of before goes on without a rebuild, and both kinds of rows look alike', async (t) => {
  const path = join(t.testdir(), 'owl.db');
  const first = openSqliteEventStore(path);
  const stream = freshStream();
  const a = randomUUID();
  const metadata = { time: 1_795_000_000_123, $correlationId: a, $causationId: a, by: 'overlord' };
  const events = [{ n: 1.5, t: 'x', yes: true, nothing: null }, {}, { deep: [1] }].map((data) =>
    propose(data, { metadata, version: 2 }),
  );
  await first.append(stream, 'noStream', events);
  await first.close();
  const columns = 'stream, revision, type, version, time, data, id, caused_by, told_by';
  const shown = ask(path, `SELECT ${columns} FROM stored_events`);
  t.match(shown[0], {
    ...{ stream, revision: 0, type: 'Counted', version: 2, time: '2026-11-18T11:06:40.123Z' },
    ...{
      data: '{"n":1.5,"t":"x","yes":true,"nothing":null}',
      id: events[0]?.id,
      caused_by: a,
      told_by: 'overlord',
    },
  });
  await makeOlder(path);
  const pages = "SELECT name, rootpage FROM sqlite_schema WHERE name IN ('events', 'streams') ORDER BY name";
  const before = ask(path, pages);
  const again = openSqliteEventStore(path);
  t.strictSame(ask(path, `SELECT ${columns} FROM stored_events`), shown);
  t.strictSame(ask(path, pages), before, 'no table is another one');
  await again.append(stream, 2, proposeMany(1));
  const read = await collect(again.readStream(stream));
  t.strictSame(
    read.map(({ data }) => data),
    [...events.map(({ data }) => data), { n: 0 }],
  );
  await again.close();
  t.equal(ask(path, 'PRAGMA user_version')[0]?.['user_version'], 2, 'by which the version before refuses it');
});
