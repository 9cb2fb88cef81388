/** The demo as a process: what it shows, and that nothing is left of it. */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startOwl } from '../support/owl-process.js';
import { processesOf } from '../support/processes.js';
import { until } from '../support/until.js';

// They wait for plots more than they work.
t.jobs = 3;

t.test('three tasks are finished, one is told of, nothing is left', { buffered: true }, async (t) => {
  const cwd = t.testdir({ tmp: {} });
  const tmp = join(cwd, 'tmp');
  // Meant for another node: the demo must not fall for it.
  const env = { TMPDIR: tmp, OWL_WORKER_ID: 'other', OWL_SUPERVISOR_PLOTTER: 'chia', OWL_DATA: '/nowhere' };
  const { code, stdout, stderr } = await startOwl(t, ['demo'], { cwd, env }).ended;
  t.equal(stderr, '');
  t.equal(code, 0);
  for (const task of ['demo-1', 'demo-2', 'demo-3']) {
    for (const status of ['running', 'finished'])
      t.match(stdout, new RegExp(`${task}  ${status} +[0-9.]+%`), `${task} ${status}`);
  }
  t.match(stdout, /plots start 2 s apart/, 'who waits says why');
  t.match(stdout, '3 tasks finished in');
  t.match(stdout, /REV +TIME +EVENT +WHAT CHANGED/);
  t.match(stdout, /p1_t2_time 5m 01s/, 'what the recorded log says');
  t.match(stdout, /44 .* finished +exit_code 0/);
  t.strictSame(readdirSync(tmp), []);
  await until('no process is left', () => processesOf(cwd).length === 0);
});

t.test('a demo that is interrupted ends what it began', { buffered: true }, async (t) => {
  const cwd = t.testdir({ tmp: {} });
  const demo = startOwl(t, ['demo'], { cwd, env: { TMPDIR: join(cwd, 'tmp') } });
  await until('a plot runs', () => /demo-1 {2}running/.test(demo.stdout()), 60_000);
  demo.child.kill('SIGINT');
  const { code, stderr } = await demo.ended;
  t.equal(code, 130);
  t.equal(stderr, '');
  t.strictSame(readdirSync(join(cwd, 'tmp')), []);
  await until('no process is left', () => processesOf(cwd).length === 0);
});

t.test(
  'what it made is kept where that was wanted; a directory with something in it is left alone',
  { buffered: true },
  async (t) => {
    const cwd = t.testdir({ mine: { file: 'precious' } });
    const refused = await startOwl(t, ['demo', '--data', 'mine'], { cwd }).ended;
    t.match(refused, { code: 1, stderr: /mine is not empty/ });
    t.strictSame(readdirSync(join(cwd, 'mine')), ['file']);
    const impossible = await startOwl(t, ['demo', '--data', 'mine/file'], { cwd }).ended;
    t.match(impossible, { code: 1, stderr: /mine\/file can't be used/ });

    const demo = startOwl(t, ['demo', '--data', 'kept', '--json'], { cwd });
    await until('a plot runs', () => demo.stdout().includes('"status":"running"'), 60_000);
    demo.child.kill('SIGTERM');
    t.equal((await demo.ended).code, 143);
    t.ok(existsSync(join(cwd, 'kept/node/owl.db')));
    t.strictSame(readdirSync(join(cwd, 'kept/cache')), [], 'temp files of stopped plots are no treasure');
    await until('no process is left', () => processesOf(cwd).length === 0);
  },
);
