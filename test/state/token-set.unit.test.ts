/** The token set beside what it stands for: a sorted map that is copied whole each time. And how much of it is copied. */

import t, { type Test } from 'tap';
import {
  firstToken,
  hasToken,
  type Mark,
  markOf,
  NO_TOKENS,
  type TokenSet,
  tokenOfNumber,
  tokensOf,
  withoutToken,
  withToken,
} from '../../src/state/token-set.js';
import { randomFrom } from '../support/random.js';

/** All nodes: objects and lists. */
function nodesOf(value: unknown, found = new Set<object>()): Set<object> {
  if (typeof value !== 'object' || value === null) return found;
  found.add(value);
  for (const one of Object.values(value)) nodesOf(one, found);
  return found;
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null || !('nodes' in value)) return 1;
  return 1 + depthOf(Object.values(value.nodes ?? [])[0]);
}

/** The entries of all lists that one set has and another has not: what was copied. */
function copied(from: object, to: object): { readonly nodes: number; readonly entries: number } {
  const known = nodesOf(from);
  const fresh = [...nodesOf(to)].filter((node) => !known.has(node));
  const lists = fresh.filter((node) => Array.isArray(node));
  return { nodes: fresh.length, entries: lists.reduce((sum, list) => sum + Object.keys(list).length, 0) };
}

function assertIs(t: Test, set: TokenSet<Mark>, map: ReadonlyMap<string, Mark>, what: string): void {
  const sorted = [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  t.strictSame([...tokensOf(set)], sorted, what);
  t.equal(set.count, map.size);
  t.strictSame(firstToken(set), sorted[0]);
}

t.test('it is what a sorted map is, whatever comes in which order, and what was before stays', async (t) => {
  for (const seed of [1, 2, 3]) {
    const random = randomFrom(seed);
    const map = new Map<string, Mark>();
    let set: TokenSet<Mark> = NO_TOKENS;
    const kept: [TokenSet<Mark>, ReadonlyMap<string, Mark>][] = [];
    for (let step = 0; step < 6000; step++) {
      // Grows at first and is emptied at the end.
      const adds = random() < (step < 3500 ? 0.75 : 0.2);
      const token = `${Math.floor(random() * 1500)}`;
      const mark = random() < 0.5 ? step : `m${step}`;
      set = adds ? withToken(set, token, mark) : withoutToken(set, token);
      if (adds) map.set(token, mark);
      else map.delete(token);
      if (markOf(set, token) !== map.get(token) || hasToken(set, token) !== map.has(token)) t.fail(token);
      if (step % 1000 === 0) kept.push([set, new Map(map)]);
    }
    assertIs(t, set, map, `random ${seed}`);
    for (const [before, then] of kept) assertIs(t, before, then, 'an older one');
    for (const token of map.keys()) set = withoutToken(set, token);
    t.strictSame(set, NO_TOKENS, 'emptied, it is the empty one');
  }
});

t.test('what changes nothing is the same set', async (t) => {
  const set = withToken(withToken(NO_TOKENS, 'b', 1), 'a', 2);
  t.equal(withToken(set, 'b', 1), set);
  t.equal(withoutToken(set, 'c'), set);
  t.equal(markOf(withToken(set, 'b', 3), 'b'), 3);
  t.equal(withToken(set, 'b', 3).count, 2);
  t.strictSame(firstToken(set), ['a', 2]);
  t.equal(firstToken(NO_TOKENS), undefined);
});

t.test(
  'any text is a token, also one that names fields of objects, and JSON gives the set back',
  async (t) => {
    const words = [
      '',
      '__proto__',
      'constructor',
      'toString',
      'nodes',
      '\u0000',
      'é',
      '\ud800',
      '😀',
      '10',
      '9',
    ];
    let set: TokenSet = NO_TOKENS;
    for (const [mark, word] of words.entries()) set = withToken(set, word, mark);
    const read: TokenSet = JSON.parse(JSON.stringify(set));
    t.strictSame(read, set);
    for (const [mark, word] of words.entries()) t.equal(markOf(read, word), mark, JSON.stringify(word));
    t.notOk(hasToken(read, 'hasOwnProperty'));
    t.equal(withoutToken(read, 'nodes').count, words.length - 1);
    const numbers = [0, 9, 10, 1_700_000_000_000, Number.MAX_SAFE_INTEGER].map(tokenOfNumber);
    t.strictSame([...numbers].sort(), numbers, 'numbers keep their order');
  },
);

const ORDERS: Readonly<Record<string, (n: number) => string>> = {
  'in order': (n) => `task-${String(n).padStart(6, '0')}`,
  backwards: (n) => `task-${String(999_999 - n).padStart(6, '0')}`,
  mixed: (n) => `task-${(n * 7_919) % 100_003}`,
};

for (const [name, tokenAt] of Object.entries(ORDERS)) {
  t.test(`an addition to 100,000 tokens copies a few nodes, ${name}`, async (t) => {
    let set: TokenSet = NO_TOKENS;
    let most = { nodes: 0, entries: 0 };
    for (let n = 0; n < 100_000; n++) {
      const before = set;
      set = withToken(set, tokenAt(n), 1);
      if (n % 9_973 !== 0) continue;
      const now = copied(before, set);
      most = { nodes: Math.max(most.nodes, now.nodes), entries: Math.max(most.entries, now.entries) };
    }
    t.equal(set.count, 100_000);
    const depth = depthOf(set.root);
    t.ok(depth <= 4, `${depth} levels`);
    // The set, and of each level a node and its two lists: both halves of them where all were full.
    t.ok(most.nodes <= 1 + 6 * depth, `${most.nodes} nodes`);
    t.ok(most.entries <= 2 * 33 * depth, `${most.entries} entries`);
    const without = copied(set, withoutToken(set, tokenAt(50_000)));
    t.ok(without.nodes <= 1 + 3 * depth && without.entries <= 2 * 33 * depth, 'and so does taking one away');
    t.ok(nodesOf(set).size < 100_000, 'it has fewer nodes than tokens');
  });
}
