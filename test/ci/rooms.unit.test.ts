/** The check of the rooms' arrows holds for this tree, and fails for a tree in which one is broken. */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';

function checkRooms(root: string) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(PACKAGE_ROOT, '.ci/check-rooms.mjs'), root],
    {
      encoding: 'utf8',
    },
  );
  return { status, stdout, stderr };
}

t.test('this tree keeps to its arrows', async (t) => {
  const { status, stdout, stderr } = checkRooms(PACKAGE_ROOT);
  t.equal(stderr, '');
  t.match(stdout, /the arrows hold in \d+ files/);
  t.equal(status, 0);
});

t.test('each broken arrow is named', async (t) => {
  const root = t.testdir({
    machines: { 'task.ts': "import pino from 'pino';\nimport { setup } from 'xstate';\n" },
    projections: {
      'tasks.ts':
        "import { openDatabase } from '../src/base/sqlite.js';\nimport type { A } from '../machines/task.js';\n",
    },
    src: {
      runtime: { 'actor.ts': "import {\n  plotTask,\n} from '../talent/talent.js';\n" },
      talent: { 'talent.ts': "export const late = () => import('../cli/owl.js');\n" },
      cli: { 'owl.ts': "import { x } from '../talent/talent.js';\n" },
    },
  });
  const { status, stderr } = checkRooms(root);
  t.equal(status, 1);
  t.same(stderr.trim().split('\n').sort(), [
    'machines/task.ts: machines may not import the library pino',
    'projections/tasks.ts: projections may import types from src/runtime only: write `import type` for ../src/base/sqlite.js',
    'src/runtime/actors/actor.ts: src/runtime may not import from src/talent (../talent/talent.js)',
    'src/systems/talent/talent.ts: src/talent may not import from src/cli (../cli/owl.js)',
  ]);
});

t.test('a tree without rooms is an error, not a success', async (t) => {
  const { status, stderr } = checkRooms(t.testdir({}));
  t.equal(status, 1);
  t.match(stderr, /no rooms below/);
});
