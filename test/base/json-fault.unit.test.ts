/** Where a text stops being JSON. */

import t from 'tap';
import { jsonFault } from '../../src/base/json-fault.js';
import { randomFrom } from '../support/random.js';

t.test('the place of what is wrong, in lines and columns from 1', async (t) => {
  const at = (text: string): string => {
    const { line, column } = jsonFault(text) ?? { line: 0, column: 0 };
    return `${line}:${column}`;
  };
  const cases: readonly [text: string, place: string][] = [
    ['', '1:1'],
    ['{', '1:2'],
    ['{"a": 1,\n}', '2:1'],
    ['{"a": 1\n "b": 2}', '2:2'],
    ['[1,\n2,\n]', '3:1'],
    ['[1 2]', '1:4'],
    ["{'a': 1}", '1:2'],
    ['{"a" 1}', '1:6'],
    ['{"a": tru}', '1:7'],
    ['{"a": 01}', '1:7'],
    ['{"a": "x\ny"}', '1:7'],
    ['{} {}', '1:4'],
    ['[1}', '1:3'],
    ['\ufeff{}', '1:1'],
  ];
  for (const [text, place] of cases) t.equal(at(text), place, JSON.stringify(text));
});

t.test('it finds a fault where JSON.parse does, and nowhere else', async (t) => {
  const whole = '{"a":[1,-2.5e+3,{"b":"\\u00e9\\n\\"ü\u0080"},[],{}],"c":true,"d":null,"e":[false,"",0]}';
  const signs = [...'{}[]",:-+.e01ntf\\u \n\t\u0001'];
  const random = randomFrom(7);
  const pick = (below: number): number => Math.floor(random() * below);
  const differing: string[] = [];
  for (let round = 0; round < 20_000; round += 1) {
    let text = whole;
    for (let change = pick(4); change > 0; change -= 1) {
      const at = pick(text.length);
      text = text.slice(0, at) + (signs[pick(signs.length + 1)] ?? '') + text.slice(at + pick(3));
    }
    if ((jsonFault(text) === undefined) !== isJson(text)) differing.push(text);
  }
  t.strictSame(differing, []);
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
