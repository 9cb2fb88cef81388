/** The recorded logs as bytes arrive in real life: cut anywhere, coloured, damaged, endless, and read again after a crash. */

import t from 'tap';
import { LineReader, type LogLine } from '../../../../../src/processes/logs/line-reader.js';
import { LOG_NAMES, LOGS, readLog, toLines } from '../../../../support/plotter-logs.js';
import { randomFrom } from '../../../../support/random.js';
import { EXPECTED_FACTS } from '../../support/expected-facts.js';
import { factsOf, newsOf, sumOf } from '../../support/plotter-facts.js';

const MAX_LINE_BYTES = 65_536;

/** Pushes the bytes in pieces, whose sizes the function gives. */
function readInPieces(bytes: Buffer, nextSize: () => number): LogLine[] {
  const reader = new LineReader();
  const lines: LogLine[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = nextSize();
    lines.push(...reader.push(bytes.subarray(at, at + size)));
    at += size;
  }
  const rest = reader.end();
  return rest ? [...lines, rest] : lines;
}

/** Every line of a log, changed. */
function mapLines(bytes: Buffer, change: (line: Buffer, index: number) => Buffer): Buffer {
  return Buffer.concat(toLines(bytes).map(({ text }, index) => change(Buffer.from(text), index)));
}

for (const name of LOG_NAMES) {
  const { file, format } = LOGS[name];
  const bytes = readLog(name);
  const whole = toLines(bytes);

  t.test(`${file} in random pieces`, async (t) => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const random = randomFrom(seed);
      const longest = 10 ** (1 + (seed % 4));
      const lines = readInPieces(bytes, () => 1 + Math.floor(random() * longest));
      t.strictSame(lines, whole, `seed ${seed}`);
      t.strictSame(factsOf(format, lines), EXPECTED_FACTS[name], `seed ${seed}`);
    }
  });

  t.test(`${file}, its begin byte by byte`, async (t) => {
    const begin = bytes.subarray(0, 20_000);
    t.strictSame(
      readInPieces(begin, () => 1),
      toLines(begin),
    );
  });

  t.test(`${file} with CRLF, also cut between the two`, async (t) => {
    const changed = mapLines(bytes, (line) => Buffer.concat([line, Buffer.from('\r\n')]));
    t.strictSame(factsOf(format, toLines(changed)), EXPECTED_FACTS[name]);
    const texts = readInPieces(changed, () => 1).map(({ text }) => text);
    t.strictSame(
      texts,
      toLines(changed).map(({ text }) => text),
    );
    t.equal(texts.length, whole.length);
  });

  t.test(`${file} in colours, with titles and rewritten progress bars between`, async (t) => {
    const changed = mapLines(bytes, (line, index) =>
      Buffer.concat([
        Buffer.from(`\x1b]0;plot ${index}\x07\x1b[2K 10%\r 20%\r`),
        Buffer.from('\x1b[1;38;2;255;100;0m'),
        line,
        Buffer.from('\x1b[0m\n'),
      ]),
    );
    t.strictSame(factsOf(format, toLines(changed)), EXPECTED_FACTS[name]);
  });

  t.test(`${file} with bytes that are no UTF-8, and NULs`, async (t) => {
    const junk = Buffer.from([0xff, 0xfe, 0x00, 0xc3, 0x28, 0xf0, 0x9f, 0x0a]);
    const changed = mapLines(bytes, (line) => Buffer.concat([junk, line, Buffer.from('\n')]));
    t.strictSame(factsOf(format, toLines(changed)), EXPECTED_FACTS[name]);
  });

  t.test(`${file} read again from any 50th line on tells what an undisturbed reader is told`, async (t) => {
    const undisturbed = newsOf(format, whole);
    for (let boundary = 0; boundary <= whole.length; boundary += 50) {
      const offset = whole[boundary - 1]?.offset ?? 0;
      t.strictSame(
        toLines(bytes.subarray(offset), offset),
        whole.slice(boundary),
        `lines from byte ${offset}`,
      );
      const again = newsOf(format, whole).filter((_, index) => (whole[index]?.offset ?? 0) > offset);
      t.strictSame(again, undisturbed.slice(boundary), `news past byte ${offset}`);
      t.strictSame(sumOf([sumOf(undisturbed.slice(0, boundary)), ...again]), EXPECTED_FACTS[name]);
    }
  });
}

t.test('a line of 100 MB in the middle costs no more than the reader may hold', async (t) => {
  const bytes = readLog('chia');
  const middle = toLines(bytes)[1000]?.offset ?? 0;
  const reader = new LineReader({ maxLineBytes: MAX_LINE_BYTES });
  const endless = Buffer.alloc(1_000_000, 'x');
  const lines = reader.push(bytes.subarray(0, middle));
  let most = 0;
  for (let megabyte = 0; megabyte < 100; megabyte += 1) {
    lines.push(...reader.push(endless));
    most = Math.max(most, reader.heldBytes);
  }
  t.equal(lines.length, 1001);
  t.ok(most <= MAX_LINE_BYTES, `${most} bytes held`);
  lines.push(...reader.push(Buffer.from('\n')), ...reader.push(bytes.subarray(middle)));
  t.equal(lines[1001]?.text.length, MAX_LINE_BYTES);
  t.equal(lines[1001]?.offset, middle + 100_000_001);
  t.equal(lines.at(-1)?.offset, bytes.length + 100_000_001);
  t.strictSame(factsOf('chia', lines), EXPECTED_FACTS.chia);
});

t.test('no line keeps a parser busy: 64 KiB of what its patterns look for are read at once', async (t) => {
  const hostile = [
    'Memo: ',
    '"\\',
    'Error',
    'Only wrote ',
    '.plot.tmp -> ',
    ' ',
    'a',
    '\x1b[',
    '\x1b];',
    ': ',
    '1 ',
  ];
  for (const piece of hostile) {
    const prefixes = [
      '',
      'Renamed final file from "',
      'Only wrote ',
      'Plot ',
      'Copy to ',
      '\tBucket ',
      'Could not ',
    ];
    const text = prefixes
      .map((prefix) => (prefix + piece.repeat(MAX_LINE_BYTES)).slice(0, MAX_LINE_BYTES))
      .join('\n');
    const begin = process.cpuUsage();
    for (const name of LOG_NAMES) factsOf(LOGS[name].format, toLines(Buffer.from(text)));
    const { user } = process.cpuUsage(begin);
    t.ok(user < 1_000_000, `${JSON.stringify(piece)}: ${user} µs`);
  }
});
