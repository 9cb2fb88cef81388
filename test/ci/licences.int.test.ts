/** Which licences production dependencies may have: the check is content with this tree, and names each planted fault. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';

function check(root: string) {
  const script = join(PACKAGE_ROOT, '.ci/licences.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' });
  return { status, stdout, faults: stderr.trim().split('\n').slice(0, -1) };
}

type Manifest = Readonly<Record<string, unknown>>;

/** @param packages by the folder that each lies in, the root of all as '' */
function tree(t: Test, packages: Readonly<Record<string, Manifest>>): string {
  const root = t.testdir({});
  for (const [folder, manifest] of Object.entries(packages)) {
    mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(root, folder, 'package.json'), JSON.stringify({ version: '1.0.0', ...manifest }));
  }
  return root;
}

t.test('this tree ships what it may', async (t) => {
  const { status, stdout, faults } = check(PACKAGE_ROOT);
  t.equal(status, 0, faults.join('\n'));
  t.match(stdout, /^\d{2,} production dependencies: \d+ MIT, /);
});

t.test('each dependency that may not be shipped is named, with who needs it', async (t) => {
  const root = tree(t, {
    '': {
      dependencies: { good: '1', both: '1', gone: '1' },
      optionalDependencies: { 'not-here': '1' },
      devDependencies: { 'dev-only': '1' },
    },
    'node_modules/good': { license: 'MIT', dependencies: { copyleft: '1', '@scope/none': '1' } },
    'node_modules/both': { license: '(MIT OR GPL-3.0-only)', dependencies: { copyleft: '1', mixed: '1' } },
    'node_modules/both/node_modules/copyleft': { license: 'MIT AND LGPL-3.0-only OR GPL-2.0-only' },
    'node_modules/copyleft': { license: 'GPL-3.0-only', dependencies: { good: '1', old: '1' } },
    'node_modules/@scope/none': {},
    'node_modules/old': { licenses: [{ type: 'MIT' }] },
    'node_modules/mixed': { license: 'Apache-2.0 AND (ISC OR BSD-3-Clause' },
    'node_modules/dev-only': { license: 'GPL-3.0-only' },
  });
  const { status, faults } = check(root);
  t.equal(status, 1);
  t.same(faults.sort(), [
    'both > copyleft 1.0.0 has MIT AND LGPL-3.0-only OR GPL-2.0-only',
    'both > mixed 1.0.0 has Apache-2.0 AND (ISC OR BSD-3-Clause',
    'gone is not installed; run npm ci',
    'good > @scope/none 1.0.0 has no licence that SPDX knows',
    'good > copyleft 1.0.0 has GPL-3.0-only',
    'good > copyleft > old 1.0.0 has no licence that SPDX knows',
  ]);
});
