/** What event data may hold: each kind of field, its limits, and how a problem is told. */

import t from 'tap';
import { compileCheck } from '../../../src/runtime/event-store/data-check.js';
import {
  bytesUpTo,
  type FieldSpecs,
  LIMITS,
  listOf,
  mapOf,
  optional,
  record,
  textUpTo,
  type ValueSpec,
} from '../../../src/runtime/event-store/event-schema.js';
import { isJsonObject, type JsonObject } from '../../../src/runtime/event-store/event-store.js';
import { isInt64, lengthOfBase64 } from '../../../src/runtime/event-store/value-forms.js';
import { ofKind } from '../../support/events.js';

const FIELDS = {
  name: 'text',
  outputs: listOf(
    record({ name: textUpTo(5), size: 'int64?', tags: optional(listOf('text', { most: 2 })) }),
    {
      most: 3,
    },
  ),
  labels: optional(mapOf('integer', { most: 2 })),
  hosts: optional(mapOf(record({ slots: 'integer', odd: 'boolean?' }))),
  key: optional(bytesUpTo(4)),
} as const satisfies FieldSpecs;

/** As JSON gives it: keys like `__proto__` are fields of their own. */
function parsed(json: string): JsonObject {
  const value: unknown = JSON.parse(json);
  if (!isJsonObject(value)) throw new TypeError(`${json} is no object`);
  return value;
}

function named(name: string): FieldSpecs {
  return Object.fromEntries([[name, 'text' as const]]);
}

/** Data with one field. */
function one(spec: ValueSpec) {
  const check = compileCheck({ it: spec });
  return (value: unknown) => check(Object.defineProperty({}, 'it', { value, enumerable: true }));
}

await t.test('what fits passes', async (t) => {
  const check = compileCheck(FIELDS);
  const datas: JsonObject[] = [
    { name: '', outputs: [] },
    {
      name: 'a',
      outputs: [
        { name: 'x', size: '9223372036854775807' },
        { name: 'größe', tags: ['a', ''] },
        { name: 'x', tags: [] },
      ],
      labels: { constructor: 1, toString: -1 },
      hosts: { 'a.b c': { slots: 0 }, ключ: { slots: 1, odd: false } },
      key: 'AAECAw==',
    },
    { name: 'a', outputs: [], labels: {}, hosts: {}, key: '' },
  ];
  for (const data of datas) {
    t.equal(check(data), undefined);
    t.equal(check(parsed(JSON.stringify(data))), undefined, 'and comes back so');
  }
});

