/** The log receiver on real files and a real talent: what ends up in the table, whatever stops on the way. */

import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Facts } from '../../../../src/systems/talent/log-receiver/facts.js';
import {
  type LogReceiver,
  startLogReceiver,
} from '../../../../src/systems/talent/log-receiver/log-receiver.js';
import type { PlotEnd } from '../../../../src/systems/talent/machine/plot-record.js';
import { TalentDirectory } from '../../../../src/systems/talent/machine/talent-directory.js';
import { PlotManagerClient } from '../../../../src/systems/talent/wire/plot-manager-client.js';
import { type LogLines, logLines } from '../../../support/log-lines.js';
import { createTask, historyOf, PlayedPlot, rowOf, untilTask } from '../../../support/plotted.js';
import { LOG_NAMES, LOGS, type LogName, readLog, toLines } from '../../../support/plotter-logs.js';
import { type RunningTalent, runTalent } from '../../../support/running-talent.js';
import { until } from '../../../support/until.js';
import { EXPECTED_FACTS } from '../support/expected-facts.js';
import { newsOf } from '../support/plotter-facts.js';

interface Machine {
  readonly data: string;
  readonly service: RunningTalent;
  readonly talent: PlotManagerClient;
  readonly log: LogLines;
  startReceiver(): LogReceiver;
  /** Stops the receivers that run, in order. */
  stopReceivers(): Promise<void>;
}

async function startMachine(t: Test, data = join(t.testdir(), 'data')): Promise<Machine> {
  const service = await runTalent(data, { worker_id: 'worker' });
  const talent = new PlotManagerClient({ server: service.address });
  const log = logLines();
  const receivers: LogReceiver[] = [];
  const stopReceivers = async (): Promise<void> => {
    for (const receiver of receivers.splice(0)) await receiver.stop();
  };
  t.teardown(async () => {
    await stopReceivers();
    talent.close();
    await service.stop();
  });
  return {
    data,
    service,
    talent,
    log,
    startReceiver() {
      const receiver = startLogReceiver({
        machine: new TalentDirectory(data),
        server: service.address,
        version: 'test',
        logger: log.logger,
      });
      receivers.push(receiver);
      return receiver;
    },
    stopReceivers,
  };
}

async function startPlot({ data, talent }: Machine, taskId: string, name: LogName): Promise<PlayedPlot> {
  await createTask(talent, taskId);
  const plot = new PlayedPlot(data, taskId, LOGS[name].format);
  await plot.announce(talent);
  return plot;
}

function untilOver({ talent }: Machine, taskId: string) {
  return untilTask(talent, taskId, 'is over', ({ status = '' }) => ['finished', 'failed'].includes(status));
}

const ENDS: Readonly<Record<LogName, Partial<PlotEnd>>> = {
  chia: { exit_code: 0 },
  chiapos: { exit_code: 0 },
  missing: { exit_signal: 'SIGABRT' },
  madmax: { exit_code: 0 },
  bladebit: { exit_code: 0 },
};

/** The facts as columns: the signals are states, and a directory that names no place is not kept. */
function columnsOf({ started, finished, failed, waiting, ...facts }: Facts): object {
  const { dest_dir, ...others } = facts;
  return dest_dir?.startsWith('/') ? facts : others;
}

t.test('all five recorded logs end up right in the table', async (t) => {
  const machine = await startMachine(t);
  machine.startReceiver();
  for (const name of LOG_NAMES) {
    const plot = await startPlot(machine, name, name);
    plot.print(readLog(name));
    plot.end(ENDS[name]);
  }
  for (const name of LOG_NAMES) await untilOver(machine, name);
  await machine.stopReceivers();
  machine.talent.close();
  await machine.service.stop();
  for (const name of LOG_NAMES) {
    const row = rowOf(machine.data, name);
    t.match(row, columnsOf(EXPECTED_FACTS[name]), name);
    t.equal(row['status'], name === 'missing' ? 'failed' : 'finished');
    t.equal(row['log_offset'], readLog(name).length);
    // What a log does not tell stays empty.
    const told = new Set([...Object.keys(EXPECTED_FACTS[name]), 'total_time']);
    for (const column of Object.keys(row)) {
      if (
        /^(p[1-4]|copy|total)_.*_(time|cpu)$|^memo$|^wrote$/.test(column) &&
        !/^p2_t\d_(time|cpu)$/.test(column)
      )
        t.equal(row[column] === null, !told.has(column), `${name} ${column}`);
    }
  }
  t.match(rowOf(machine.data, 'missing'), {
    remarks:
      'killed by SIGABRT before its plot was finished: Temp directory /nonexistent does not exist; a k18 is made although a k32 was ordered: its plotter may know no other size',
    exit_signal: 'SIGABRT',
    exit_code: null,
    running_time: undefined,
  });
  t.strictSame(machine.log.messages('error'), []);
});

