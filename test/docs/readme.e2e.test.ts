/** Every command in the README is run. A line that this test does not know how to run fails it. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';
import { startTalentProcess } from '../support/owl-process.js';
import { processesOf } from '../support/processes.js';
import { until } from '../support/until.js';

const README = readFileSync(join(PACKAGE_ROOT, 'README.md'), 'utf8');
const COMMANDS = [...README.matchAll(/```sh\n([\s\S]*?)```/g)]
  .flatMap(([, block = '']) => block.split('\n'))
  .filter((line) => line !== '');

/** `npm ci` has been run, or this test would not be here; and this is `npm test`. */
const INSTALL = 'npm ci && ';

function npm(t: Test, args: readonly string[], env: Readonly<Record<string, string>>) {
  const child = spawn('npm', args, {
    cwd: PACKAGE_ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, as a terminal gives it: Ctrl-C goes to npm and to what it runs.
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const closed = once(child, 'close');
  const signal = (name: NodeJS.Signals) => {
    const gone = child.exitCode !== null || child.signalCode !== null;
    if (child.pid !== undefined && !gone) process.kill(-child.pid, name);
  };
  t.teardown(async () => {
    signal('SIGKILL');
    await closed;
  });
  return { output: () => output, signal, ended: closed.then(() => child.exitCode) };
}

// The demo plays three plots one after another, and the benchmark warms up first.
t.setTimeout(240_000);
// Much of it is waiting: for plots, and for npm.
t.jobs = 2;

t.test('the commands are those this test runs', async (t) => {
  t.strictSame(
    COMMANDS.map((line) => line.split(' ').slice(0, 6).join(' ')),
    [
      'npm ci && npm run demo',
      'npm ci && npm run owl',
      'npm ci && npm start',
      'npm run owl -- plot create',
      'npm run owl -- plot list',
      'npm run owl -- plot --help',
      'npm ci && npm test',
    ],
  );
});

t.test('the demo ends well', { buffered: true }, async (t) => {
  t.ok(COMMANDS.includes(`${INSTALL}npm run demo`));
  const demo = npm(t, ['run', 'demo'], {});
  t.equal(await demo.ended, 0, demo.output());
  t.match(demo.output(), /3 tasks finished/);
});

t.test('the demo of workloads ends well', { buffered: true }, async (t) => {
  const line = 'npm run owl -- workload demo';
  t.ok(COMMANDS.includes(`${INSTALL}${line}`));
  const demo = npm(t, line.split(' ').slice(1), {});
  t.equal(await demo.ended, 0, demo.output());
  t.match(demo.output(), /is killed with SIGKILL while it runs job/);
  t.match(demo.output(), /2 tasks finished/);
  t.match(demo.output(), /^(\d+) words by owl; `cat text-\*\.txt \| wc -w` says \1\.$/m);
  const [, directory = ''] = /texts lie in (\S+)\/texts\./.exec(demo.output()) ?? [];
  t.match(directory, /owl-workload-/);
  t.strictSame([processesOf(directory), existsSync(directory)], [[], false]);
});

t.test('a node starts and stops in order', { buffered: true }, async (t) => {
  t.ok(COMMANDS.includes(`${INSTALL}npm start`));
  const start = async (data: string) => {
    const node = npm(t, ['start'], { OWL_DATA: data, OWL_LISTEN: '127.0.0.1:0' });
    await until('all of the node runs', () =>
      [/owl is up at/, /the log receiver follows/].every((line) => line.test(node.output())),
    );
    return node;
  };
  await t.test('with Ctrl-C', async (t) => {
    const data = join(t.testdir(), 'data');
    const node = await start(data);
    node.signal('SIGINT');
    // What npm makes of Ctrl-C is its own affair.
    await node.ended;
    t.match(node.output(), /owl is stopping/);
    t.notMatch(node.output(), /fault of owl/);
    await until('no process is left', () => processesOf(data).length === 0);
  });
  await t.test('told to end, with exit code 0', async (t) => {
    const data = join(t.testdir(), 'data');
    const node = await start(data);
    // Below npm and its shell, which have it in their command lines too.
    const owl = processesOf(data).find(({ command }) => /^\S*node \S*owl\.js up$/.test(command));
    if (owl === undefined) throw new Error('where is it?');
    process.kill(owl.pid, 'SIGTERM');
    t.equal(await node.ended, 0, node.output());
    await until('no process is left', () => processesOf(data).length === 0);
  });
});

t.test('the benchmark measures', { buffered: true }, async (t) => {
  t.match(README, '`npm run bench`');
  // One round of a tenth of a second: no measurement, but all of its parts.
  const bench = npm(t, ['run', 'bench', '--', '0.1', '1', '--rows', 'embedded'], {});
  t.equal(await bench.ended, 0, bench.output());
  t.match(bench.output(), /bare grpc-js +[0-9,]+\/s/);
  t.match(bench.output(), /[0-9]+ cores, [0-9]+ GiB; .*, Node v[0-9.]+; load [0-9.]+ /);
  t.match(bench.output(), /all of 20 are finished +[0-9,]+/);
  t.match(bench.output(), / {2}ratio +[0-9.]+/);
});

t.test('orders and looks', { buffered: true }, async (t) => {
  const { address } = await startTalentProcess(t, [], t.testdir());
  for (const line of COMMANDS.filter((command) => command.startsWith('npm run owl'))) {
    const [, ...args] = line.split(' ');
    const command = npm(t, args, { OWL_SERVER: address });
    t.equal(await command.ended, 0, `${line}\n${command.output()}`);
  }
});
