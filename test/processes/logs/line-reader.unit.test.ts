/** Where lines end, where they stand, and what becomes of the bytes in them. */

import t from 'tap';
import { LineReader } from '../../../src/processes/logs/line-reader.js';
import { toLines } from '../../support/plotter-logs.js';

function readText(text: string): Array<readonly [string, number]> {
  return toLines(Buffer.from(text)).map((line) => [line.text, line.offset] as const);
}

t.test('a line ends with LF, CRLF or a lone CR; offsets stand just past the end', async (t) => {
  t.strictSame(readText('one\ntwo\r\nthree\rfour\n'), [
    ['one', 4],
    ['two', 9],
    ['three', 15],
    ['four', 20],
  ]);
  t.strictSame(readText('\n\r\n\r'), [
    ['', 1],
    ['', 3],
    ['', 4],
  ]);
  t.strictSame(readText(''), []);
});

t.test('a half line waits for its end, and comes with the end of everything', async (t) => {
  const reader = new LineReader();
  t.strictSame(reader.push(Buffer.from('ha')), []);
  t.strictSame(reader.push(Buffer.from('lf\nre')), [{ text: 'half', offset: 5 }]);
  t.strictSame(reader.end(), { text: 're', offset: 7 });
  t.strictSame(reader.end(), undefined);
});

t.test('a CR waits to see whether an LF follows, so that no offset stands between them', async (t) => {
  const reader = new LineReader();
  t.strictSame(reader.push(Buffer.from('one\r')), []);
  t.strictSame(reader.push(Buffer.from('\ntwo\r')), [{ text: 'one', offset: 5 }]);
  t.strictSame(reader.push(Buffer.from('three')), [{ text: 'two', offset: 9 }]);
  t.strictSame(reader.push(Buffer.from('\r')), []);
  t.strictSame(reader.end(), { text: 'three', offset: 15 });
});

t.test('offsets count from where the reading began', async (t) => {
  const reader = new LineReader({ offset: 1_000 });
  t.strictSame(reader.push(Buffer.from('a\nb')), [{ text: 'a', offset: 1_002 }]);
  t.strictSame(reader.end(), { text: 'b', offset: 1_003 });
});

t.test('a line that is too long is cut and its rest skipped; the next one is whole', async (t) => {
  const reader = new LineReader({ maxLineBytes: 5 });
  t.strictSame(reader.push(Buffer.from('123456')), []);
  t.strictSame(reader.push(Buffer.from('789')), []);
  t.strictSame(reader.push(Buffer.from('\n12345\n1\n')), [
    { text: '12345', offset: 10 },
    { text: '12345', offset: 16 },
    { text: '1', offset: 18 },
  ]);
  t.equal(reader.heldBytes, 5);
});

t.test('the chunk may be used again', async (t) => {
  const reader = new LineReader();
  const chunk = Buffer.from('one\ntw');
  const lines = reader.push(chunk);
  chunk.fill('x');
  t.strictSame(
    [...lines, ...reader.push(Buffer.from('o\n'))],
    [
      { text: 'one', offset: 4 },
      { text: 'two', offset: 8 },
    ],
  );
});

t.test('escape sequences go, all else stays', async (t) => {
  const cases: ReadonlyArray<readonly [string, string]> = [
    ['\x1b[32mINFO    \x1b[0m Memo', 'INFO     Memo'],
    ['\x1b[38;2;255;100;0mx\x1b[K', 'x'],
    ['\x1b[?25l\x1b[2J\x1b[1;1Hx\x1b[1 q', 'x'],
    ['\x1b]0;a title; with [brackets]\x07x', 'x'],
    ['\x1b]8;;http://a/\x1b\\link\x1b]8;;\x1b\\', 'link'],
    ['\x1b(Bx\x1b=\x1bM', 'x'],
    ['a\tb\0c', 'a\tb\0c'],
    ['[32m is text', '[32m is text'],
    ['\x1b]0;never ended', '\x1b]0;never ended'],
  ];
  for (const [printed, expected] of cases) t.strictSame(readText(printed)[0]?.[0], expected);
});

t.test('a character cut by a chunk is whole again; bytes that are none are replaced', async (t) => {
  const reader = new LineReader();
  const snowman = Buffer.from('☃\n');
  reader.push(snowman.subarray(0, 1));
  t.strictSame(reader.push(snowman.subarray(1)), [{ text: '☃', offset: 4 }]);
  t.strictSame(reader.push(Buffer.from([0x61, 0xff, 0x62, 0x0a])), [{ text: 'a\ufffdb', offset: 8 }]);
});