t.test('whoever stops on the way, the history is that of an undisturbed run', async (t) => {
  const bytes = readLog('chiapos');
  const cuts = toLines(bytes).flatMap(({ offset }, index) => (index % 40 === 0 ? [offset - 5, offset] : []));

  const directory = t.testdir();
  const undisturbed = await startMachine(t, join(directory, 'one'));
  undisturbed.startReceiver();
  const quiet = await startPlot(undisturbed, 'plot', 'chiapos');
  quiet.print(bytes);
  quiet.end({ exit_code: 0 });
  await untilOver(undisturbed, 'plot');

  const machine = await startMachine(t, join(directory, 'two'));
  const plot = await startPlot(machine, 'plot', 'chiapos');
  let printed = 0;
  let restarts = 0;
  for (const cut of [...cuts, bytes.length]) {
    plot.print(bytes.subarray(printed, cut));
    printed = cut;
    if (restarts % 3 === 1) {
      // Talent goes away while there is something to tell, and comes back later.
      await machine.service.stop();
      machine.startReceiver();
      await machine.service.start();
    } else {
      machine.startReceiver();
    }
    const told = lastTelling(bytes.subarray(0, cut));
    await untilTask(
      machine.talent,
      'plot',
      `is told up to ${told}`,
      ({ log_offset = 0 }) => log_offset >= told,
    );
    await machine.stopReceivers();
    restarts += 1;
  }
  plot.end({ exit_code: 0 });
  machine.startReceiver();
  await untilOver(machine, 'plot');
  t.ok(restarts > 20);

  t.strictSame(await historyOf(machine.talent, 'plot'), await historyOf(undisturbed.talent, 'plot'));
  for (const { stopReceivers, talent, service } of [machine, undisturbed]) {
    await stopReceivers();
    talent.close();
    await service.stop();
  }
  t.strictSame(rowOf(machine.data, 'plot'), rowOf(undisturbed.data, 'plot'));
});

/** Just past the last whole line that tells something. */
function lastTelling(bytes: Uint8Array): number {
  const whole = toLines(bytes.subarray(0, bytes.lastIndexOf(10) + 1));
  const news = newsOf('chiapos', whole);
  const last = news.findLastIndex((facts) => Object.keys(facts).length > 0);
  return whole[last]?.offset ?? 0;
}

t.test('nothing is reported before the start is announced', async (t) => {
  const machine = await startMachine(t);
  machine.startReceiver();
  await createTask(machine.talent, 'early');
  const early = new PlayedPlot(machine.data, 'early', 'chiapos');
  early.print(readLog('chiapos'));
  early.end({ exit_code: 0 });
  const other = await startPlot(machine, 'other', 'missing');
  other.print(readLog('missing'));
  other.end({ exit_code: 1 });
  await untilOver(machine, 'other');
  t.equal((await machine.talent.status({ task_id: 'early' })).status, 'received');
  await early.announce(machine.talent);
  t.equal((await untilOver(machine, 'early')).status, 'finished');
});

t.test(
  'a plot that is being stopped is told of to its end; stopped is the word of the supervisor',
  async (t) => {
    const machine = await startMachine(t);
    machine.startReceiver();
    const plot = await startPlot(machine, 'plot', 'chiapos');
    const half = readLog('chiapos').subarray(0, 5_000);
    plot.print(half);
    await untilTask(machine.talent, 'plot', 'runs', ({ status }) => status === 'running');
    await machine.talent.stop({ task_id: 'plot' });
    plot.change({ stopping: true });
    plot.end({ exit_signal: 'SIGTERM' });
    const task = await untilTask(
      machine.talent,
      'plot',
      'is read',
      ({ exit_signal }) => exit_signal !== undefined,
    );
    t.match(task, { status: 'stopping', exit_signal: 'SIGTERM', log_offset: half.length });
  },
);

t.test('a plot that was finished before the stop came is finished', async (t) => {
  const machine = await startMachine(t);
  machine.startReceiver();
  const plot = await startPlot(machine, 'plot', 'chiapos');
  plot.print(readLog('chiapos'));
  await untilTask(machine.talent, 'plot', 'is done', ({ plot_details }) => plot_details?.progress === 100);
  await machine.talent.stop({ task_id: 'plot' });
  plot.change({ stopping: true });
  plot.place();
  plot.end({ exit_signal: 'SIGTERM' });
  t.match(await untilOver(machine, 'plot'), { status: 'finished', exit_signal: 'SIGTERM' });
});

