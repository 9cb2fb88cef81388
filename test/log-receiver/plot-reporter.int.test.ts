/** Plots whose talent is the wrong one, is put back to a backup, or refuses: what the log receiver makes of it. */

import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startLogReceiver } from '../../src/log-receiver/log-receiver.js';
import { type Clock, systemClock } from '../../src/runtime/clock.js';
import { PlotManagerClient } from '../../src/wire/plot-manager-client.js';
import { plotEndPath } from '../../src/wire/plot-record.js';
import { type LogLines, logLines } from '../support/log-lines.js';
import { ManualClock } from '../support/manual-clock.js';
import { createTask, PlayedPlot, untilTask } from '../support/plotted.js';
import { runTalent } from '../support/running-talent.js';
import { until } from '../support/until.js';
import { readLog } from './logs.js';

const DAY_MS = 86_400_000;

interface Machine {
  readonly data: string;
  readonly talent: PlotManagerClient;
  readonly log: LogLines;
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
  const receiver = startLogReceiver({
    ...{ data, server: service.address, version: 'test' },
    ...{ logger: log.logger, clock },
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
  rmSync(plotEndPath(machine.data, { task_id: 'plot', attempt: 1 }));
  plot.end({ exit_code: 7 });
  const task = await untilTask(machine.talent, 'plot', 'is over', ({ status }) => status === 'failed');
  t.match(task, { exit_code: 7, remarks: /^exited 7 after finishing its plot/ });
  t.equal(machine.log.messages('error').length, 1, 'said once');
});
