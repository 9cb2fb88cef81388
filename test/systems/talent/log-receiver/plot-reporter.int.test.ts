/** Plots whose talent is the wrong one, is put back to a backup, or refuses: what the log receiver makes of it. */

import { mkdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Clock, systemClock } from '../../../../src/base/clock.js';
import type { KeptProcess } from '../../../../src/processes/keeper/keeper-messages.js';
import { startLogReceiver } from '../../../../src/systems/talent/log-receiver/log-receiver.js';
import type { PlotKey } from '../../../../src/systems/talent/machine/plot-record.js';
import { TalentDirectory } from '../../../../src/systems/talent/machine/talent-directory.js';
import { PlotManagerClient } from '../../../../src/systems/talent/wire/plot-manager-client.js';
import { type LogLines, logLines } from '../../../support/log-lines.js';
import { ManualClock } from '../../../support/manual-clock.js';
import { plotsIn } from '../../../support/plots-in.js';
import { createTask, PlayedPlot, untilTask } from '../../../support/plotted.js';
import { readLog } from '../../../support/plotter-logs.js';
import { runTalent } from '../../../support/running-talent.js';
import { until } from '../../../support/until.js';

const DAY_MS = 86_400_000;
const PLOT_ID = 'ab'.repeat(32);

interface Machine {
  readonly data: string;
  readonly talent: PlotManagerClient;
  readonly log: LogLines;
  /** What its keeper would tell. */
  readonly unwritten: KeptProcess<PlotKey>[];
  startPlot(taskId: string): Promise<PlayedPlot>;
  /** Another talent answers at the same address, one that knows nothing. */
  replaceTalent(): Promise<void>;
  /** The first one again. */
  bringBackTalent(): Promise<void>;
}

async function startMachine(t: Test, clock: Clock = systemClock): Promise<Machine> {
  const directory = t.testdir();
  const [data, kept, aside] = ['data', 'talent', 'aside'].map((name) => join(directory, name));
  if (data === undefined || kept === undefined || aside === undefined) throw new Error('no directories');
  mkdirSync(data);
  const service = await runTalent(kept, { worker_id: 'worker' });
  const talent = new PlotManagerClient({ server: service.address });
  const log = logLines();
  const unwritten: Machine['unwritten'] = [];
  const receiver = startLogReceiver({
    ...{ machine: new TalentDirectory(data), server: service.address, version: 'test' },
    ...{ logger: log.logger, clock },
    unwrittenEnds: async () => unwritten,
  });
  t.teardown(async () => {
    await receiver.stop();
    talent.close();
    await service.stop();
  });
  return {
    data,
    talent,
    log,
    unwritten,
    async startPlot(taskId) {
      await createTask(talent, taskId);
      const plot = new PlayedPlot(data, taskId, 'chiapos');
      await plot.announce(talent);
      return plot;
    },
    async replaceTalent() {
      await service.stop();
      renameSync(kept, aside);
      await service.start();
    },
    async bringBackTalent() {
      await service.stop();
      rmSync(kept, { recursive: true });
      renameSync(aside, kept);
      await service.start();
    },
  };
}

function untilFinished({ talent }: Machine, taskId: string) {
  return untilTask(talent, taskId, 'is finished', ({ status }) => status === 'finished');
}

t.test('a talent that never heard of the plot is asked until it is the right one', async (t) => {
  const machine = await startMachine(t);
  const { talent, log } = machine;
  const plot = await machine.startPlot('plot');
  const bytes = readLog('chiapos');
  plot.print(bytes.subarray(0, 5_000));
  await untilTask(talent, 'plot', 'runs', ({ status }) => status === 'running');

  await machine.replaceTalent();
  plot.print(bytes.subarray(5_000));
  plot.end({ exit_code: 0 });
  const isTold = (entry: object): boolean => JSON.stringify(entry).includes('knows nothing of this plot');
  await until('it is told', () => log.entries('warn').some(isTold));
  t.equal(log.entries('warn').filter(isTold).length, 1, 'once');

  await machine.bringBackTalent();
  t.match(await untilFinished(machine, 'plot'), {
    exit_code: 0,
    plot_details: { progress: 100, wrote: 148 },
  });
});

