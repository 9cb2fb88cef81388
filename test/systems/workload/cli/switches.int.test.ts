/** `owl workload splitter|executor`: switched off and on, and shown to who looks at the whole. */

import t from 'tap';
import { owl } from '../../../support/terminal-double.js';
import { startWorkload } from '../support/cli-workload.js';

t.test('switches are switched and shown', async (t) => {
  const cwd = t.testdir({});
  const node = await startWorkload(t, cwd);
  const env = { OWL_SERVER: node.address, OWL_DATA: node.data };
  const run = (...args: string[]) => owl(['workload', ...args], { env, cwd });
  t.match(await run('splitter', 'status'), { code: 0, stdout: /^splitter is on\n$/ });
  t.match(await run('splitter', 'history'), {
    ...{ code: 0, stdout: '', stderr: 'the splitter was never switched: it is on\n' },
  });
  t.match(await run('splitter', 'history', '--json'), { code: 0, stdout: '', stderr: '' });
  t.match(await run('splitter', 'off', '--reason', 'disk full'), {
    code: 0,
    stdout: /^splitter is off since \d{4}-\d\d-\d\d .*, by \S.*: disk full\n$/,
  });
  t.match(await run('executor', 'off', '--strict'), { code: 0, stdout: /^executor is off, strictly since / });
  t.match(await run('splitter', 'off', '--strict'), { code: 2, stderr: /takes no --strict/ });
  t.match(await run('status'), {
    stdout: /^splitter is off since .*: disk full\nexecutor is off, strictly since .*\ncpu /,
  });
  t.match(JSON.parse((await run('status', '--json')).stdout), {
    switched_off: [
      { switch: 'splitter', reason: 'disk full' },
      { switch: 'executor', strict: true },
    ],
  });
  // A page is as wide as a terminal.
  t.match(
    (await owl(['status'], { env, cwd })).stdout.replaceAll(/\s+/g, ' '),
    /switched off workload: splitter is off since \d{4}-.*, by \S.*: disk full switched off workload: executor is off, strictly since /,
  );
  t.match(JSON.parse((await owl(['status', '--json'], { env, cwd })).stdout), {
    systems: [
      {
        name: 'workload',
        switched_off: [/^splitter is off since .*: disk full$/, /^executor is off, strictly/],
      },
    ],
  });
  t.match(await run('executor', 'on'), { code: 0, stdout: /^executor is on since / });
  t.match(JSON.parse((await run('splitter', 'show', '--json')).stdout), {
    switch: 'splitter',
    reason: 'disk full',
  });
  t.match(JSON.parse((await run('splitter', 'on', '--json')).stdout), { switch: 'splitter', enabled: true });
  t.match((await run('status')).stdout, /^cpu /);
  t.notMatch((await owl(['status'], { env, cwd })).stdout, /switched off/);
  t.match(
    (await run('splitter', 'history')).stdout,
    /^ +0 .* switched off +.*reason disk full.*\n +1 .* switch settled .*\n +2 .* switched on +-$/m,
  );
  const events = (await run('executor', 'history', '--json')).stdout.trim().split('\n');
  t.match(
    events.map((line): unknown => JSON.parse(line)),
    [
      { revision: 0, type: 'SwitchedOff', by: /./ },
      { revision: 1, type: 'SwitchSettled', by: 'loop:workload-executor' },
      { revision: 2, type: 'SwitchedOn' },
    ],
  );
});
