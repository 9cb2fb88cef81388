/**
 * Behaviours seen in the field, as scripts that run a real node and check it (test/fixtures/field-cases). Those that make small
 * disks need a user namespace, and are skipped by name where there is none to be had.
 */

import { execFile, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';

const CASES = join(PACKAGE_ROOT, 'test/fixtures/field-cases');
const LIBRARY = 'lib.sh';
const hasNamespaces = spawnSync('unshare', ['-rm', 'true']).status === 0;

/** What a script has printed; what it complains of stands at the end. */
function run(script: string): Promise<string> {
  return new Promise((resolve) => {
    execFile('bash', [script, PACKAGE_ROOT], { timeout: 200_000 }, (error, stdout, stderr) => {
      resolve(error === null ? stdout : `${stdout}\nFAIL  ${error.message}\n${stderr}`);
    });
  });
}

const scripts = readdirSync(CASES).filter((name) => name.endsWith('.sh') && name !== LIBRARY);

t.test('the scripts are there', async (t) => {
  t.equal(scripts.length, 9, scripts.join(', '));
});

for (const name of scripts) {
  const path = join(CASES, name);
  const needsNamespace = readFileSync(path, 'utf8').includes('unshare -rm');
  const skip = needsNamespace && !hasNamespaces && 'needs a user namespace (unshare -rm)';
  t.test(name, { skip, timeout: 220_000 }, async (t) => {
    const lines = (await run(path)).split('\n').filter((line) => /^(ok|FAIL)\b/.test(line));
    t.ok(lines.length > 0, 'it has checked something');
    for (const line of lines) t.match(line, /^ok\b/, line);
  });
}
