/** What each rule lets pass and what it says of the rest, at its edges. */

import t from 'tap';
import * as rules from '../../src/base/field-rules.js';

const NOW = 1_700_000_000;

const TEXTS: readonly [
  name: string,
  rule: rules.TextRule,
  good: readonly string[],
  bad: readonly string[],
][] = [
  [
    'ids',
    rules.isId,
    ['a', '0', 'task_6a1f0b52-7d53-4f7e-9c1f-0d9a5a2f6c11', 'f'.repeat(64), 'host:1.2_x-y'],
    ['', '_a', '-a', '.', 'f'.repeat(65), 'a b', 'a/b', 'a\n', 'a\0', 'é', '%', '$a', 'a*'],
  ],
  [
    'absolute paths',
    rules.isAbsolutePath,
    ['/', '/a b', "/it's", '/a/../b', `/${'a'.repeat(4095)}`, '/绘图', '/-rf', '/$(x);`y`'],
    ['', 'a', './a', '~/a', ' /a', '/a\n', '/a\r', '/a\0b', '/a\u0085', '/a\u2028', '/a\u2029', '/\u007f'],
  ],
  [
    'long paths are counted in bytes',
    rules.isAbsolutePath,
    [`/${'é'.repeat(2047)}`],
    [`/${'é'.repeat(2048)}`],
  ],
  ['file names', rules.isFileName, ['a.plot', '...', ' '], ['a/b', '/', '.', '..', 'a\0', 'x'.repeat(256)]],
  ['lines', rules.isLine(3), ['', 'abc', 'a b'], ['abcd', 'a\nb', 'a\tb', 'a\0']],
  ['texts', rules.isText(3), ['', 'a\nb'], ['abcd', 'a\0']],
  ['choices', rules.isOneOf('local', 'nfs'), ['local', 'nfs'], ['', 'LOCAL', 'local ', 'smb']],
];

const ENDLESS = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

const NUMBERS: readonly [
  name: string,
  rule: rules.NumberRule,
  good: readonly number[],
  bad: readonly number[],
][] = [
  ['whole numbers', rules.isWhole(1, 1024), [1, 1024], [0, 1025, 1.5, -1]],
  ['pids', rules.isPid, [1, 2_147_483_647], [0, -1, 2_147_483_648]],
  ['durations', rules.isDuration, [0, 0.5, 316_224_000], [-0.1, 316_224_001]],
  ['cpu', rules.isCpu, [0, 798.6, 1_000_000], [-1, 1_000_001]],
  ['progress', rules.isProgress, [0, 42.5, 100], [-0.1, 100.1]],
  ['byte counts', rules.isByteCount, [0, 3_425_151_400, 2 ** 53 - 1], [-1, 2 ** 53, 0.5]],
  [
    'points in time',
    rules.isPointInTime(NOW),
    [1_262_304_000, NOW + 86_400],
    [0, 1_262_303_999, NOW + 86_401, -NOW],
  ],
];

t.test('texts', async (t) => {
  for (const [name, rule, good, bad] of TEXTS) {
    for (const value of good)
      t.equal(rule(value), undefined, `${name}: ${encodeURIComponent(value).slice(0, 30)}`);
    for (const value of bad)
      t.match(rule(value), /^must /, `${name}: not ${encodeURIComponent(value).slice(0, 30)}`);
  }
});

t.test('numbers', async (t) => {
  for (const [name, rule, good, bad] of NUMBERS) {
    for (const value of good) t.equal(rule(value), undefined, `${name}: ${value}`);
    for (const value of [...bad, ...ENDLESS])
      t.match(rule(value), new RegExp(`^must .* not ${value}$`), `${name}: not ${value}`);
  }
});

t.test('fields that must be given, and fields that may', async (t) => {
  const invalid = (message: RegExp) => ({ name: 'InvalidFieldError', kind: 'invalid', field: 'f', message });
  t.equal(rules.given('f', 'a', rules.isId), 'a');
  for (const missing of [undefined, '']) {
    t.throws(() => rules.given('f', missing, rules.isId), invalid(/^f: is missing$/));
    t.equal(rules.optional('f', missing, rules.isId), undefined);
  }
  t.throws(() => rules.given('f', ' ', rules.isId), invalid(/^f: must be 1 to 64/));
  t.throws(() => rules.optional('f', ' ', rules.isId), invalid(/^f: must be 1 to 64/));

  t.equal(rules.givenNumber('f', 3, rules.isWhole(1, 1024)), 3);
  for (const missing of [undefined, 0, -0]) {
    t.throws(() => rules.givenNumber('f', missing, rules.isWhole(1, 1024)), invalid(/^f: is missing$/));
    t.equal(rules.optionalNumber('f', missing, rules.isWhole(1, 1024)), undefined);
  }
  t.throws(() => rules.givenNumber('f', Number.NaN, rules.isWhole(1, 1024)), invalid(/not NaN$/));
  t.throws(() => rules.optionalNumber('f', -1, rules.isWhole(1, 1024)), invalid(/not -1$/));
});
