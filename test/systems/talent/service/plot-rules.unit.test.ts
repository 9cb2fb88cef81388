/** What an order of a plot may hold, at its edges. */

import t from 'tap';
import type { NumberRule } from '../../../../src/base/field-rules.js';
import * as rules from '../../../../src/systems/talent/service/plot-rules.js';

const NUMBERS: readonly [name: string, rule: NumberRule, good: readonly number[], bad: readonly number[]][] =
  [
    ['ksize', rules.isKsize, [18, 32, 50], [0, 17, 51, 32.5, -32]],
    ['threads', rules.isThreads, [1, 1024], [0, 1025, 1.5]],
    ['buffer', rules.isBuffer, [1, 16_777_216], [0, 16_777_217, -1]],
  ];

t.test('numbers', async (t) => {
  for (const [name, rule, good, bad] of NUMBERS) {
    for (const value of good) t.equal(rule(value), undefined, `${name}: ${value}`);
    for (const value of bad) t.match(rule(value), /^must /, `${name}: not ${value}`);
  }
});
