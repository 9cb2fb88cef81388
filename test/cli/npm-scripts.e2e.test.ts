/** `npm start` and `npm run owl`: who starts owl so can end it so, for npm hands a signal to its own child and to nobody below. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { z } from 'zod';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';
import { processesOf } from '../support/processes.js';
import { until } from '../support/until.js';

const LONG_RUNNING = ['owl', 'demo', 'start', 'torture', 'soak'];

t.test('a signal for npm ends what it has started, in order, and leaves no process', async (t) => {
  const home = t.testdir();
  const data = join(home, 'data');
  const args = ['run', 'owl', '--silent', '--', 'log-receiver', '--server', '127.0.0.1:9', '--data', data];
  const npm = spawn('npm', args, {
    cwd: PACKAGE_ROOT,
    env: { PATH: process.env['PATH'], HOME: home, npm_config_update_notifier: 'false' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.teardown(() => {
    for (const { pid } of processesOf(data)) process.kill(pid, 'SIGKILL');
  });
  const [told] = await once(npm.stdout, 'data');
  t.match(String(told), data);
  const ended = once(npm, 'exit');
  npm.kill('SIGTERM');
  t.strictSame(await ended, [0, null], 'npm ends as what it has started did');
  await until('no process is left', () => processesOf(data).length === 0);
});

t.test('so do all scripts that run for long', async (t) => {
  const { scripts } = z
    .object({ scripts: z.record(z.string(), z.string()) })
    .parse(JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')));
  for (const name of LONG_RUNNING) t.match(scripts[name], /^exec node /, name);
});
