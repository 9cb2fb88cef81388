/** Suggestions help with slips and stay silent otherwise. */

import t from 'tap';
import { closest, editDistance } from '../../src/base/suggestion.js';

t.test('distance counts insertions, deletions, replacements and swaps of neighbours', async (t) => {
  const distances: [string, string, number][] = [
    ['', '', 0],
    ['', 'abc', 3],
    ['abc', '', 3],
    ['listen', 'listen', 0],
    ['lisen', 'listen', 1],
    ['lsiten', 'listen', 1],
    ['kitten', 'sitting', 3],
  ];
  for (const [a, b, distance] of distances) {
    t.equal(editDistance(a, b), distance, `${a} ${b}`);
    t.equal(editDistance(b, a), distance, `${b} ${a}`);
  }
});

t.test('the nearest candidate is suggested, and none when none is near', async (t) => {
  const names = ['listen', 'data', 'worker_id', 'log.level', 'leases.default_seconds'];
  t.equal(closest('lisen', names), 'listen');
  t.equal(closest('loglevel', names), 'log.level');
  t.equal(closest('worker', names), 'worker_id', 'the beginning of a longer name');
  t.equal(closest('colour', names), undefined);
  t.equal(closest('d', names), undefined, 'a single letter means nothing');
  t.equal(closest('x', []), undefined);
});
