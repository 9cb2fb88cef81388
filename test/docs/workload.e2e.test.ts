/** docs/workload.md: its commands lead from an empty directory to a merged result, and to a second pilot, and say what the page says. */

import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { z } from 'zod';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';
import { startOwl } from '../support/owl-process.js';
import { until } from '../support/until.js';

const PAGE = readFileSync(join(PACKAGE_ROOT, 'docs/workload.md'), 'utf8');
const OWL = fileURLToPath(new URL('../../src/owl.js', import.meta.url));
const [, CONFIG = ''] = /```yaml\n([\s\S]*?)```/.exec(PAGE) ?? [];
/** Commands, and what they say where the page shows it. */
const BLOCKS = [...PAGE.matchAll(/```sh\n([\s\S]*?)```(?:\n\n```text\n([\s\S]*?)```)?/g)];
const [, PILOT = ''] = /```sh pilot\n([\s\S]*?)```/.exec(PAGE) ?? [];
const run = promisify(execFile);
const MARK = '=== the next block ===';

// Some twenty commands, each a program of its own.
t.setTimeout(240_000);

t.test('from nothing to a merged result, and a second pilot', async (t) => {
  const cwd = t.testdir({ 'owl.yaml': CONFIG });
  const [[, up = ''] = [], ...others] = BLOCKS;
  t.equal(up.trim(), 'owl up');
  const node = startOwl(t, ['up', '--listen', '127.0.0.1:0', '--json'], { cwd });
  await until('it is up', () => node.stdout().endsWith('\n'));
  const { address } = z.object({ address: z.string() }).parse(JSON.parse(node.stdout()));

  mkdirSync(join(cwd, 'bin'));
  const owl = join(cwd, 'bin', 'owl');
  writeFileSync(owl, `#!/bin/sh\nexec "${process.execPath}" "${OWL}" "$@"\n`);
  chmodSync(owl, 0o755);
  const env = { PATH: `${join(cwd, 'bin')}:${process.env['PATH']}`, OWL_SERVER: address };
  // One shell, for what a block sets the next ones use.
  const script = others.map(([, commands = '']) => commands).join(`\necho "${MARK}"\n`);
  const { stdout } = await run('sh', ['-e', '-c', script], { cwd, env });
  const said = stdout.split(`${MARK}\n`);
  t.equal(said.length, others.length);
  for (const [at, [, commands = '', shown]] of others.entries())
    if (shown !== undefined) t.equal(said[at]?.replaceAll(`${cwd}/`, '').trim(), shown.trim(), commands);

  const [assignment = '', , ...args] = PILOT.trim().split(' ');
  const [variable = '', file = ''] = assignment.split('=');
  const pilot = startOwl(t, args, { cwd, env: { ...env, [variable]: file } });
  await until('the second pilot has its lease', () => /the pilot has its lease/.test(pilot.stderr()));
  const pilots = await run(owl, ['workload', 'pilot', 'list', '--json'], { cwd, env });
  t.match(pilots.stdout, /"name":"shed-3","status":"active"/);
  for (const { child, ended } of [pilot, node]) {
    child.kill('SIGTERM');
    t.match(await ended, { code: 0 });
  }
});
