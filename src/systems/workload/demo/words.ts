/**
 * The program of `owl workload demo`: `count OUT IN` counts the words of a text, `sum OUT IN…` adds such counts up. A word is what
 * stands between blanks, as `wc -w` has it. With `--seconds S` behind its files it takes so long at least, to be watched.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

const BLANKS = /[\t\n\v\f\r ]+/;

const [how = '', out = '', ...rest] = process.argv.slice(2);
const option = rest.indexOf('--seconds');
const inputs = option < 0 ? rest : rest.slice(0, option);
const seconds = option < 0 ? 0 : Number(rest[option + 1]);

const counts = new Map<string, number>();
const add = (word: string, count: number) => counts.set(word, (counts.get(word) ?? 0) + count);

process.stdout.write(`${how} ${inputs.length} file${inputs.length === 1 ? '' : 's'}\n`);
for (const input of inputs) {
  const text = readFileSync(input, 'utf8');
  if (how === 'count') for (const word of text.split(BLANKS).filter((one) => one !== '')) add(word, 1);
  else
    for (const line of text.split('\n').filter((one) => one !== '')) {
      const [count = '', word = ''] = line.split('\t');
      add(word, Number(count));
    }
}
await pause(seconds * 1000);
const rows = [...counts].sort(([a, one], [b, other]) => other - one || (a < b ? -1 : 1));
writeFileSync(out, rows.map(([word, count]) => `${count}\t${word}\n`).join(''));
process.stdout.write(`${rows.length} different words\n`);