t.test('a talent that was told everything and has lost it is told again', async (t) => {
  const clock = new ManualClock(Date.now());
  const machine = await startMachine(t, clock);
  const { talent } = machine;
  const plot = await machine.startPlot('plot');
  plot.print(readLog('chiapos'));
  plot.end({ exit_code: 0 });
  const finishes = async (): Promise<void> =>
    await until('the plot is finished', async () => {
      clock.advance(500);
      return (await talent.status({ task_id: 'plot' })).status === 'finished';
    });
  await finishes();
  await machine.replaceTalent();
  // As a backup has it that was made while the plot began.
  await createTask(talent, 'plot');
  await plot.announce(talent);
  await finishes();
  t.match(await talent.status({ task_id: 'plot' }), { plot_details: { progress: 100, wrote: 148 } });
});

t.test('a clock that is wrong by days costs the times and nothing else', async (t) => {
  const machine = await startMachine(t, { ...systemClock, now: () => Date.now() + 2 * DAY_MS });
  const plot = await machine.startPlot('plot');
  plot.print(readLog('chiapos'));
  plot.end({ exit_code: 0, ended_time: (Date.now() + 2 * DAY_MS) / 1000 });
  const { running_time = 0, finished_time = 0, ...task } = await untilFinished(machine, 'plot');
  t.match(task, { exit_code: 0, plot_details: { progress: 100, wrote: 148 } });
  const tomorrow = (Date.now() + DAY_MS) / 1000;
  t.ok(running_time > 0 && running_time < tomorrow, 'talent takes its own');
  t.ok(finished_time > 0 && finished_time < tomorrow);
  t.strictSame(machine.log.messages('error'), []);
});

t.test('an end that talent refuses is told again until it is taken', async (t) => {
  const machine = await startMachine(t);
  const plot = await machine.startPlot('plot');
  plot.print(readLog('chiapos'));
  // No exit code is as large.
  plot.end({ exit_code: 70_000 });
  const isRefusal = (entry: object): boolean => JSON.stringify(entry).includes('refuses to hear how');
  await until('it is refused', () => machine.log.entries('error').some(isRefusal));
  // Somebody mends the file.
  rmSync(plotsIn(machine.data).endPathOf({ task_id: 'plot', attempt: 1 }));
  plot.end({ exit_code: 7 });
  const task = await untilTask(machine.talent, 'plot', 'is over', ({ status }) => status === 'failed');
  t.match(task, { exit_code: 7, remarks: /^exited 7 after finishing its plot/ });
  t.equal(machine.log.messages('error').length, 1, 'said once');
});

function replaceByDirectory(log: string): void {
  rmSync(log);
  mkdirSync(log);
}

/** Where the plot belongs, as large as a k18. */
function putInPlace(machine: Machine, plot: PlayedPlot): string {
  const dest_path = join(machine.data, 'dest');
  const path = join(dest_path, `plot-k18-${PLOT_ID}.plot`);
  mkdirSync(dest_path);
  writeFileSync(path, '');
  truncateSync(path, 4_000_000);
  plot.change({ ksize: 18, dest_path, plot_id: PLOT_ID });
  return path;
}

t.test('a log that was cut short costs no plot that is in its place', async (t) => {
  const machine = await startMachine(t);
  const plot = await machine.startPlot('plot');
  const path = putInPlace(machine, plot);
  plot.print('a line of the disk that was\nful');
  plot.end({ exit_code: 0, log_disk_full: true });
  t.match(await untilFinished(machine, 'plot'), {
    exit_code: 0,
    remarks: `its plot is in its place (${path}, 4000000 bytes); its log does not tell of its end; its log ends in the middle of a line; the disk of its log had no free block when it ended`,
  });
});

t.test('nor does a log that is gone, or that nobody can read', async (t) => {
  const machine = await startMachine(t);
  for (const [taskId, remark, lose] of [
    ['gone', 'its log is gone', (log: string) => rmSync(log)],
    ['unreadable', 'EISDIR', replaceByDirectory],
  ] as const) {
    const plot = await machine.startPlot(taskId);
    rmSync(join(machine.data, 'dest'), { recursive: true, force: true });
    putInPlace(machine, plot);
    lose(plot.logPath);
    plot.end({ exit_code: 0 });
    t.match(await untilFinished(machine, taskId), { remarks: new RegExp(remark) });
  }
});

t.test('what the keeper can not write is asked of it', async (t) => {
  const machine = await startMachine(t);
  await machine.startPlot('plot');
  machine.unwritten.push({
    key: { task_id: 'plot', attempt: 1 },
    end: { exit_code: 3, exit_signal: null, ended_time: 5, unwritten: 'ENOSPC' },
  });
  const task = await untilTask(machine.talent, 'plot', 'has failed', ({ status }) => status === 'failed');
  t.match(task, { exit_code: 3, remarks: /^exited 3/ });
});
