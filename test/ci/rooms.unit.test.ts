/** The linter keeps the arrows between rooms, circles and sizes: it is content with this tree, and names each planted fault. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { z } from 'zod';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';

const BIOME = join(PACKAGE_ROOT, 'node_modules/@biomejs/biome/bin/biome');

const Rules = z.looseObject({ vcs: z.unknown() });
const Report = z.object({
  summary: z.object({ unchanged: z.number() }),
  diagnostics: z.array(z.object({ category: z.string(), location: z.object({ path: z.string() }) })),
});

/** What the rules of this project say of a tree: the last word of the rule and the path, sorted. */
function lint(root: string): { readonly faults: readonly string[]; readonly files: number } {
  const { stdout } = spawnSync(
    process.execPath,
    [BIOME, 'lint', '--reporter=json', '--max-diagnostics=none', '.'],
    { cwd: root, encoding: 'utf8' },
  );
  const { diagnostics, summary } = Report.parse(JSON.parse(stdout));
  const faults = diagnostics.map(
    ({ category, location }) => `${category.split('/').at(-1)} ${location.path}`,
  );
  return { faults: faults.sort(), files: summary.unchanged };
}

/** Writes the files below `root`, and the rules of this project beside them. */
function plant(root: string, files: Readonly<Record<string, string>>): void {
  // Nothing there is under version control.
  const { vcs: _, ...rules } = Rules.parse(
    JSON.parse(readFileSync(join(PACKAGE_ROOT, 'biome.json'), 'utf8')),
  );
  for (const [path, text] of Object.entries({ ...files, 'biome.json': JSON.stringify(rules) })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

const using = (specifier: string): string =>
  `import * as used from '${specifier}';\nexport const use = used;\n`;
const lines = (count: number): string =>
  Array.from({ length: count }, (_, i) => `export const n${i} = ${i};\n`).join('');
const body = (count: number): string => `export function long(): void {\n${'  void 0;\n'.repeat(count)}}\n`;

/** One broken arrow each: file, and what it imports. */
const BROKEN: Readonly<Record<string, string>> = {
  'src/base/clock.ts': '../runtime/runtime.js',
  'src/runtime/actors/actor.ts': '../../node/node.js',
  'src/runtime/timers/timers.ts': '../../systems/talent/service/talent.js',
  'src/processes/keeper/keeper.ts': '../../runtime/runtime.js',
  'src/wire/client.ts': '../processes/usage.js',
  'src/peers/leases.ts': '../node/node.js',
  'src/peers/holder/lease.ts': '../../runtime/runtime.js',
  'src/node/node.ts': '../systems/talent/system.js',
  'src/cli/commands/up.ts': '../../systems/talent/system.js',
  'src/systems/talent/service/handlers.ts': '../../../processes/usage.js',
  'src/systems/talent/service/order.ts': '../../workload/service/order.js',
  'src/systems/talent/supervisor/supervisor.ts': '../../../runtime/runtime.js',
  'src/systems/talent/log-receiver/receiver.ts': '../service/talent.js',
  'src/systems/talent/player/player.ts': '../../../node/node.js',
  'src/systems/talent/machine/plot-record.ts': '../supervisor/supervisor.js',
  'src/systems/talent/wire/client.ts': '../../../runtime/runtime.js',
  'src/systems/workload/service/jobs.ts': '../../../processes/usage.js',
  'src/systems/workload/machine/pilot.ts': '../../../runtime/runtime.js',
  'src/systems/workload/wire/client.ts': '../machine/pilot.js',
  'src/systems/workload/cli/jobs.ts': '../../talent/cli/fine.js',
  'src/state/set.ts': '../base/clock.js',
  'machines/talent/task.ts': 'pino',
  'machines/talent/clock.ts': 'node:fs',
  'machines/talent/other.ts': '../../src/base/clock.js',
  'machines/talent/foreign.ts': '../workload/job.js',
  'projections/talent/rows.ts': '../../src/runtime/runtime.js',
  'projections/talent/files.ts': 'node:fs',
};

/** Arrows that a room may have. */
const WHOLE: Readonly<Record<string, string>> = {
  'src/base/fine.ts': 'pino',
  'src/runtime/actors/fine.ts': '../../base/clock.js',
  'src/processes/fine.ts': '../base/clock.js',
  'src/peers/fine.ts': '../runtime/runtime.js',
  'src/node/fine.ts': '../peers/leases.js',
  'src/cli/fine.ts': '../node/node.js',
  'src/systems/talent/service/fine.ts': '../../../node/node.js',
  'src/systems/talent/supervisor/fine.ts': '../../../processes/usage.js',
  'src/systems/talent/cli/fine.ts': '../../../cli/fine.js',
  'src/systems/workload/service/fine.ts': '../../../peers/leases.js',
  'src/systems/workload/machine/fine.ts': '../../../peers/holder/lease.js',
  'machines/talent/fine.ts': 'xstate',
  'machines/talent/events.ts': '../../src/runtime/event-store/event-schema.js',
  'machines/talent/peer.ts': '../peers/lease.js',
  'machines/talent/held.ts': '../../src/state/set.js',
  'projections/talent/peers.ts': '../peers/peers.js',
  'projections/talent/fine.ts': '../../machines/talent/fine.js',
  'projections/talent/sql.ts': '../../src/base/sql.js',
};

t.test('this tree keeps to its rules', async (t) => {
  const { faults, files } = lint(PACKAGE_ROOT);
  t.same(faults, []);
  t.ok(files > 300, `${files} files were read`);
});

t.test('each broken arrow is named, and no other', async (t) => {
  const root = t.testdir({});
  const arrows = Object.entries({ ...BROKEN, ...WHOLE });
  plant(root, Object.fromEntries(arrows.map(([file, specifier]) => [file, using(specifier)])));
  t.same(
    lint(root).faults,
    Object.keys(BROKEN)
      .map((file) => `noRestrictedImports ${file}`)
      .sort(),
  );
});

t.test('a circle is named, also one of types', async (t) => {
  const root = t.testdir({});
  plant(root, {
    'src/base/a.ts': "import type { B } from './b.js';\nexport type A = B | undefined;\n",
    'src/base/b.ts': "import type { A } from './a.js';\nexport type B = A | null;\n",
  });
  t.same(lint(root).faults, ['noImportCycles src/base/a.ts', 'noImportCycles src/base/b.ts']);
});

t.test('files and functions have their limits', async (t) => {
  const root = t.testdir({});
  plant(root, {
    'src/base/fine.ts': lines(300),
    'src/base/long.ts': lines(301),
    'src/base/function.ts': body(61),
    'test/base/fine.ts': lines(400),
    'test/base/long.ts': lines(401),
  });
  t.same(lint(root).faults, [
    'noExcessiveLinesPerFile src/base/long.ts',
    'noExcessiveLinesPerFile test/base/long.ts',
    'noExcessiveLinesPerFunction src/base/function.ts',
  ]);
});
