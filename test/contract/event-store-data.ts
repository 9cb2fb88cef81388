/** The contract for what event data holds: whatever is nested comes back as it was, on every way of reading, or is refused. */

import type { Test } from 'tap';
import { isJsonObject, type Json, type JsonObject } from '../../src/runtime/event-store/event-store.js';
import { Inventory } from '../../src/runtime/event-store/inventory.js';
import { MOST_LEVELS } from '../../src/runtime/event-store/json-levels.js';
import { collect, follow, freshStream, ofKind, propose } from '../support/events.js';
import type { OpenStore } from './opened-store.js';

/** As JSON gives it: a key `__proto__` is a key like others. */
function parsed(json: string): JsonObject {
  const value: unknown = JSON.parse(json);
  if (!isJsonObject(value)) throw new TypeError(`${json} is no object`);
  return value;
}

/** Data of so many levels, its own included. */
function deep(levels: number): JsonObject {
  let value: Json = 1;
  for (let i = 1; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value };
  return { value };
}

const NESTED: readonly JsonObject[] = [
  {
    outputs: [{ name: 'a', size: '9223372036854775807' }, { name: '' }],
    labels: { z: 1, a: -1 },
    key: 'AAE=',
  },
  { list: [], map: {}, record: { list: [[], [{}], {}] } },
  parsed('{"map":{"__proto__":{"polluted":true},"constructor":1,"toString":"x","10":1,"9":2,"":3}}'),
  parsed('{"__proto__":[1],"hasOwnProperty":{"a":1}}'),
  {
    texts: ['\ud800', '\udc00\ud800', '🦉', 'e\u0301', '\u00e9', '\u0000', '\u2028', '"\\'],
    '\ud800': { '\udfff': 1 },
  },
  { numbers: [1e21, 1e-7, 5e-324, 1.7976931348623157e308, 0.1, 2 ** 53, -(2 ** 63)] },
  deep(MOST_LEVELS),
];

export async function dataContract(t: Test, open: OpenStore): Promise<void> {
  await t.test('lists, maps and records come back on every way of reading', async (t) => {
    const { store } = await open(t);
    const stream = freshStream();
    const { position } = await store.append(stream, 'noStream', [propose({ flat: 1 })]);
    const { events } = await store.append(
      stream,
      0,
      NESTED.map((data) => propose(data)),
    );
    const expected = NESTED.map((data) => JSON.stringify(data));
    const backwards = store.readStream(stream, { direction: 'backwards', limit: NESTED.length });
    for (const given of [
      events,
      await collect(store.readStream(stream, { from: 1 })),
      (await collect(backwards)).reverse(),
      (await collect(store.readAll({ after: position }))).filter((event) => event.stream === stream),
      (
        await follow(
          store.subscribe({ categories: [stream.slice(0, stream.indexOf('-'))] }),
          1 + NESTED.length,
        )
      ).events.slice(1),
    ]) {
      t.strictSame(
        given.map(({ data }) => JSON.stringify(data)),
        expected,
      );
      t.strictSame(
        given.filter(({ damage }) => damage !== undefined),
        [],
      );
    }
    t.equal(Object.hasOwn(Object.prototype, 'polluted'), false);
  });

  await t.test('-0 is 0, and what is undefined is not there', async (t) => {
    const { store } = await open(t);
    const stream = freshStream();
    const data = Object.assign<JsonObject, object>({ list: [-0, 1], map: { a: -0 } }, { gone: undefined });
    await store.append(stream, 'noStream', [propose(data)]);
    const [event] = await collect(store.readStream(stream));
    t.equal(event?.damage, undefined);
    t.strictSame(event?.data, { list: [0, 1], map: { a: 0 } });
    const { list } = event?.data ?? {};
    t.ok(Array.isArray(list) && Object.is(list[0], 0));
  });

  await t.test('keys in another order are the same content, whether repeated or compared', async (t) => {
    const { store } = await open(t);
    const [stream, elsewhere, id] = [freshStream(), freshStream(), propose().id];
    const first = propose({ map: { a: 1, b: { c: [{ x: 1, y: 2 }], d: 2 } } }, { id });
    const second = propose({ map: { b: { d: 2, c: [{ y: 2, x: 1 }] }, a: 1 } }, { id });
    await store.append(stream, 'noStream', [first]);
    t.equal((await store.append(stream, 'noStream', [second])).duplicate, true);
    const [here, there] = [new Inventory(), new Inventory()];
    await store.append(elsewhere, 'noStream', [second]);
    for (const event of await collect(store.readStream(stream))) here.add({ ...event, stream: 's-1' });
    for (const event of await collect(store.readStream(elsewhere))) there.add({ ...event, stream: 's-1' });
    t.equal(here.digest(), there.digest());
  });

  await t.test('data that is too deep is invalid and leaves nothing', async (t) => {
    const { store } = await open(t);
    const stream = freshStream();
    for (const levels of [MOST_LEVELS + 1, 100_000]) {
      const refused = store.append(stream, 'any', [propose(), propose(deep(levels))]);
      await t.rejects(refused, { ...ofKind('invalid'), message: /deeper than 64 levels/ });
    }
    t.strictSame(await collect(store.readStream(stream)), []);
  });

  await t.test('as large as an event may be', async (t) => {
    const { store } = await open(t);
    const stream = freshStream();
    const item = { name: 'ä"\n', size: '1' };
    const data: JsonObject = { items: Array.from({ length: 20_000 }, () => item) };
    await store.append(stream, 'noStream', [propose(data)]);
    t.strictSame((await collect(store.readStream(stream)))[0]?.data, data);
  });
}
