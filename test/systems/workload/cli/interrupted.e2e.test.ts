/** Commands that wait for what may never come end when they are told to. */

import t from 'tap';
import { startOwl } from '../../../support/owl-process.js';

/** More than lies between two processes: who has written it knows that the other one reads. */
const MUCH = 'a.txt\n'.repeat(500_000);

t.test('a list at stdin that nobody ends', async (t) => {
  const args = ['workload', 'dataset', 'add', '1', '--from', '-'];
  const { child, ended } = startOwl(t, args, { cwd: t.testdir() });
  await new Promise((resolve) => child.stdin?.write(MUCH, resolve));
  child.kill('SIGINT');
  t.match(await ended, { code: 130, stdout: '', stderr: '' });
});
