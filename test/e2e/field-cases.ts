/**
 * Behaviours seen in the field, as scripts that run a real node and check it (test/fixtures/field-cases). Those that make small
 * disks need a user namespace, and are skipped by name where there is none to be had.
 */

import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';

export const CASES = join(PACKAGE_ROOT, 'test/fixtures/field-cases');
const hasNamespaces = spawnSync('unshare', ['-rm', 'true']).status === 0;

/** Each as a test of its own. A file of tests has four minutes, so they are few in each. @param names without `.sh` */
export function testCases(t: Test, names: readonly string[]): void {
  for (const name of names) {
    const path = join(CASES, `${name}.sh`);
    const needsNamespace = readFileSync(path, 'utf8').includes('unshare -rm');
    const skip = needsNamespace && !hasNamespaces && 'needs a user namespace (unshare -rm)';
    t.test(name, { skip, timeout: 200_000 }, async (t) => {
      const lines = (await run(path)).split('\n').filter((line) => /^(ok|FAIL)\b/.test(line));
      t.ok(lines.length > 0, 'it has checked something');
      for (const line of lines) t.match(line, /^ok\b/, line);
    });
  }
}

/** What a script has printed; what it complains of stands at the end. */
function run(script: string): Promise<string> {
  return new Promise((resolve) => {
    execFile('bash', [script, PACKAGE_ROOT], { timeout: 180_000 }, (error, stdout, stderr) => {
      resolve(error === null ? stdout : `${stdout}\nFAIL  ${error.message}\n${stderr}`);
    });
  });
}
