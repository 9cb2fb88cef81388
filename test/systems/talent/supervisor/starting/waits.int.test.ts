/** What waits and why, what it is told, and that nobody else waits for it: with real processes on disks of any size. */

import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type LookAtDirectory, lookAtDirectory } from '../../../../../src/processes/directories.js';
import { finalBytes } from '../../../../../src/systems/talent/log-receiver/plot-file.js';
import { TalentDirectory } from '../../../../../src/systems/talent/machine/talent-directory.js';
import { askSupervisor } from '../../../../../src/systems/talent/supervisor/control.js';
import { tempBytes } from '../../../../../src/systems/talent/supervisor/starting/space-needs.js';
import { until } from '../../../../support/until.js';
import { Farm, pausingPlayer, playerWith } from '../../support/farm.js';

/** A file system of its own for each directory, as large as the test says. */
function disks(free: Map<string, number>): LookAtDirectory {
  const numbers = new Map<string, number>();
  return async (path) => {
    const fileSystem = numbers.get(path) ?? numbers.size + 1;
    numbers.set(path, fileSystem);
    const { id } = await lookAtDirectory(path);
    return { id, fileSystem, free: free.get(path) ?? 2 ** 50, size: 2 ** 50 };
  };
}

/** How often, and with which remarks, a task was said to be pending. */
async function pendingRemarks(farm: Farm, taskId: string): Promise<string[]> {
  const history = await farm.history(taskId);
  const started = history.findIndex(({ type }) => type === 'PlotTaskStarted');
  return history
    .slice(0, started < 0 ? undefined : started)
    .map(({ data = '{}' }) => JSON.parse(data).remarks)
    .filter((remarks) => typeof remarks === 'string');
}

/** The supervisor does so by itself every two seconds. */
async function lookAgain(farm: Farm): Promise<void> {
  await askSupervisor(new TalentDirectory(farm.data), { method: 'undrain' });
}

t.test('without room on a cache a task waits, and says so once; with room it starts', async (t) => {
  const farm = await Farm.start(t);
  const free = new Map([[farm.cache1, tempBytes(32) - 1]]);
  const supervisor = await farm.supervise(playerWith('--seconds', '0'), { lookAtDirectory: disks(free) });
  await farm.order('big', { ksize: 32 });
  const waiting = await farm.reaches('big', 'pending');
  t.equal(waiting.remarks, `cache1 ${farm.cache1} has 239.0 GiB free; a k32 plot needs 239.0 GiB there`);
  // Other figures, the same reason: the supervisor knows them, the history does not need them.
  free.set(farm.cache1, tempBytes(32) / 2);
  await lookAgain(farm);
  await until('it has looked again', () =>
    supervisor.status().waiting.some(({ reason }) => reason.includes('has 119.5 GiB free;')),
  );
  free.set(farm.cache1, tempBytes(32));
  await lookAgain(farm);
  t.match((await farm.reaches('big', 'finished')).remarks, /^its plot is in its place/);
  t.same(await pendingRemarks(farm, 'big'), [waiting.remarks]);
});

t.test('space for which running plots make room is not taken by those ordered later', async (t) => {
  const farm = await Farm.start(t);
  const free = new Map<string, number>();
  await farm.supervise(pausingPlayer(farm), { lookAtDirectory: disks(free) });
  await farm.order('running', { ksize: 32 });
  await farm.reachesPause('running');
  free.set(farm.cache1, 1.9 * tempBytes(32));
  await farm.order('big', { ksize: 32 });
  await farm.reaches('big', 'pending');
  await farm.order('small');
  t.match(
    (await farm.reaches('small', 'pending')).remarks,
    /has 454\.1 GiB free, but running plots will still use 239\.0 GiB and tasks ordered earlier need 239\.0 GiB;/,
  );
  farm.goOn();
  for (const id of ['big', 'small']) await farm.reaches(id, 'finished');
});

t.test('a plot that no disk here can hold waits, and holds nobody up', async (t) => {
  const farm = await Farm.start(t);
  const look = disks(new Map());
  await farm.supervise(playerWith('--seconds', '0'), {
    lookAtDirectory: async (path) => ({ ...(await look(path)), free: 2 ** 40, size: 2 ** 40 }),
  });
  await farm.order('large', { ksize: 35 });
  await farm.order('usual', { ksize: 32 });
  t.match(
    (await farm.reaches('large', 'pending')).remarks,
    /^cache1 .* can hold 1024\.0 GiB in all; a k35 plot needs 2175\.0 GiB there$/,
  );
  await farm.reaches('usual', 'finished');
  t.equal((await farm.task('large')).status, 'pending');
});

