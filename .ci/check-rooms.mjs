/**
 * Checks that the rooms' arrows hold: each file imports only from rooms that its own may know (docs/architecture.md).
 * `types` allows `import type` only. Prints every import that goes against an arrow and exits 1, or says how many it read.
 *
 * Usage: node .ci/check-rooms.mjs [ROOT]
 */

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '..'));

/** Room → what it may import: other rooms (`types`: their types only), and libraries (`true`: any). */
const ROOMS = {
  machines: { types: ['src/runtime'], rooms: [], libraries: ['xstate'] },
  projections: { types: ['src/runtime', 'machines'], rooms: [], libraries: [] },
  'src/runtime': { types: [], rooms: [], libraries: true },
  'src/wire': { types: [], rooms: ['src/runtime'], libraries: true },
  'src/talent': { types: [], rooms: ['src/runtime', 'src/wire', 'machines', 'projections'], libraries: true },
  'src/supervisor': { types: [], rooms: ['src/runtime', 'src/wire', 'src/log-receiver'], libraries: true },
  'src/log-receiver': { types: [], rooms: ['src/runtime', 'src/wire'], libraries: true },
  'src/player': { types: [], rooms: [], libraries: true },
  'src/cli': {
    types: [],
    rooms: [
      'src/runtime',
      'src/wire',
      'src/talent',
      'src/supervisor',
      'src/log-receiver',
      'src/player',
      'machines',
      'projections',
    ],
    libraries: true,
  },
};

/** Matches `import … from 'x'`, `export … from 'x'`, `import 'x'` and `import('x')`. */
const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s*)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]/g;

const problems = [];
let files = 0;
for (const room of Object.keys(ROOMS)) {
  for (const file of filesBelow(join(root, room))) {
    files++;
    for (const [, type, fromStatement, fromCall] of readFileSync(file, 'utf8').matchAll(IMPORT)) {
      const problem = problemOf(room, file, fromStatement ?? fromCall, type !== undefined);
      if (problem !== undefined) problems.push(`${relative(root, file)}: ${problem}`);
    }
  }
}

for (const problem of problems) console.error(problem);
if (files === 0) console.error(`no rooms below ${root}`);
if (problems.length > 0 || files === 0) process.exit(1);
console.log(`rooms: the arrows hold in ${files} files`);

function problemOf(room, file, specifier, typeOnly) {
  const { types, rooms, libraries } = ROOMS[room];
  if (!specifier.startsWith('.')) {
    if (libraries === true || libraries.includes(specifier)) return undefined;
    return `${room} may not import the library ${specifier}`;
  }
  const target = roomOf(resolve(dirname(file), specifier));
  if (target === room || rooms.includes(target)) return undefined;
  if (types.includes(target)) {
    return typeOnly
      ? undefined
      : `${room} may import types from ${target} only: write \`import type\` for ${specifier}`;
  }
  return `${room} may not import from ${target ?? 'outside the rooms'} (${specifier})`;
}

function roomOf(path) {
  const within = relative(root, path).replaceAll('\\', '/');
  return Object.keys(ROOMS).find((room) => within.startsWith(`${room}/`));
}

function filesBelow(folder) {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}