await t.test('what does not fit is named with its place', async (t) => {
  const check = compileCheck(FIELDS);
  const x = { name: 'x' };
  const cases: readonly [fields: object, problem: string][] = [
    [{ outputs: undefined }, 'lacks the field outputs'],
    [{ outputs: null }, 'has null in the field outputs, which takes a list'],
    [{ outputs: { 0: x } }, 'has {"0":{"name":"x"}} in the field outputs, which takes a list'],
    [{ outputs: [x, x, x, x] }, 'has 4 items in the field outputs, which takes at most 3'],
    [{ outputs: [x, null] }, 'has null in the field outputs[1], which takes a record'],
    [{ outputs: [x, [x]] }, 'has [{"name":"x"}] in the field outputs[1], which takes a record'],
    [{ outputs: [{}] }, 'lacks the field outputs[0].name'],
    [
      { outputs: [{ name: 'toolong' }] },
      'has 7 characters in the field outputs[0].name, which takes at most 5',
    ],
    [
      { outputs: [x, { ...x, size: 1 }] },
      'has 1 in the field outputs[1].size, which takes a whole number from -2^63 to 2^63 - 1 as decimal text',
    ],
    [{ outputs: [{ ...x, colour: 1 }] }, 'has a field outputs[0].colour that its schema does not know'],
    [{ outputs: [{ ...x, 'a b': 1 }] }, 'has a field outputs[0]["a b"] that its schema does not know'],
    [{ outputs: [{ ...x, tags: ['a', 1] }] }, 'has 1 in the field outputs[0].tags[1], which takes a text'],
    [{ labels: [] }, 'has [] in the field labels, which takes a map'],
    [{ labels: { a: 1.5 } }, 'has 1.5 in the field labels.a, which takes an integer'],
    [{ labels: { 'a.b': '1' } }, 'has "1" in the field labels["a.b"], which takes an integer'],
    [{ labels: { a: undefined } }, 'has undefined in the field labels.a, which takes an integer'],
    [{ labels: { a: 1, b: 1, c: 1 } }, 'has 3 keys in the field labels, which takes at most 2'],
    [{ labels: { '': 1 } }, 'has the key "" in the field labels, whose keys are not empty'],
    [
      parsed('{"labels":{"__proto__":1}}'),
      'has the key "__proto__" in the field labels, which takes any other key',
    ],
    [
      { labels: { '\ud800': 1 } },
      'has the key "\\ud800" in the field labels, whose keys are well-formed Unicode',
    ],
    [
      { labels: { ['k'.repeat(LIMITS.longestKey + 1)]: 1 } },
      `has the key "${'k'.repeat(59)}… in the field labels, whose keys have at most 256 characters`,
    ],
    [{ hosts: { a: { slots: 1, odd: 1 } } }, 'has 1 in the field hosts.a.odd, which takes true or false'],
    [{ key: 'AAECAwQ=' }, 'has 5 bytes in the field key, which takes at most 4'],
    [{ key: 'AA' }, 'has "AA" in the field key, which takes bytes as base64 with padding'],
    [{ colour: 1 }, 'has a field colour that its schema does not know'],
    [parsed('{"__proto__":{"x":1}}'), 'has a field __proto__ that its schema does not know'],
  ];
  for (const [fields, problem] of cases) {
    const data = Object.defineProperties(
      { name: 'a', outputs: [] },
      Object.getOwnPropertyDescriptors(fields),
    );
    t.equal(check(data), problem);
  }
});

await t.test('what JSON would give back as something else is refused', async (t) => {
  class Point {
    readonly x = 1;
  }
  const list = one(listOf('integer'));
  t.match(list(Object.assign([1], { length: 3 })), /has undefined in the field it\[1\]/);
  t.match(list(new Uint8Array(2)), /which takes a list/);
  t.match(list(new Set([1])), /which takes a list/);
  const map = one(mapOf('integer'));
  for (const value of [new Map([['a', 1]]), new Point(), new Date(0)])
    t.match(map(value), /which takes a map/);
  t.match(one(record({ x: 'integer' }))(new Point()), /which takes a record/);
  t.match(one('number')(10n), /has 10 in the field it, which takes a finite number/);
  t.match(one('int64')(10n), /has 10 in the field it/);
  t.match(one('text')(Symbol('a')), /has Symbol\(a\) in the field it/);
  t.match(one(mapOf('integer'))({ toJSON: () => 1 }), /in the field it.toJSON, which takes an integer/);
  const without = Object.assign(Object.create(null), { a: 1 });
  t.equal(map(without), undefined, 'a plain object without a prototype comes back with one');
});

await t.test('numbers as JSON has them', async (t) => {
  t.equal(one('number')(1e21), undefined);
  t.equal(one('number')(-0), undefined, 'stored as 0');
  t.match(one('integer')(1e21), /which takes an integer/, 'beyond what is exact');
  t.match(one('integer')(2 ** 53), /which takes an integer/);
  t.match(one(listOf('number'))([Number.NaN]), /has NaN in the field it\[0\]/);
});