t.test('the destination and the second cache count too', async (t) => {
  const farm = await Farm.start(t);
  const free = new Map([
    [farm.dest, finalBytes(32) - 1],
    [farm.cache2, finalBytes(32)],
  ]);
  await farm.supervise(playerWith('--seconds', '0'), { lookAtDirectory: disks(free) });
  await farm.order('one', { ksize: 32 });
  t.match((await farm.reaches('one', 'pending')).remarks, `cache2 ${farm.cache2} has 101.4 GiB free`);
  free.delete(farm.cache2);
  await lookAgain(farm);
  await until(
    'it waits for the destination',
    async () => (await farm.task('one')).remarks?.startsWith(`dest ${farm.dest} has 101.4 GiB`) ?? false,
  );
  free.delete(farm.dest);
  await lookAgain(farm);
  await farm.reaches('one', 'finished');
});

t.test('what running plots will still use is counted in', async (t) => {
  const farm = await Farm.start(t);
  const free = new Map([[farm.cache1, 1.9 * tempBytes(32)]]);
  await farm.supervise(pausingPlayer(farm), { lookAtDirectory: disks(free) });
  await farm.order('one', { ksize: 32 });
  await farm.reachesPause('one');
  await farm.order('two', { ksize: 32 });
  t.match(
    (await farm.reaches('two', 'pending')).remarks,
    /has 454\.1 GiB free, but running plots will still use 239\.0 GiB; a k32 plot needs 239\.0 GiB there/,
  );
  farm.goOn();
  await farm.reaches('two', 'finished');
});

t.test('however many start before it, a task is told each reason once', async (t) => {
  const farm = await Farm.start(t);
  const other = join(farm.directory, 'other');
  mkdirSync(other);
  // Room for one k32 at a time; beside it smaller ones come and go on another disk.
  const look = disks(new Map([[farm.cache1, 240 * 2 ** 30]]));
  await farm.supervise(playerWith('--seconds', '0.1'), { max_plots: 2, lookAtDirectory: look });
  const ids = Array.from({ length: 6 }, (_, index) => [`large${index}`, `small${index}`]).flat();
  for (const id of ids)
    await farm.order(id, id.startsWith('large') ? { ksize: 32 } : { cache1: other, cache2: other });
  for (const id of ids) await farm.reaches(id, 'finished');
  for (const id of ids) {
    const remarks = await pendingRemarks(farm, id);
    t.ok(remarks.length <= 2, `${id}: ${remarks.join(' | ')}`);
  }
});

t.test('with a limit and a stagger a task is told of each once', async (t) => {
  const farm = await Farm.start(t);
  const plotter = { ...playerWith('--seconds', '0'), fills: [] };
  await farm.supervise(plotter, { max_plots: 1, stagger_seconds: 1 });
  const ids = Array.from({ length: 5 }, (_, index) => `task${index}`);
  for (const id of ids) await farm.order(id);
  for (const id of ids) await farm.reaches(id, 'finished');
  for (const id of ids) {
    const remarks = await pendingRemarks(farm, id);
    t.ok(remarks.length <= 2, `${id}: ${remarks.join(' | ')}`);
    t.equal(new Set(remarks).size, remarks.length);
  }
});

t.test('the stagger outlives the supervisor', async (t) => {
  const farm = await Farm.start(t);
  const plotter = { ...pausingPlayer(farm), fills: [] };
  const first = await farm.supervise(plotter, { stagger_seconds: 3600 });
  await farm.order('a');
  await farm.reachesPause('a');
  await first.stop();
  await farm.order('b');
  const second = await farm.supervise(plotter, { stagger_seconds: 3600 });
  await until('it has looked at the task', () => second.status().waiting.some(({ reason }) => reason !== ''));
  t.match(second.status().waiting, [
    { task_id: 'b', reason: 'plots start 3600 s apart, and one has just started' },
  ]);
  farm.goOn();
  await farm.reaches('a', 'finished');
});

t.test('a directory under another name is the same directory', async (t) => {
  const farm = await Farm.start(t);
  const link = join(farm.directory, 'link');
  symlinkSync(farm.cache1, link);
  await farm.supervise({ ...pausingPlayer(farm), fills: [] }, { max_per_cache: 1 });
  await farm.order('a');
  await farm.reachesPause('a');
  await farm.order('b', { cache1: `${farm.cache1}/`, cache2: `${farm.cache2}/` });
  await farm.order('c', { cache1: link, cache2: link });
  t.match((await farm.reaches('b', 'pending')).remarks, /^max_per_cache is 1, .*cache1\/ or were/);
  t.match((await farm.reaches('c', 'pending')).remarks, /^max_per_cache is 1, .*link or were/);
  farm.goOn();
  for (const id of ['b', 'c']) await farm.reaches(id, 'finished');
});

