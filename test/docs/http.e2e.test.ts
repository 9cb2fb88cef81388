/** docs/http.md: each of its commands is run against the `owl up` that it begins with, and says what the page says. */

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { z } from 'zod';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';
import { HTTP_STATUS_OF } from '../../src/node/serving/http/problem.js';
import { startOwl } from '../support/owl-process.js';
import { until } from '../support/until.js';

const PAGE = readFileSync(join(PACKAGE_ROOT, 'docs/http.md'), 'utf8');
const OWL = fileURLToPath(new URL('../../src/owl.js', import.meta.url));
const SHOWN = '127.0.0.1:50080';
/** Commands, and what they say where the page shows it. */
const BLOCKS = [...PAGE.matchAll(/```sh\n([\s\S]*?)```(?:\n\n```text\n([\s\S]*?)```)?/g)];
const hasCurl = spawnSync('curl', ['--version']).status === 0;

t.test('each command says what the page says', { skip: !hasCurl && 'there is no curl here' }, async (t) => {
  const [[, first = ''] = [], ...others] = BLOCKS;
  const [name, ...args] = first.trim().replace(SHOWN, '127.0.0.1:0').split(' ');
  t.equal(name, 'owl');
  const cwd = t.testdir();
  const up = startOwl(t, [...args, '--no-machine', '--listen', '127.0.0.1:0', '--json'], { cwd });
  await until('it is up', () => up.stdout().endsWith('\n'));
  const { address, http_address: http } = z
    .object({ address: z.string(), http_address: z.string() })
    .parse(JSON.parse(up.stdout()));

  mkdirSync(join(cwd, 'bin'));
  const owl = join(cwd, 'bin', 'owl');
  writeFileSync(owl, `#!/bin/sh\nexec "${process.execPath}" "${OWL}" "$@"\n`);
  chmodSync(owl, 0o755);
  const env = { PATH: `${join(cwd, 'bin')}:${process.env['PATH']}`, OWL_SERVER: address };
  t.ok(others.length >= 7);
  for (const [, commands = '', said] of others) {
    const script = commands.replaceAll(SHOWN, http);
    const { status, stdout, stderr } = spawnSync('sh', ['-e', '-c', script], { cwd, env, encoding: 'utf8' });
    t.equal(status, 0, `${script}\n${stderr}`);
    if (said !== undefined) t.equal(stdout.trim(), said.trim(), script);
  }
  up.child.kill('SIGTERM');
  t.match(await up.ended, { code: 0 });
});

t.test('the kinds and statuses are those of the page', async (t) => {
  const rows = [...PAGE.matchAll(/^\| `(\w+)` \| (\d{3}) \|/gm)].map(([, kind, status]) => [
    kind,
    Number(status),
  ]);
  t.same(Object.fromEntries(rows), { ...HTTP_STATUS_OF, internal: 500 });
});