t.test('a value that talent refuses costs that line and nothing else', async (t) => {
  const machine = await startMachine(t);
  machine.startReceiver();
  const plot = await startPlot(machine, 'plot', 'chiapos');
  const log = readLog('chiapos').toString();
  plot.print(log.replace('Using 16 buckets', 'Using 99999999 buckets'));
  plot.end({ exit_code: 0 });
  t.match(await untilOver(machine, 'plot'), {
    status: 'finished',
    plot_details: { buckets: undefined, threads: 2 },
  });
  t.match(machine.log.messages('error'), ['talent refused what a line told; going on']);
});

t.test('of a task that is over for talent nothing more is told', async (t) => {
  const machine = await startMachine(t);
  machine.startReceiver();
  const plot = await startPlot(machine, 'plot', 'chiapos');
  plot.print(readLog('chiapos').subarray(0, 2_000));
  await untilTask(machine.talent, 'plot', 'runs', ({ status }) => status === 'running');
  await machine.talent.update({ task_id: 'plot', status: 'failed', remarks: 'given up' });
  const before = await historyOf(machine.talent, 'plot');
  plot.print(readLog('chiapos').subarray(2_000));
  plot.end({ exit_code: 0 });
  await until('the receiver is told', () =>
    machine.log.messages('info').includes('talent wants to hear no more of this plot'),
  );
  t.strictSame(await historyOf(machine.talent, 'plot'), before);
  t.strictSame(machine.log.messages('error'), []);
});

t.test('an attempt that was retried is another plot', async (t) => {
  const machine = await startMachine(t);
  machine.startReceiver();
  const first = await startPlot(machine, 'plot', 'missing');
  first.print(readLog('missing'));
  first.end({ exit_code: 1 });
  await untilOver(machine, 'plot');
  await machine.talent.retry({ task_id: 'plot' });
  const second = new PlayedPlot(machine.data, 'plot', 'chiapos', 2);
  await second.announce(machine.talent);
  second.print(readLog('chiapos'));
  second.end({ exit_code: 0 });
  t.match(await untilOver(machine, 'plot'), { status: 'finished', attempt: 2, plot_details: { wrote: 148 } });
});

t.test('a log in a format that nobody reads ends as its process did', async (t) => {
  const machine = await startMachine(t);
  machine.startReceiver();
  await createTask(machine.talent, 'plot');
  const plot = new PlayedPlot(machine.data, 'plot', 'gigahorse');
  await plot.announce(machine.talent);
  plot.print('all went well');
  plot.end({ exit_code: 0 });
  t.match(await untilOver(machine, 'plot'), {
    status: 'failed',
    remarks:
      /^exited 0 and nothing in its log was understood as one of format gigahorse: all went well; its plot id was never known/,
  });
  t.match(machine.log.messages('error'), [/no such log format/]);
});

t.test('a record that is none is said once, and harms no other', async (t) => {
  const machine = await startMachine(t);
  const plot = await startPlot(machine, 'plot', 'missing');
  writeFileSync(join(machine.data, 'plots', 'torn.1.json'), '{"task_id":');
  machine.startReceiver();
  plot.print(readLog('missing'));
  await untilTask(machine.talent, 'plot', 'runs', ({ status }) => status === 'running');
  plot.end({ exit_signal: 'SIGKILL' });
  t.match(await untilOver(machine, 'plot'), { status: 'failed' });
  t.strictSame(machine.log.messages('error'), ['a plot can not be reported']);
});

t.test('a directory has one log receiver, and one that stopped leaves nothing open', async (t) => {
  const machine = await startMachine(t);
  const plot = await startPlot(machine, 'plot', 'chiapos');
  plot.print(readLog('chiapos').subarray(0, 2_000));
  machine.startReceiver();
  await untilTask(machine.talent, 'plot', 'runs', ({ status }) => status === 'running');
  t.throws(() => machine.startReceiver(), { kind: 'refused', message: /has a log receiver already/ });
  t.ok(openFiles().some((path) => path === plot.logPath));
  await machine.stopReceivers();
  t.notOk(openFiles().some((path) => path === plot.logPath));
  machine.startReceiver();
  plot.end();
  await untilOver(machine, 'plot');
  await until('a settled plot is not kept open', () => !openFiles().includes(plot.logPath));
});

t.test('a plot whose record is gone is followed no more', async (t) => {
  const machine = await startMachine(t);
  const plot = await startPlot(machine, 'plot', 'chiapos');
  plot.print(readLog('chiapos').subarray(0, 2_000));
  machine.startReceiver();
  await untilTask(machine.talent, 'plot', 'runs', ({ status }) => status === 'running');
  t.ok(openFiles().includes(plot.logPath));
  plot.remove();
  await until('its log is closed', () => !openFiles().includes(plot.logPath));
});

/** What this process has open, as far as it has a path. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      return readlinkSync(join('/proc/self/fd', name));
    } catch {
      // The one that listed them.
      return [];
    }
  });
}
