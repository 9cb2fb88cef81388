/** `owl workload series`: submitted with steps from a file, shown with its datasets, cancelled. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { owl } from '../../../support/terminal-double.js';
import { until } from '../../../support/until.js';
import { startWorkload } from '../support/cli-workload.js';

t.test('a series from its submission to its cancellation', async (t) => {
  const cwd = t.testdir({});
  const node = await startWorkload(t, cwd);
  const env = { OWL_SERVER: node.address, OWL_DATA: node.data };
  const run = (...args: string[]) => owl(['workload', ...args], { env, cwd });
  const file = (name: string, text: string) => writeFileSync(join(cwd, name), text);
  t.match(await run('series', 'list'), { code: 0, stdout: '', stderr: /there is no series yet/ });
  for (const name of ['one', 'two']) await run('dataset', 'register', name, '--storage', name);
  file(
    'steps.yaml',
    '- { executable: sort, out: sorted }\n- { executable: sort, out: sums, mode: merge, until_one: true }\n',
  );
  const submit = ['series', 'submit', 'may', '--in', '1', '2', '--steps'];
  const wrong: readonly (readonly [text: string, message: RegExp])[] = [
    ['- { executable: sort }', /steps\.yml: steps\.0\.out: must be a directory or a URL/],
    [
      '- { executable: sort, out: o, rnak: 1 }',
      /steps\.yml: steps\.0\.rnak: is no field of a step; did you mean rank\?/,
    ],
    ['{ executable: sort }', /must be a list of steps/],
    [
      '- { executable: /bin/sh, out: o }\n- { executable: a b, out: o }',
      /steps\.0\.executable.*steps\.1\.executable/s,
    ],
    ['[', /steps\.yml can't be read: /],
  ];
  for (const [text, message] of wrong) {
    file('steps.yml', text);
    t.match(await run(...submit, 'steps.yml'), { code: 1, stdout: '', stderr: message });
  }
  const submitted = await run(...submit, 'steps.yaml');
  t.match(submitted, { code: 0, stdout: /^[0-9a-f-]{36}\n$/ });
  const uid = submitted.stdout.trim();
  await until('its first dataset is under way', async () =>
    /under way/.test((await run('series', 'show', '1')).stdout),
  );
  const { stdout: card } = await run('series', 'show', uid.slice(0, 8));
  t.match(card, /^step 2 +sort, merge, cpu, to/m);
  t.match(card, /^ *1 +one +under way/m);
  t.match(card, /^ *2 +two +waiting/m);
  t.match((await run('series', 'list')).stdout, /^ *1 .*may +running +0\/2/m);
  t.match((await run('status')).stdout, /^ *SERIES .*\n *1 .*may +running +0\/2/m);
  t.match((await run('series', 'history', '1')).stdout, /^ *0 .*created/m);
  t.match(await run('series', 'cancel', '1', '--reason', 'wrong'), {
    code: 0,
    stdout: new RegExp(`^${uid} cancel`),
  });
  await until('it is cancelled', async () =>
    /cancelled/.test((await run('series', 'list', '--status', 'cancelled')).stdout),
  );
  t.match(await run('series', 'show', '7'), { code: 1, stderr: /there is no series 7/ });
  t.match(JSON.parse((await run('series', 'show', '1', '--json')).stdout), {
    uid,
    datasets: [{ name: 'one' }, { name: 'two' }],
  });
});
