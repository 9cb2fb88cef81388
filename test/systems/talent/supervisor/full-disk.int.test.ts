/** A data disk without one free block when plotters end: on a small disk that is full where one can be mounted, else on a double. */

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { isAlive } from '../../../../src/base/process-identity.js';
import { KeeperLink, unwrittenEnds } from '../../../../src/processes/keeper/keeper-link.js';
import { identityOf } from '../../../../src/processes/records/process-record.js';
import { KEEPER_MAIN } from '../../../../src/systems/talent/machine/keeper-program.js';
import type { PlotFields, PlotKey, PlotStart } from '../../../../src/systems/talent/machine/plot-record.js';
import type { PlotterDeclaration } from '../../../../src/systems/talent/supervisor/plotters/plotters.js';
import { plotsIn } from '../../../support/plots-in.js';
import { testDirectory } from '../../../support/test-directory.js';
import { until } from '../../../support/until.js';
import { wakingClock as clock } from '../../../support/waking-clock.js';
import { Farm } from '../support/farm.js';
import { mountSmallDisk, pretendSmallDisk, type SmallDisk } from './small-disk.js';

/** What a supervisor is told by its keeper. */
class Told {
  readonly ended: PlotKey[] = [];
  readonly unwritten: PlotKey[] = [];
  readonly link: KeeperLink<PlotKey, PlotFields>;

  constructor(data: string) {
    this.link = new KeeperLink({
      ...{ records: plotsIn(data), main: KEEPER_MAIN, clock, logger: pino({ level: 'silent' }) },
    });
  }

  open(): Promise<void> {
    return this.link.open({
      onEnded: (key) => this.ended.push(key),
      onUnwritten: (key) => this.unwritten.push(key),
    });
  }
}

const ONE: PlotKey = { task_id: 'one', attempt: 1 };
const TWO: PlotKey = { task_id: 'two', attempt: 1 };

/** A plotter that exits with this code once it is told to. */
function plot(data: string, key: PlotKey, code: number): PlotStart {
  return {
    ...key,
    worker_id: 'worker',
    log_path: plotsIn(data).logPathOf(key),
    format: 'chiapos',
    argv: [
      process.execPath,
      '-e',
      `process.on('SIGUSR2', () => process.exit(${code})); setInterval(() => {}, 1000); console.log('up')`,
    ],
    ...{ announced: false, stopping: false, suspended: false, ksize: 18 },
    ...{ cache1: '/c', cache2: '/c', dest_path: '/d', plotter: 'script', temp: [], plot_id: null },
  };
}

async function fillsUnder(t: Test, data: string, disk: SmallDisk): Promise<void> {
  for (const name of ['plots', 'logs']) mkdirSync(join(data, name), { recursive: true });
  const first = new Told(data);
  await first.open();
  const records = await Promise.all(
    [plot(data, ONE, 3), plot(data, TWO, 4)].map((start) => first.link.start(start)),
  );
  await until('both run', () => records.every(({ log_path }) => readFileSync(log_path, 'utf8') === 'up\n'));
  const [one, two] = records.map((record) => identityOf(record));
  if (one === undefined || two === undefined) throw new Error('nothing runs');

  disk.fill();
  process.kill(one.pid, 'SIGUSR2');
  await until('its end is told', () => first.unwritten.length === 1);
  t.same(first.unwritten, [ONE]);
  t.match(first.link.unwrittenEnd(ONE), { exit_code: 3, unwritten: /ENOSPC/ });
  t.same([first.ended, plotsIn(data).readEnd(ONE)], [[], null], 'and not said to be written');
  t.match(await unwrittenEnds(plotsIn(data)), [{ key: ONE, end: { exit_code: 3 } }], 'whoever asks is told');

  await first.link.close();
  const second = new Told(data);
  await second.open();
  t.match(second.link.unwrittenEnd(ONE), { exit_code: 3 }, 'the next supervisor too');
  t.ok(second.link.keeps(ONE) && second.link.keeps(TWO), 'it is the same keeper');
  process.kill(two.pid, 'SIGUSR2');
  await until('so is the other', () => second.unwritten.length === 2);
  // Its supervisor has settled it meanwhile.
  plotsIn(data).remove(TWO);

  disk.makeRoom();
  await until('all is done', () => second.ended.length === 2);
  t.match(plotsIn(data).readEnd(ONE), { exit_code: 3, unwritten: /ENOSPC/ });
  t.equal(plotsIn(data).readEnd(TWO), null, 'what is settled does not come back');
  await second.link.close();
  await until('the keeper has ended by itself', () => !existsSync(join(data, 'keeper.sock')));
}

