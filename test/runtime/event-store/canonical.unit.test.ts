/** The one form that checksums are made of: what is appended has the form of what will be read, whatever stands in it. */

import t from 'tap';
import { canonicalJson, canonicalJsonOf } from '../../../src/runtime/event-store/canonical.js';

const NUL = '\u0000';
class Amount {
  readonly cents = 7;
  toJSON() {
    return { cents: String(this.cents) };
  }
}

/** Nothing stands in its middle. */
const holey: unknown[] = [1];
holey[2] = 3;

const VALUES: readonly Record<string, unknown>[] = [
  {},
  { b: 1, a: 'x', c: null, d: true, B: -0, '10': 1, '9': 2, ä: 'ö' },
  { list: [1, [2, { z: 1, y: [] }], {}], left: undefined, nested: { left: undefined, kept: '' } },
  { text: '"\\\n\u2028\ud800 \u{1f989}', number: 1e21, small: 1e-7, none: Number.NaN, all: Infinity },
  { list: [undefined, () => 1, Symbol('s'), null], holey, gone: () => 1, lost: Symbol('s') },
  {
    date: new Date(0),
    amount: new Amount(),
    map: new Map([[1, 2]]),
    boxed: Object('text'),
    bytes: Buffer.from('x'),
  },
  { at: [new Date(0)], without: Object.assign(Object.create(null), { b: 1, a: 2 }) },
  JSON.parse('{"__proto__": {"b": 1, "a": 2}, "constructor": 3, "a": 4}'),
  { toJSON: 'a text', a: 1 },
];

t.test('of a value, and of what its JSON gives', async (t) => {
  for (const [i, value] of VALUES.entries()) {
    const json = JSON.stringify(value);
    const parsed: unknown = JSON.parse(json);
    t.equal(canonicalJsonOf(value, json), canonicalJson(parsed), `value ${i}`);
    t.same(JSON.parse(canonicalJson(parsed)), parsed, 'it is JSON of the same');
  }
});

t.test('names are in order, whatever was asked before', async (t) => {
  t.equal(canonicalJson({ b: 1, a: 2 }), '{"a":2,"b":1}');
  t.equal(canonicalJson({ a: 2, b: 1 }), '{"a":2,"b":1}');
  t.equal(canonicalJson({ b: undefined, a: 2 }), '{"a":2}');
  // Names that read the same when they are joined.
  t.equal(canonicalJson({ [`a${NUL}b`]: 1, c: 2 }), '{"a\\u0000b":1,"c":2}');
  t.equal(canonicalJson({ a: 1, [`b${NUL}c`]: 2 }), '{"a":1,"b\\u0000c":2}');
  t.equal(canonicalJson({ a: 1, b: 2, c: 3 }), '{"a":1,"b":2,"c":3}');
  for (let i = 0; i < 2_500; i++) canonicalJson({ [`name ${i}`]: i });
  t.equal(canonicalJson({ b: 1, a: 2 }), '{"a":2,"b":1}', 'also behind more kinds than are kept');
});