await t.test('a value as deep or as large as you like is refused by what it is, quickly', async (t) => {
  let deep: unknown = [];
  for (let i = 0; i < 100_000; i++) deep = [deep];
  t.match(one(listOf('text'))(deep), /in the field it\[0\], which takes a text/);
  // Newer ones of Node write as deep as that.
  t.match(one('text')(deep), /has (what has no JSON form|\[+…) in the field it, which takes a text/);
  const circle: Record<string, unknown> = {};
  circle['it'] = circle;
  t.match(one('text')(circle), /has what has no JSON form in the field it, which takes a text/);
  t.match(one(mapOf(mapOf('text')))(circle), /in the field it\.it\.it, which takes a text/);
  t.ok((one('integer')('x'.repeat(10_000_000))?.length ?? 0) < 200);
});

await t.test('what declares no limit has one, unless it is a text of the event itself', async (t) => {
  const long = 'x'.repeat(LIMITS.longest + 1);
  t.equal(one('text')(long), undefined);
  t.match(
    one(listOf('text'))([long]),
    /has 65537 characters in the field it\[0\], which takes at most 65536/,
  );
  t.match(one('bytes')(Buffer.alloc(LIMITS.longest + 1).toString('base64')), /has 65537 bytes/);
  t.match(one(listOf('integer'))(Array.from({ length: 1_001 }, () => 0)), /has 1001 items in the field it/);
  const keys = Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [`k${i}`, 0]));
  t.match(one(mapOf('integer'))(keys), /has 1001 keys in the field it/);
});

await t.test('limits are for what is appended: what is stored stays readable', async (t) => {
  const check = compileCheck({
    it: listOf(textUpTo(2), { most: 1 }),
    key: bytesUpTo(1),
    map: mapOf('text', { most: 1 }),
  });
  const data = { it: ['long', 'x'], key: 'AAEC', map: { a: '', b: 'x'.repeat(100_000) } };
  t.match(check(data), /has 2 items/);
  t.equal(check(data, 'read'), undefined);
  t.match(
    check({ ...data, it: [1] }, 'read'),
    /in the field it\[0\], which takes a text/,
    'shapes are for both',
  );
});

await t.test('a schema that no event could fit is refused', async (t) => {
  let deep: ValueSpec = 'text';
  for (let i = 0; i <= LIMITS.levels; i++) deep = listOf(deep);
  const cases: readonly [FieldSpecs, RegExp][] = [
    [named('constructor'), /declares the field constructor, which has a name that no field can have/],
    [{ '': 'text?' }, /declares the field \[""\], which has a name/],
    [{ a: record(named('toString')) }, /declares the field a\.toString, which has a name/],
    [{ a: deep }, /declares the field a(\[\]){8}, which is in more than 8 lists, maps and records/],
    [{ a: listOf('text', { most: 0 }) }, /declares the field a, which has the limit 0/],
    [
      { a: optional(listOf(mapOf('text', { most: 1.5 }))) },
      /declares the field a\[\], which has the limit 1\.5/,
    ],
    [{ a: textUpTo(-1) }, /the limit -1/],
    [{ a: bytesUpTo(Number.NaN) }, /the limit NaN/],
  ];
  for (const [fields, message] of cases)
    t.throws(() => compileCheck(fields), { ...ofKind('invalid'), message });
});

await t.test('int64 has one text for each number', async (t) => {
  const good = ['0', '-1', '7', '9223372036854775807', '-9223372036854775808', '999999999999999999'];
  for (const text of good) {
    t.ok(isInt64(text), text);
    t.equal(String(BigInt(text)), text);
  }
  const bad = ['', '-', '-0', '+1', '01', '1.0', '1e3', ' 1', '1\n', '0x1', '٣', '９', '9223372036854775808'];
  for (const text of [...bad, '-9223372036854775809', '10000000000000000000', 1, null, 1n])
    t.notOk(isInt64(text), String(text));
});

await t.test('bytes have one text each', async (t) => {
  for (let length = 0; length < 40; length++) {
    const bytes = Buffer.from(Array.from({ length }, (_, i) => 255 - i * 7));
    t.equal(lengthOfBase64(bytes.toString('base64')), length);
  }
  for (const text of [
    'A',
    'AA',
    'AA=',
    'AB==',
    'AAB=',
    'A===',
    '====',
    'AA==AA==',
    'AA-_',
    ' AAA',
    'AAA\n',
    'AAAA\n',
    7,
  ])
    t.equal(lengthOfBase64(text), undefined, String(text));
});