t.test('the keeper of a full disk keeps what it can not write', async (t) => {
  const data = join(testDirectory(t), 'data');
  const disk = mountSmallDisk(t, data);
  if (disk === undefined)
    return void t.skip('nobody may mount a disk here; the double follows', () => undefined);
  await fillsUnder(t, data, disk);
});

t.test('so it does on a double of a full disk, with an error stream that takes nothing either', async (t) => {
  const data = join(testDirectory(t), 'data');
  await fillsUnder(t, data, pretendSmallDisk(t, data));
});

t.test('a directory of records that vanished costs no exit code', async (t) => {
  const data = testDirectory(t, { plots: {}, logs: {} });
  const told = new Told(data);
  await told.open();
  const record = await told.link.start(plot(data, ONE, 5));
  await until('it runs', () => readFileSync(record.log_path, 'utf8') === 'up\n');
  renameSync(plotsIn(data).directory.records, join(data, 'elsewhere'));
  process.kill(record.process.pid, 'SIGUSR2');
  await until('its end is told', () => told.unwritten.length === 1);
  t.match(told.link.unwrittenEnd(ONE), { exit_code: 5, unwritten: /ENOENT/ });
  renameSync(join(data, 'elsewhere'), plotsIn(data).directory.records);
  await until('it is written', () => told.ended.length === 1);
  t.match(plotsIn(data).readEnd(ONE), { exit_code: 5 });
  await told.link.close();
  await until('the keeper has ended by itself', () => !existsSync(join(data, 'keeper.sock')));
});

/** Prints more than its disk may take, puts its plot in its place all the same and exits 0. */
const HEEDLESS = `
  const { existsSync, renameSync, truncateSync, writeFileSync, writeSync } = require('node:fs');
  const [dest, name, go] = process.argv.slice(1);
  console.log('up');
  const timer = setInterval(() => {
    if (!existsSync(go)) return;
    clearInterval(timer);
    try { for (let n = 0; n < 10000; n += 1) writeSync(1, 'a line of its log\\n'); } catch {}
    writeFileSync(dest + '/' + name + '.tmp', 'no plot');
    truncateSync(dest + '/' + name + '.tmp', 4000000);
    renameSync(dest + '/' + name + '.tmp', dest + '/' + name);
  }, 10);`;

t.test('a plot in its place is finished while the disk of its log is full', async (t) => {
  const directory = testDirectory(t);
  const disk = mountSmallDisk(t, join(directory, 'supervisor'));
  if (disk === undefined) return void t.skip('nobody may mount a disk here', () => undefined);
  const farm = await Farm.start(t, { directory });
  const heedless: PlotterDeclaration = {
    name: 'heedless',
    argv: ['{node}', '-e', HEEDLESS, '{dest}', '{file_name}', join(directory, 'go-{task_id}')],
    ...{ format: 'chiapos', temp: [], fills: [] },
  };
  await farm.supervise(heedless);
  for (const taskId of ['one', 'two']) {
    await farm.order(taskId);
    await farm.reaches(taskId, 'started');
    await until('it runs, and the log receiver may know', () => farm.logOf(taskId) === 'up\n');
    await until('its start is written down', () => farm.recordOf(taskId).announced);
  }
  disk.fill();
  writeFileSync(join(directory, 'go-one'), '');
  t.match(await farm.reaches('one', 'finished'), {
    exit_code: 0,
    remarks:
      /^its plot is in its place \(.*plot-k18-.*\.plot, 4000000 bytes\); .*its log ends in the middle of a line; .*the disk of its log had no free block when it ended; its end could not be written at once \(ENOSPC/,
  });
  const two = identityOf(farm.recordOf('two'));
  disk.makeRoom();
  t.ok(isAlive(two));
  process.kill(two.pid, 'SIGTERM');
  t.match(await farm.reaches('two', 'failed'), { exit_signal: 'SIGTERM' }, 'the keeper is still there');
  await until('nothing is left to do', () => farm.records().length === 0);
});
