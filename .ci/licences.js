/**
 * Whether every production dependency may be shipped with: `node .ci/licences.js [DIRECTORY]`. Reads package.json files in
 * node_modules and asks nobody. Exit code 0 when each has a licence of the list; 1 names those that have not, and who needs them.
 */

import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { manifestIn, productionOf } from './production.js';

const ALLOWED = new Set(['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT']);

const root = resolve(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)));
/** As SPDX has it: `MIT`, `(MIT OR GPL-3.0-only)`, `BSD-3-Clause AND Apache-2.0`. AND binds closer than OR. */
function isAllowed(expression) {
  const words = expression.match(/[()]|[^\s()]+/g) ?? [];
  const either = () => {
    let allowed = both();
    while (words[0] === 'OR' && words.shift()) allowed = both() || allowed;
    return allowed;
  };
  const both = () => {
    let allowed = one();
    while (words[0] === 'AND' && words.shift()) allowed = one() && allowed;
    return allowed;
  };
  const one = () => {
    const word = words.shift();
    if (word !== '(') return word !== undefined && ALLOWED.has(word);
    const allowed = either();
    return words.shift() === ')' && allowed;
  };
  return either() && words.length === 0;
}

const { found, missing } = productionOf(root);
const counts = new Map();
const faults = missing.map((way) => `${way.join(' > ')} is not installed; run npm ci`);
for (const [folder, way] of found) {
  const { version, license } = manifestIn(folder);
  const said = typeof license === 'string' ? license : 'no licence that SPDX knows';
  counts.set(said, (counts.get(said) ?? 0) + 1);
  if (!isAllowed(said)) faults.push(`${way.join(' > ')} ${version} has ${said}`);
}
if (found.size === 0 && faults.length === 0) faults.push(`${root} names no dependency`);

for (const fault of faults) console.error(fault);
if (faults.length > 0) {
  console.error(`allowed are ${[...ALLOWED].join(', ')}: take another dependency, or decide on its licence`);
  process.exitCode = 1;
} else {
  const told = [...counts].sort(([, a], [, b]) => b - a).map(([licence, count]) => `${count} ${licence}`);
  console.log(`${found.size} production dependencies: ${told.join(', ')}`);
}
