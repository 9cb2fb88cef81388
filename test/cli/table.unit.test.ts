/** Tables fit, leave out what does not, and never lie about widths. */

import t from 'tap';
import { type Column, renderPairs, renderTable, Table } from '../../src/cli/table.js';
import { cut, pad, textWidth, wrap } from '../../src/cli/text-width.js';

interface Row {
  readonly id: string;
  readonly count: number;
  readonly path: string;
  readonly note: string;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'ID', rank: 0, value: ({ id }) => id },
  { title: 'COUNT', rank: 1, align: 'right', value: ({ count }) => String(count) },
  { title: 'PATH', rank: 3, least: 8, overflow: 'cut-start', value: ({ path }) => path },
  { title: 'NOTE', rank: 2, least: 8, value: ({ note }) => note },
];

const ROWS: readonly Row[] = [
  { id: 'a1', count: 5, path: '/ssd/one/two/three', note: 'nothing to say about it' },
  { id: 'b22', count: 1000, path: '/hdd', note: '' },
];

t.test('with room, everything is shown whole and numbers are aligned to the right', async (t) => {
  t.equal(
    renderTable(COLUMNS, ROWS, { width: 80 }),
    [
      'ID   COUNT  PATH                NOTE',
      'a1       5  /ssd/one/two/three  nothing to say about it',
      'b22   1000  /hdd                -',
      '',
    ].join('\n'),
  );
});

t.test('with less room, values of the lower ranks are shortened last', async (t) => {
  t.equal(
    renderTable(COLUMNS, ROWS, { width: 40 }),
    [
      'ID   COUNT  PATH      NOTE',
      'a1       5  …o/three  nothing to say ab…',
      'b22   1000  /hdd      -',
      '',
    ].join('\n'),
  );
});

t.test('with even less, columns of high rank are left out; rank 0 stays', async (t) => {
  t.match(renderTable(COLUMNS, ROWS, { width: 25 }), /^ID {3}COUNT {2}NOTE\na1 {7}5 {2}nothing to s…\n/);
  t.match(renderTable(COLUMNS, ROWS, { width: 12 }), /^ID {3}COUNT\n/);
  t.match(renderTable(COLUMNS, ROWS, { width: 3 }), /^ID\na1\nb22\n$/);
});

t.test('no line is ever wider than asked for', async (t) => {
  for (let width = 3; width <= 80; width += 1) {
    const lines = renderTable(COLUMNS, ROWS, { width }).split('\n');
    t.ok(
      lines.every((line) => textWidth(line) <= width),
      String(width),
    );
  }
});

t.test('a column that is empty in every row is left out, but not from a table without rows', async (t) => {
  const rows = ROWS.map((row) => ({ ...row, path: '' }));
  t.match(renderTable(COLUMNS, rows, { width: 80 }), /^ID {3}COUNT {2}NOTE\n/);
  t.equal(renderTable(COLUMNS, [], { width: 80 }), 'ID  COUNT  PATH  NOTE\n');
});

t.test('later rows keep the layout of the first', async (t) => {
  const table = new Table(COLUMNS, ROWS, { width: 80 });
  const later = { id: 'c3-and-more', count: 7, path: '/x', note: 'later' };
  t.equal(table.body([later]), 'c3…      7  /x                  later\n');
});

t.test('a wrapping column goes on below itself', async (t) => {
  const columns: Column<Row>[] = [
    { title: 'ID', rank: 0, value: ({ id }) => id },
    { title: 'NOTE', rank: 0, least: 8, overflow: 'wrap', value: ({ note }) => note },
  ];
  t.equal(
    renderTable(columns, ROWS, { width: 16 }),
    ['ID   NOTE', 'a1   nothing to', '     say about', '     it', 'b22  -', ''].join('\n'),
  );
});

t.test('colours are only there when asked for, and change no width', async (t) => {
  const columns: Column<Row>[] = [
    {
      title: 'ID',
      rank: 0,
      value: ({ id }) => id,
      paint: (text, { id }) => (id === 'a1' ? `<${text}>` : text),
    },
    {
      title: 'COUNT',
      rank: 0,
      align: 'right',
      value: ({ count }) => String(count),
      paint: (text) => `<${text}>`,
    },
  ];
  t.equal(renderTable(columns, ROWS, { width: 80 }), 'ID   COUNT\na1       5\nb22   1000\n');
  t.equal(
    renderTable(columns, ROWS, { width: 80, hasColour: true }),
    'ID   COUNT\n<a1>       <5>\nb22   <1000>\n',
  );
});

t.test('control characters in values are shown, not printed', async (t) => {
  const evil = [{ id: 'x', count: 1, path: '/a\nb', note: '\u001b[2J' }];
  t.equal(renderTable(COLUMNS, evil, { width: 80 }), 'ID  COUNT  PATH  NOTE\nx       1  /a b  �[2J\n');
});

t.test('pairs are aligned, wrap, and are left out when they say nothing', async (t) => {
  const text = renderPairs(
    [
      ['task', 'a1'],
      ['remarks', 'one two three'],
      ['file', ''],
    ],
    17,
  );
  t.equal(text, 'task     a1\nremarks  one two\n         three\n');
});

t.test('widths count what a terminal shows', async (t) => {
  t.equal(textWidth('abc'), 3);
  t.equal(textWidth('日本'), 4);
  t.equal(textWidth('e\u0301'), 1, 'a combining accent takes no room');
  t.equal(textWidth('🌱'), 2);
  t.equal(textWidth('…'), 1);
});

t.test('cutting keeps the beginning or the end, and never half a wide character', async (t) => {
  t.equal(cut('abcdef', 6), 'abcdef');
  t.equal(cut('abcdef', 4), 'abc…');
  t.equal(cut('abcdef', 4, 'start'), '…def');
  t.equal(cut('日本語', 4), '日…');
  t.equal(cut('abc', 1), '…');
  t.equal(cut('abc', 0), '');
});

t.test('padding and wrapping', async (t) => {
  t.equal(pad('日', 4, 'left'), '日  ');
  t.equal(pad('a', 3, 'right'), '  a');
  t.equal(pad('abc', 2, 'left'), 'abc');
  t.strictSame(wrap('one two three', 7), ['one two', 'three']);
  t.strictSame(wrap('abcdefgh ij', 3), ['abc', 'def', 'gh', 'ij']);
  t.strictSame(wrap('日本語', 4), ['日本', '語']);
  t.strictSame(wrap('', 5), ['']);
});
