/** Names of what jobs write: never too long, never the same. */

import t from 'tap';
import { logName, outputName } from '../../../../../src/systems/workload/service/tasks/output-names.js';

/** As a pilot has it. */
const ofAttempt = (name: string, attempt: number) => name.replace(/(\.[^.]*)$/, `.a${attempt}$1`);

t.test('after the input, with the number of the job before the ending', async (t) => {
  t.equal(outputName('run7.root', 3, 'map'), 'run7.j3.root');
  t.equal(outputName('README', 0, 'map'), 'README.j0');
  t.equal(outputName('.hidden', 0, 'map'), '.hidden.j0');
  t.equal(outputName('run7.root', 3, 'merge'), 'merged.j3.root');
  t.equal(logName('run7.root', 3, 'map'), 'run7.j3.log');
  t.equal(logName('run7.root', 3, 'merge'), 'merged.j3.log');
});

t.test('with the largest attempt and number it has 50 characters at the most', async (t) => {
  const inputs = [
    'x'.repeat(50),
    `${'x'.repeat(46)}.txt`,
    `a.${'e'.repeat(48)}`,
    '😀'.repeat(25),
    '.'.repeat(50),
  ];
  for (const input of inputs)
    for (const name of [outputName(input, 9_999_999, 'map'), logName(input, 9_999_999, 'map')]) {
      t.ok(ofAttempt(name, 99_999).length <= 50, name);
      t.match(name, /\.j9999999/);
      t.notMatch(name, /[\uD800-\uDBFF](?![\uDC00-\uDFFF])/, 'no character is cut in two');
    }
});

t.test('no two jobs write the same name, whatever their inputs are called', async (t) => {
  const inputs = [
    'a',
    'a.j1',
    'a.j2',
    'a.j1.j2',
    'a.txt',
    'a.j1.txt',
    'a.a1.txt',
    'a.a1',
    `a.j1.${'e'.repeat(20)}`,
  ];
  const names = new Set<string>();
  let made = 0;
  for (const [i, first] of inputs.entries())
    for (const [k, second] of inputs.entries()) {
      if (i === k) continue;
      for (const [name, seq] of [
        [first, 1],
        [second, 2],
      ] as const)
        for (const attempt of [1, 2]) {
          names.add(`${i} ${k} ${ofAttempt(outputName(name, seq, 'map'), attempt)}`);
          made += 1;
        }
    }
  t.equal(names.size, made);
});
