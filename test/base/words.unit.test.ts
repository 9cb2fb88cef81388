/** Arguments as words: what quotes and backslashes mean, that nothing else means anything, and what is refused. */

import t from 'tap';
import { wordsOf } from '../../src/base/words.js';

t.test('words', (t) => {
  const table: readonly (readonly [string, readonly string[]])[] = [
    ['', []],
    ['   ', []],
    ['a', ['a']],
    [' a  b ', ['a', 'b']],
    [`'a b' c`, ['a b', 'c']],
    [`"a b" c`, ['a b', 'c']],
    [`a'b c'd`, ['ab cd']],
    [`'' ""`, ['', '']],
    [`a\\ b`, ['a b']],
    [`"a \\" \\\\ \\n"`, ['a " \\ \\n']],
    [`'a \\ "'`, ['a \\ "']],
    ['$HOME `id` $(id) * ~ ; | > &', ['$HOME', '`id`', '$(id)', '*', '~', ';', '|', '>', '&']],
    ['--x=1 {in} {args}', ['--x=1', '{in}', '{args}']],
    ['ä "ö ü" 日本', ['ä', 'ö ü', '日本']],
    ['x'.repeat(255), ['x'.repeat(255)]],
    ['😀'.repeat(255), ['😀'.repeat(255)]],
  ];
  for (const [args, words] of table) t.same(wordsOf(args), words, args);
  t.end();
});

t.test('what is none', (t) => {
  const table: readonly (readonly [string, RegExp])[] = [
    [`'a`, /a single one stays open/],
    [`a "b`, /a double one stays open/],
    [`a"b\\"`, /a double one stays open/],
    ['a\\', /must not end with a backslash/],
    ['a\0b', /no NUL/],
    ['a\nb', /line break/],
    ['x'.repeat(256), /at most 255/],
  ];
  for (const [args, message] of table) t.throws(() => wordsOf(args), { kind: 'invalid', message }, args);
  t.throws(() => wordsOf(`'`, 'order.args'), { message: /order\.args/ });
  t.end();
});
