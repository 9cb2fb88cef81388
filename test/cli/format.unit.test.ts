/** Values as people and programs read them. */

import t from 'tap';
import {
  formatAge,
  formatDuration,
  formatPercent,
  formatSize,
  formatTime,
  printable,
  toJson,
} from '../../src/cli/format.js';

t.test('durations', async (t) => {
  const expected: [number | undefined, string][] = [
    [undefined, ''],
    [Number.NaN, ''],
    [0, '0s'],
    [0.04, '0s'],
    [0.44, '0.4s'],
    [9.94, '9.9s'],
    [9.96, '10s'],
    [45.4, '45s'],
    [59.5, '1m 00s'],
    [192, '3m 12s'],
    [3599.6, '1h 00m'],
    [18_360, '5h 06m'],
    [86_400 * 2 + 3600 * 4, '2d 04h'],
    [-192, '-3m 12s'],
  ];
  for (const [seconds, text] of expected) t.equal(formatDuration(seconds), text, String(seconds));
});

t.test('sizes', async (t) => {
  const expected: [number | undefined, string][] = [
    [undefined, ''],
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1024 ** 2 - 1, '1.0 MiB'],
    [108_836_000_000, '101.4 GiB'],
    [1024 ** 6, '1024.0 PiB'],
  ];
  for (const [bytes, text] of expected) t.equal(formatSize(bytes), text, String(bytes));
});

t.test('times are local, and zero is none', async (t) => {
  t.equal(formatTime(new Date(2026, 2, 9, 4, 5, 6).getTime() / 1000), '2026-03-09 04:05:06');
  t.equal(formatTime(0), '');
  t.equal(formatTime(undefined), '');
  t.equal(formatTime(1e300), '');
});

t.test('ages count from now, and never backwards', async (t) => {
  t.equal(formatAge(1000, 1_192_000), '3m 12s');
  t.equal(formatAge(2000, 1_000_000), '0s');
  t.equal(formatAge(0, 1_000_000), '');
  t.equal(formatAge(undefined, 1_000_000), '');
});

t.test('percents have one decimal', async (t) => {
  t.equal(formatPercent(0), '0.0%');
  t.equal(formatPercent(45.25), '45.3%');
  t.equal(formatPercent(100), '100.0%');
  t.equal(formatPercent(undefined), '');
});

t.test(
  'text from peers can not move the cursor, colour the screen, turn text around or break lines',
  async (t) => {
    t.equal(printable('a\r\nb\tc\u2028d'), 'a b c d');
    t.equal(printable('\u001b[31mred\u0007\u009b2J\u202eend\u0000'), '�[31mred��2J�end�');
    t.equal(printable('plain – ünï 日本 🌱'), 'plain – ünï 日本 🌱');
  },
);

t.test('JSON writes single precision numbers as they were meant and leaves all others alone', async (t) => {
  t.equal(toJson({ time: Math.fround(12.34), cpu: Math.fround(0.1) }), '{"time":12.34,"cpu":0.1}');
  const exact = [
    0,
    -1,
    7,
    0.1,
    1 / 3,
    1_700_000_000.5,
    1_700_001_024,
    3_425_151_400,
    2 ** 53 - 1,
    8_388_608.5,
  ];
  t.equal(toJson(exact), JSON.stringify(exact));
  t.equal(toJson({ a: undefined, b: [Math.fround(-2.2)] }), '{"b":[-2.2]}');
});
