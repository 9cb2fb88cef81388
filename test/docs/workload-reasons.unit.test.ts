/** docs/workload.md lists each `reason` that workload refuses with, with its kind, and nothing else. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';

/** Reasons are words with an underscore; those of claims are told apart by where they stand. */
const WORD = /'([a-z]+(?:_[a-z]+)+)'/g;
const NOUNS = ['dataset', 'task', 'job', 'pilot'];

const page = readFileSync(join(PACKAGE_ROOT, 'docs/workload.md'), 'utf8');
/** What entities are refused with is below every system. */
const ROOTS = ['src/systems/workload/service', 'src/node/entities'];
const sources = ROOTS.flatMap((root) =>
  readdirSync(join(PACKAGE_ROOT, root), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(join(PACKAGE_ROOT, root, file), 'utf8')),
);

/** The text between a `(` and the `)` that belongs to it. */
function argumentsAt(source: string, open: number): string {
  let depth = 0;
  for (let at = open; at < source.length; at += 1) {
    if (source[at] === '(') depth += 1;
    if (source[at] === ')') depth -= 1;
    if (depth === 0) return source.slice(open + 1, at);
  }
  return '';
}

/** By reason: the kinds that errors with it are made with. */
function reasonsOfCode(): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  const add = (reason: string, kind: string) => found.set(reason, (found.get(reason) ?? new Set()).add(kind));
  for (const source of sources) {
    for (const { index, 0: call } of source.matchAll(/new OwlError\(/g)) {
      const given = argumentsAt(source, index + call.length - 1);
      const [, kind = ''] = /^\s*'(\w+)'/.exec(given) ?? [];
      const reason = given.slice(given.lastIndexOf('reason:'));
      if (!reason.startsWith('reason:')) continue;
      for (const [, word = ''] of reason.matchAll(WORD)) add(word, kind);
      if (reason.includes('noun}_not_found')) for (const noun of NOUNS) add(`${noun}_not_found`, kind);
    }
    for (const { index, 0: call } of source.matchAll(/new \w+RefusedError\(/g))
      for (const [, word = ''] of argumentsAt(source, index + call.length - 1).matchAll(
        /^\s*'([a-z]+(?:_[a-z]+)+)'/g,
      ))
        add(word, 'refused');
  }
  return found;
}

t.test('each reason stands in the table with its kind', async (t) => {
  const told = new Map<string, string>();
  for (const [, names = '', kind = ''] of page.matchAll(/^\| ((?:`\w+`(?:, )?)+) \| `(\w+)` \|/gm))
    for (const [, name = ''] of names.matchAll(/`(\w+)`/g)) told.set(name, kind);
  const made = reasonsOfCode();
  t.ok(made.size >= 15, 'they are found');
  t.same([...told.keys()].sort(), [...made.keys()].sort());
  for (const [reason, kinds] of made) t.same([...kinds], [told.get(reason)], reason);
});

t.test('and so do those of claims', async (t) => {
  const [, union = ''] = sources.join('\n').match(/export type RefusedClaim = ([^;]+);/) ?? [];
  const words = [...union.matchAll(/'(\w+)'/g)].map(([, word]) => word);
  const [, sentence = ''] = page.match(/A claim of a pilot that is not granted has one of ([^.]+)\./) ?? [];
  t.ok(words.length >= 7);
  t.same([...sentence.matchAll(/`(\w+)`/g)].map(([, word]) => word).sort(), words.sort());
});
