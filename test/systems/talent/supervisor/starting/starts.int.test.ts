/** What is started, as how many and how far apart, and what can never be started: with real processes. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, copyFileSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { identifyProcess } from '../../../../../src/base/process-identity.js';
import { PLOTS } from '../../../../../src/systems/talent/machine/plot-record.js';
import { TalentDirectory } from '../../../../../src/systems/talent/machine/talent-directory.js';
import { askSupervisor } from '../../../../../src/systems/talent/supervisor/control.js';
import { plotsIn } from '../../../../support/plots-in.js';
import { until } from '../../../../support/until.js';
import { Farm, pausingPlayer, playerWith } from '../../support/farm.js';

t.test('as many as max_plots, then the next', async (t) => {
  const farm = await Farm.start(t);
  const supervisor = await farm.supervise(pausingPlayer(farm), { max_plots: 2 });
  for (const id of ['a', 'b']) {
    await farm.order(id);
    await farm.reachesPause(id);
  }
  await farm.order('c');
  t.match(
    (await farm.reaches('c', 'pending')).remarks,
    '2 plots run on this machine, as many as max_plots allows',
  );
  t.equal(supervisor.status().plots.length, 2);
  farm.goOn();
  await farm.reaches('c', 'finished');
});

t.test('as many as max_per_cache on one cache, others on another', async (t) => {
  const farm = await Farm.start(t);
  const other = join(farm.directory, 'other');
  mkdirSync(other);
  await farm.supervise({ ...pausingPlayer(farm), fills: [] }, { max_per_cache: 1 });
  await farm.order('a');
  await farm.reachesPause('a');
  await farm.order('b', { cache1: other, cache2: other });
  await farm.reachesPause('b');
  await farm.order('c');
  t.match(
    (await farm.reaches('c', 'pending')).remarks,
    `max_per_cache is 1, and as many plots use ${farm.cache1} or were ordered earlier`,
  );
  farm.goOn();
  await farm.reaches('c', 'finished');
});

t.test('starts are staggered', async (t) => {
  const farm = await Farm.start(t);
  await farm.supervise(playerWith('--seconds', '0'), { stagger_seconds: 1 });
  await farm.order('a');
  await farm.order('b');
  t.match((await farm.reaches('b', 'pending')).remarks, /plots start 1 s apart, and one has just started/);
  const b = await farm.reaches('b', 'finished');
  const a = await farm.reaches('a', 'finished');
  t.ok((b.started_time ?? 0) - (a.started_time ?? 0) >= 0.99);
});

t.test('draining: what runs is finished, nothing is started, not even by the next supervisor', async (t) => {
  const farm = await Farm.start(t);
  const first = await farm.supervise(pausingPlayer(farm));
  await farm.order('a');
  await farm.reachesPause('a');
  await askSupervisor(new TalentDirectory(farm.data), { method: 'drain' });
  await farm.order('b');
  t.match((await farm.reaches('b', 'pending')).remarks, /the supervisor is draining/);
  farm.goOn();
  await farm.reaches('a', 'finished');
  await first.stop();

  await farm.supervise(pausingPlayer(farm));
  t.equal((await askSupervisor(new TalentDirectory(farm.data), { method: 'status' })).draining, true);
  await until(
    'it knows the task',
    async () =>
      (await askSupervisor(new TalentDirectory(farm.data), { method: 'status' })).waiting.length === 1,
  );
  t.equal((await farm.task('b')).status, 'pending');
  await askSupervisor(new TalentDirectory(farm.data), { method: 'undrain' });
  await farm.reaches('b', 'finished');
});

t.test('a directory that is not there fails the task and names it', async (t) => {
  const farm = await Farm.start(t);
  await farm.supervise(playerWith('--seconds', '0'));
  await farm.order('one', { cache1: join(farm.directory, 'nowhere') });
  t.equal(
    (await farm.reaches('one', 'failed')).remarks,
    `cache1 ${farm.directory}/nowhere does not exist on this machine`,
  );
  writeFileSync(join(farm.directory, 'file'), '');
  await farm.order('two', { dest: join(farm.directory, 'file') });
  t.match((await farm.reaches('two', 'failed')).remarks, /dest .*file is no directory/);
  t.notOk((await farm.history('two')).some(({ type }) => type === 'PlotTaskStarted'));
});

t.test('a missing program is named, and its tasks start once it is installed', async (t) => {
  const farm = await Farm.start(t);
  const program = join(farm.directory, 'plotter');
  const { argv, ...player } = playerWith('--seconds', '0');
  await farm.supervise({ ...player, argv: [program, ...argv.slice(1)] });
  await farm.order('one');
  t.equal(
    (await farm.reaches('one', 'pending')).remarks,
    `plotter player: its program ${program} is not there or not executable; install it`,
  );
  copyFileSync(process.execPath, program);
  chmodSync(program, 0o700);
  await farm.reaches('one', 'finished');
});

t.test('a program that the system will not run fails the task', async (t) => {
  const farm = await Farm.start(t);
  const program = join(farm.directory, 'plotter');
  writeFileSync(program, '#!/nowhere/interpreter\n', { mode: 0o700 });
  await farm.supervise({ ...playerWith(), argv: [program] });
  await farm.order('one');
  t.match((await farm.reaches('one', 'failed')).remarks, /plotter can't be started: .*ENOENT/);
  t.same(farm.records(), []);
});

t.test('a start that was broken off before it was recorded is made again, with one process', async (t) => {
  const farm = await Farm.start(t);
  const key = { task_id: 'one', attempt: 1 };
  // As a keeper leaves it that is killed between starting a plotter and recording it.
  mkdirSync(join(farm.data, 'logs'), { recursive: true });
  writeFileSync(join(farm.data, 'logs', 'one.1.log'), 'half a line');
  const orphan = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
    env: { ...process.env, [PLOTS.variable]: plotsIn(farm.data).pathOf(key) },
    stdio: 'ignore',
    detached: true,
  });
  const orphaned = once(orphan, 'exit');
  await until('the orphan runs', () => identifyProcess(orphan.pid ?? 0) !== undefined);
  await farm.supervise(playerWith('--seconds', '0'));
  await farm.order('one');
  await farm.reaches('one', 'finished');
  t.same(await orphaned, [null, 'SIGKILL']);
  t.notMatch(farm.logOf('one'), /half a line/);
});

t.test('an order that names no real key is refused before it reaches a command line', async (t) => {
  const farm = await Farm.start(t);
  await farm.supervise(playerWith('--seconds', '0', '{fpk}'));
  await farm.order('one');
  t.match(
    (await farm.reaches('one', 'failed')).remarks,
    'plotter player needs fpk, which the order does not give',
  );
});

t.test('a program that is being replaced is waited for', async (t) => {
  const farm = await Farm.start(t);
  const program = join(farm.directory, 'plotter');
  copyFileSync(process.execPath, program);
  chmodSync(program, 0o700);
  const { argv, ...player } = playerWith('--seconds', '0');
  await farm.supervise({ ...player, argv: [program, ...argv.slice(1)] });
  // The system runs no file that somebody writes to.
  const writer = openSync(program, 'r+');
  await farm.order('one');
  t.match((await farm.reaches('one', 'pending')).remarks, /^nothing can be started now: .*ETXTBSY/);
  closeSync(writer);
  await farm.reaches('one', 'finished');
});
