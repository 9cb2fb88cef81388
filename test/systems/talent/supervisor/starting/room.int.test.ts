/** The room of plots on real directories, on file systems that answer and some that do not. */

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  Directories,
  type LookAtDirectory,
  lookAtDirectory,
} from '../../../../../src/processes/directories.js';
import { MachineDirectory } from '../../../../../src/processes/machine-directory.js';
import { finalBytes } from '../../../../../src/systems/talent/log-receiver/plot-file.js';
import type { PlotRecord } from '../../../../../src/systems/talent/machine/plot-record.js';
import type { PlotterDeclaration } from '../../../../../src/systems/talent/supervisor/plotters/plotters.js';
import {
  measureOrder,
  measureRunning,
  wantForRecords,
} from '../../../../../src/systems/talent/supervisor/starting/space.js';
import { tempBytes } from '../../../../../src/systems/talent/supervisor/starting/space-needs.js';
import { ManualClock } from '../../../../support/manual-clock.js';
import { until } from '../../../../support/until.js';

const ID = 'd2540dcfcffddbfbd7e60b4aca4d54fb937db71991298fabc253f020a87ff7d4';
const TEMP = ['plot-k{ksize}-*{plot_id}.plot.*tmp'];

function plotter(name: string, fills: PlotterDeclaration['fills']): PlotterDeclaration {
  return { name, argv: [name], format: 'chiapos', temp: TEMP, fills };
}

const PLOTTERS = [plotter('both', ['cache', 'dest']), plotter('memory', ['dest'])];

interface Machine {
  readonly cache1: string;
  readonly cache2: string;
  readonly dest_path: string;
  readonly clock: ManualClock;
  readonly directories: Directories;
  /** What is thrown instead of an answer, by path. */
  readonly broken: Map<string, Error>;
}

/** Caches on one file system; the destination is on another, whatever the test's directory is on. */
function machine(t: Test): Machine {
  const directory = t.testdir({ a: {}, b: {}, d: {} });
  const [cache1, cache2, dest_path] = ['a', 'b', 'd'].map((name) => join(directory, name));
  if (cache1 === undefined || cache2 === undefined || dest_path === undefined)
    throw new Error('no directory');
  const broken = new Map<string, Error>();
  const look: LookAtDirectory = async (path) => {
    const error = broken.get(path);
    if (error !== undefined) throw error;
    const state = await lookAtDirectory(path);
    return path === dest_path ? { ...state, fileSystem: -1 } : state;
  };
  const clock = new ManualClock();
  const { signal } = new AbortController();
  const directories = new Directories({ writer: 'the supervisor', lookAtDirectory: look, clock, signal });
  return { cache1, cache2, dest_path, clock, directories, broken };
}

function recordOn({ cache1, cache2, dest_path }: Machine, given: Partial<PlotRecord> = {}): PlotRecord {
  return {
    ...{ task_id: 'one', attempt: 1, worker_id: 'w', log_path: '/l', format: 'chiapos', argv: ['x'] },
    ...{ started_time: 0, process: { pid: 1, boot_id: 'b', start_time: '1' } },
    ...{ announced: true, stopping: false, suspended: false, ksize: 32, cache1, cache2, dest_path },
    ...{ plotter: 'both', temp: TEMP, plot_id: ID },
    ...given,
  };
}

