/** Rows of the embedded store that hold no event any more: each is told as what it is, and keeps nobody from the rows beside it. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openDatabase } from '../../../../src/base/sqlite.js';
import { openSqliteEventStore } from '../../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { collect, follow, freshStream, idsOf, proposeMany } from '../../../support/events.js';
import { makeOlder } from '../../../support/older-store.js';

/** A store with three events in one stream and one in another, and the second event's row changed; perhaps a file of before. */
async function withDamage(t: Test, change: string, isOlder: boolean, proposed = proposeMany(3)) {
  const path = join(t.testdir(), 'owl.db');
  const stream = freshStream();
  const before = openSqliteEventStore(path);
  const { events } = await before.append(stream, 'noStream', proposed);
  await before.append(freshStream(), 'noStream', proposeMany(1));
  await before.close();
  if (isOlder) await makeOlder(path);
  const db = openDatabase(path);
  db.exec(`UPDATE events SET ${change} WHERE revision = 1`);
  db.close();
  const store = openSqliteEventStore(path);
  t.teardown(() => store.close());
  return { store, stream, events };
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

await t.test('whatever a row holds, every reader gets it and what is around it', async (t) => {
  const today: readonly [string, RegExp, object][] = [
    ["data = '[1'", /data does not fit its shape/, { base64: base64('[1') }],
    ["data = '[1,2]'", /data does not fit its shape/, { base64: base64('[1,2]') }],
    ["data = '{}'", /data does not fit its shape/, { base64: base64('{}') }],
    ["data = '[7]'", /checksum is not that of what is stored/, { base64: base64('{"n":7}') }],
    ['version = 2, checksum = checksum + 1', /checksum is not/, {}],
    ['checksum = NULL', /checksum is not/, {}],
    ['shape = 99', /shape is not in the file/, {}],
    ['shape = NULL', /shape is not in the file/, {}],
    ["metadata = 'x'", /metadata is no JSON object/, { metadata_base64: base64('x') }],
    ["metadata = ''", /metadata has no \$correlationId/, { metadata_base64: '' }],
    ['time = NULL', /metadata has no time/, {}],
    ['time = 9007199254740993', /checksum is not/, {}],
    ["cause = x'01'", /metadata is no JSON object/, {}],
    ['source = 99', /metadata is no JSON object/, {}],
  ];
  const before: readonly [string, RegExp, object][] = [
    ['data = \'{"n":\'', /data is no JSON object/, { base64: base64('{"n":') }],
    ["data = '[1]'", /data is no JSON object/, { base64: base64('[1]') }],
    ["data = 'null'", /data is no JSON object/, { base64: base64('null') }],
    ["data = ''", /data is no JSON object/, { base64: '' }],
    ["metadata = 'x'", /metadata is no JSON object/, { metadata_base64: base64('x') }],
    ["metadata = '{}'", /metadata has no time/, { metadata_base64: base64('{}') }],
    ["metadata = json_set(metadata, '$.time', 'noon')", /metadata has no time/, {}],
    ["metadata = json_remove(metadata, '$.$causationId')", /no \$causationId/, {}],
    ["metadata = json_set(metadata, '$.commandId', 7)", /no text in commandId/, {}],
  ];
  const cases = [
    ...today.map((one) => [...one, false] as const),
    ...before.map((one) => [...one, true] as const),
  ];
  for (const [change, damage, data, isOlder] of cases) {
    await t.test(`${change}${isOlder ? ' in a file of before' : ''}`, async (t) => {
      const { store, stream, events } = await withDamage(t, change, isOlder);
      const ids = idsOf(events);
      for (const given of [
        await collect(store.readStream(stream)),
        (await collect(store.readAll())).slice(0, 3),
        (await follow(store.subscribe(), 4)).events.slice(0, 3),
        (await collect(store.readStream(stream, { direction: 'backwards' }))).reverse(),
      ]) {
        t.strictSame(idsOf(given), ids);
        t.match(given[1], { damage, data, revision: 1, position: events[1]?.position });
        t.strictSame([given[0], given[2]], [events[0], events[2]], 'its neighbours are whole');
      }
    });
  }
});

await t.test('nested data that was changed, anywhere in it', async (t) => {
  const data = { map: { z: 1, a: [{ x: '1' }] }, n: 1 };
  const nested = () => proposeMany(3).map((event) => ({ ...event, data }));
  const deep = `{"map":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
  const changes: readonly [change: string, damage: RegExp | undefined][] = [
    ["data = json_set(data, '$.map.a[0].x', '2')", /checksum is not that of what is stored/],
    ["data = json_set(data, '$.map.a[1]', 1)", /checksum is not/],
    ["data = json_set(data, '$.map.a[0].x', 1)", /checksum is not/],
    ["data = json_remove(data, '$.map.z')", /checksum is not/],
    ['data = replace(data, \'"map"\', \'"__proto__"\')', /checksum is not/],
    [`data = '${deep}'`, /data does not fit its shape/],
    // What is read is what was written: the same keys in another order, white space, a key twice of which the last one counts.
    [`data = '{"n": 1, "map": {"a":[{"x":"1"}],"z":1}}'`, undefined],
    [`data = replace(data, '"z":1', '"z":7,"z":1')`, undefined],
    [`data = replace(data, '"z":1', '"z":1,"z":7')`, /checksum is not/],
  ];
  for (const [change, damage] of changes) {
    const { store, stream, events } = await withDamage(t, change, false, nested());
    const given = await collect(store.readStream(stream));
    t.strictSame(idsOf(given), idsOf(events));
    t.strictSame([given[0], given[2]], [events[0], events[2]], 'its neighbours are whole');
    if (damage === undefined) t.strictSame(given[1], events[1], change);
    else t.match(given[1]?.damage, damage, change.slice(0, 80));
  }
  const { store, stream } = await withDamage(t, `data = '${deep}'`, true, nested());
  t.match(
    (await collect(store.readStream(stream)))[1]?.damage,
    /data is no JSON object/,
    'in a file of before',
  );
});

await t.test('as the newest event it is found by its place, and the store goes on behind it', async (t) => {
  const { store, stream, events } = await withDamage(t, "data = 'x', metadata = 'y'", false);
  for (const event of events) t.equal(await store.holds(event), true);
  const again = await store.append(stream, 'noStream', events);
  t.strictSame([again.duplicate, again.revision], [true, 2], 'an append that repeats it is recognised');
  t.equal((await store.append(stream, 2, proposeMany(1))).revision, 3);
});

await t.test('rows that were deleted are skipped, never given twice', async (t) => {
  const path = join(t.testdir(), 'owl.db');
  const store = openSqliteEventStore(path);
  t.teardown(() => store.close());
  const stream = freshStream();
  await store.append(stream, 'noStream', proposeMany(5));
  const db = openDatabase(path);
  db.exec('DELETE FROM events WHERE revision IN (1, 2)');
  db.close();
  const revisions = async (direction: 'forwards' | 'backwards') =>
    (await collect(store.readStream(stream, { direction }))).map(({ revision }) => revision);
  t.strictSame(await revisions('forwards'), [0, 3, 4]);
  t.strictSame(await revisions('backwards'), [4, 3, 0]);
});