t.test('a running plot whose destination is away still has its promise on the cache', async (t) => {
  const farm = await Farm.start(t);
  const lookAt = disks(new Map([[farm.cache1, 1.9 * tempBytes(32)]]));
  const other = join(farm.directory, 'other');
  mkdirSync(other);
  let isAway = false;
  await farm.supervise(pausingPlayer(farm), {
    lookAtDirectory: async (path) => {
      if (isAway && path === farm.dest) throw Object.assign(new Error('ESTALE'), { code: 'ESTALE' });
      return await lookAt(path);
    },
  });
  await farm.order('one', { ksize: 32 });
  await farm.reachesPause('one');
  isAway = true;
  await farm.order('two', { ksize: 32, dest: other });
  t.match((await farm.reaches('two', 'pending')).remarks, /running plots will still use 239\.0 GiB;/);
  farm.goOn();
  isAway = false;
  await farm.reaches('two', 'finished');
});

t.test('a directory that fails for a while fails no task', async (t) => {
  const farm = await Farm.start(t);
  let isStale = true;
  await farm.supervise(playerWith('--seconds', '0'), {
    lookAtDirectory: async (path) => {
      if (isStale && path === farm.dest) throw Object.assign(new Error('ESTALE: stale'), { code: 'ESTALE' });
      return await lookAtDirectory(path);
    },
  });
  for (const id of ['a', 'b']) await farm.order(id);
  for (const id of ['a', 'b'])
    t.equal(
      (await farm.reaches(id, 'pending')).remarks,
      `dest ${farm.dest} can't be used now: ESTALE: stale`,
    );
  isStale = false;
  await lookAgain(farm);
  for (const id of ['a', 'b']) await farm.reaches(id, 'finished');
});

t.test('a directory that does not answer holds up its own tasks only', async (t) => {
  const farm = await Farm.start(t);
  const dead = join(farm.directory, 'dead');
  await farm.supervise(playerWith('--seconds', '0'), {
    lookAtDirectory: (path) => (path === dead ? new Promise(() => undefined) : lookAtDirectory(path)),
  });
  await farm.order('bad', { dest: dead });
  t.match(
    (await farm.reaches('bad', 'pending')).remarks,
    `dest ${dead} does not answer; is its server away?`,
  );
  await farm.order('good');
  await farm.reaches('good', 'finished');
  t.equal((await farm.task('bad')).status, 'pending');
});

t.test('what keeps the machine from starting anything fails no task', async (t) => {
  const farm = await Farm.start(t);
  await farm.supervise(playerWith('--seconds', '0'));
  const logs = join(farm.data, 'logs');
  rmSync(logs, { recursive: true });
  writeFileSync(logs, 'in its place');
  for (const id of ['a', 'b']) await farm.order(id);
  for (const id of ['a', 'b'])
    t.match((await farm.reaches(id, 'pending')).remarks, /^nothing can be started now: ENOTDIR/);
  rmSync(logs);
  mkdirSync(logs);
  await lookAgain(farm);
  for (const id of ['a', 'b']) await farm.reaches(id, 'finished');
  t.equal((await pendingRemarks(farm, 'a')).length, 1);
});

t.test('on a full data disk nothing is started', async (t) => {
  const farm = await Farm.start(t);
  const free = new Map([[farm.data, 2 ** 20]]);
  await farm.supervise(playerWith('--seconds', '0'), { lookAtDirectory: disks(free) });
  await farm.order('one');
  t.equal(
    (await farm.reaches('one', 'pending')).remarks,
    `data ${farm.data} has 1.0 MiB free; logs and records of plots need 16.0 MiB`,
  );
  free.delete(farm.data);
  await lookAgain(farm);
  await farm.reaches('one', 'finished');
});

t.test('while as many run as may, the disks of a task that comes are looked at once', async (t) => {
  const farm = await Farm.start(t);
  let looks = 0;
  await farm.supervise(pausingPlayer(farm), {
    max_plots: 1,
    lookAtDirectory: async (path) => {
      looks += 1;
      return await lookAtDirectory(path);
    },
  });
  await farm.order('a');
  await farm.reachesPause('a');
  const before = looks;
  await farm.order('b');
  await farm.reaches('b', 'pending');
  const once = looks;
  t.ok(once > before, 'one that is taken out later is missed');
  // Each of these makes it look again what it may start.
  for (const method of ['drain', 'undrain'] as const)
    await askSupervisor(new TalentDirectory(farm.data), { method });
  await until('it has looked', async () => (await pendingRemarks(farm, 'b')).length === 3);
  t.equal(looks, once);
  farm.goOn();
  await farm.reaches('b', 'finished');
});