t.test('an order needs its largest on each file system, and its caches once', async (t) => {
  const on = machine(t);
  const order = {
    ...{
      task_id: 'one',
      attempt: 1,
      id: 1,
      ksize: 32,
      threads: 2,
      buffer: 64,
      fpk: undefined,
      ppk: undefined,
    },
    ...{ cache1: on.cache1, cache2: on.cache2, dest_path: on.dest_path },
  };
  const [both] = PLOTTERS;
  if (both === undefined) throw new Error('no plotter');
  const { caches, needs } = await measureOrder(order, both, on.directories);
  t.equal(caches.length, 2);
  t.match(needs, [
    { place: 'cache1', path: on.cache1, bytes: tempBytes(32), gain: 0 },
    { place: 'dest', path: on.dest_path, bytes: finalBytes(32), gain: -finalBytes(32) },
  ]);
  const link = `${on.cache1}-link`;
  symlinkSync(on.cache1, link);
  t.match((await measureOrder({ ...order, cache2: link }, both, on.directories)).caches, {
    length: 1,
    0: { path: on.cache1 },
  });
  on.broken.set(on.dest_path, Object.assign(new Error('ESTALE'), { code: 'ESTALE' }));
  on.directories.lookAnew();
  await t.rejects(measureOrder(order, both, on.directories), {
    kind: 'unavailable',
    message: `dest ${on.dest_path} can't be used now: ESTALE`,
  });
});

t.test('a running plot still uses what its temp files do not take yet', async (t) => {
  const on = machine(t);
  writeFileSync(join(on.cache1, `plot-k32-${ID}.plot.sort.tmp`), Buffer.alloc(2 ** 20));
  mkdirSync(join(on.cache2, `plot-k32-${ID}.plot.directory.tmp`));
  const [plot] = await measureRunning([recordOn(on)], PLOTTERS, on.directories);
  t.match(plot?.needs, [
    { bytes: tempBytes(32) - 2 ** 20, gain: 2 ** 20 },
    { fileSystem: -1, bytes: finalBytes(32), gain: -finalBytes(32) },
  ]);
});

t.test(
  'what it needs goes by the plotter that makes it, not by the one that is configured now',
  async (t) => {
    const on = machine(t);
    const needsOf = async (name: string) =>
      (await measureRunning([recordOn(on, { plotter: name })], PLOTTERS, on.directories))[0]?.needs;
    t.match(await needsOf('memory'), { length: 1, 0: { fileSystem: -1 } });
    t.match(await needsOf('removed since'), { length: 2 }, 'not known: as much as it may be');
  },
);

t.test('a directory that fails costs a running plot nothing of what it needs', async (t) => {
  const on = machine(t);
  const measure = async () => (await measureRunning([recordOn(on)], PLOTTERS, on.directories))[0];
  on.broken.set(on.dest_path, new Error('gone'));
  t.match(await measure(), { needs: { length: 1, 0: { bytes: tempBytes(32) } } }, 'never seen');
  on.broken.clear();
  on.directories.lookAnew();
  const before = await measure();
  t.match(before, { needs: { length: 2 }, caches: { length: 2 } });
  for (const path of [on.cache1, on.cache2, on.dest_path]) on.broken.set(path, new Error('gone'));
  on.directories.lookAnew();
  t.same(await measure(), before, 'seen before');
});

t.test('temp files that nobody can look at in time are taken for missing, and looked at once', async (t) => {
  const on = machine(t);
  let searches = 0;
  const find = (): Promise<never> => {
    searches += 1;
    return new Promise(() => undefined);
  };
  const records = [recordOn(on), recordOn(on, { task_id: 'two' })];
  const measured = measureRunning(records, PLOTTERS, on.directories, find);
  await until('it searches', () => searches === 1);
  on.clock.advance(5_000);
  t.match(await measured, [{ needs: [{ bytes: tempBytes(32) }, {}] }, { needs: { length: 2 } }]);
  t.equal(searches, 1);
});

t.test('records and logs need room too', async (t) => {
  const data = t.testdir();
  let free = 16 * 2 ** 20;
  const directories = new Directories({
    writer: 'the supervisor',
    lookAtDirectory: async () => ({ id: '1:1', fileSystem: 1, free, size: 2 ** 40 }),
    clock: new ManualClock(),
    signal: new AbortController().signal,
  });
  t.equal(await wantForRecords(new MachineDirectory(data), directories), undefined);
  free -= 1;
  directories.lookAnew();
  t.equal(
    await wantForRecords(new MachineDirectory(data), directories),
    `data ${data} has 16.0 MiB free; logs and records of plots need 16.0 MiB`,
  );
});
