/** `owl up` and `owl log-receiver` as processes: how they begin, how they end, and what they refuse. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { startOwl } from '../support/owl-process.js';
import { processesOf } from '../support/processes.js';
import { until } from '../support/until.js';

const OWL = fileURLToPath(new URL('../../src/owl.js', import.meta.url));

t.test('a log receiver follows until it is told to stop; there is one in a directory', async (t) => {
  const cwd = t.testdir();
  const args = ['log-receiver', '--data', 'data', '--server', '127.0.0.1:9'];
  const receiver = startOwl(t, args, { cwd });
  await until('it has begun', () => receiver.stdout().endsWith('\n'));
  t.equal(
    receiver.stdout(),
    `owl log-receiver follows the plots in ${join(cwd, 'data')} and reports to 127.0.0.1:9\n`,
  );
  const second = await startOwl(t, args, { cwd }).ended;
  t.match(second, {
    code: 1,
    stdout: '',
    stderr: `owl: data directory ${join(cwd, 'data')} has a log receiver already, process ${receiver.child.pid}, `,
  });
  receiver.child.kill('SIGTERM');
  t.equal((await receiver.ended).code, 0);
  const third = startOwl(t, args, { cwd });
  await until('it has begun', () => third.stdout().endsWith('\n'));
});

/** A log receiver whose parent keeps a channel to it. */
function startBelow(t: Test) {
  const args = [OWL, 'log-receiver', '--data', join(t.testdir(), 'data'), '--server', '127.0.0.1:9'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore', 'ipc'] });
  t.teardown(() => child.kill('SIGKILL'));
  const { stdout } = child;
  if (stdout === null) throw new Error('a child without stdout');
  return { child, stdout };
}

t.test('a service ends in order when whoever keeps a channel to it is gone', async (t) => {
  const { child, stdout } = startBelow(t);
  await once(stdout, 'data');
  child.disconnect();
  t.strictSame(await once(child, 'exit'), [0, null]);
});

t.test('a service whose parent is gone before it has begun ends too', async (t) => {
  const { child } = startBelow(t);
  child.disconnect();
  t.strictSame(await once(child, 'exit'), [0, null]);
});

t.test('a node says where it is, and leaves no process', async (t) => {
  // A directory that was made for it is fresh all the same.
  const cwd = t.testdir({ data: {} });
  const up = startOwl(t, ['up', '--data', 'data', '--listen', '127.0.0.1:0'], { cwd });
  await until('it is up', () => up.stdout().endsWith('\n'));
  t.match(
    up.stdout(),
    /^owl is up at 127\.0\.0\.1:[0-9]+ as worker [0-9a-f-]{36}, with its data in .*\/data\n$/,
  );
  const suggestion = 'it answers no HTTP; `owl up --http-listen 127.0.0.1:50080` (or http_listen) lets it\n';
  await until('HTTP is suggested', () => up.stderr().includes(suggestion));
  const second = await startOwl(t, ['up', '--data', 'data', '--listen', '127.0.0.1:0'], { cwd }).ended;
  t.notMatch(second.stderr, suggestion, 'once, to who begins');
  t.match(second, { code: 1, stdout: '' });
  t.match(second.stderr, /data is in use by process [0-9]+/);
  t.equal(second.stderr.split('\n').length, 2, `one line, of who knows why: ${second.stderr}`);
  up.child.kill('SIGINT');
  t.equal((await up.ended).code, 0);
  await until('no process is left', () => processesOf(cwd).length === 0);
});

t.test('a node without its machine side runs the services and nothing else, and says so', async (t) => {
  const cwd = t.testdir();
  const args = ['up', '--json', '--no-machine', '--systems', 'talent', '--listen', '127.0.0.1:0'];
  const up = startOwl(t, args, { cwd });
  await until('it is up', () => up.stdout().endsWith('\n'));
  t.match(JSON.parse(up.stdout()).systems, [{ name: 'talent', why_not: '--no-machine was given' }]);
  t.match(up.stderr(), 'talent: nothing runs on this machine, since --no-machine was given\n');
  const commands = processesOf(cwd).map(({ command }) => command);
  t.equal(commands.filter((command) => / node run /.test(command)).length, 1, String(commands));
  t.notOk(
    commands.some((command) => /supervisor|log-receiver|keeper/.test(command)),
    String(commands),
  );
  up.child.kill('SIGTERM');
  t.equal((await up.ended).code, 0);
  await until('no process is left', () => processesOf(cwd).length === 0);
});

t.test('a system that there is not is named, and nothing is started', async (t) => {
  const cwd = t.testdir();
  const { code, stderr } = await startOwl(t, ['up', '--systems', 'talnet'], { cwd }).ended;
  t.equal(code, 2);
  t.match(
    stderr,
    '--systems: systems must hold systems that there are (talent, workload), and there is no "talnet"',
  );
  t.match(stderr, 'did you mean talent?');
  t.strictSame(processesOf(cwd), []);
});

t.test('a configuration that is wrong is said before anything is started', async (t) => {
  const cwd = t.testdir({ 'owl.yaml': 'supervisor: { plotters: 3 }\n' });
  const { code, stdout, stderr } = await startOwl(t, ['up'], { cwd }).ended;
  t.equal(code, 1);
  t.equal(stdout, '');
  t.match(stderr, /owl\.yaml:1:15: supervisor\.plotters is not a known key/);
  t.strictSame(processesOf(cwd), []);
});
