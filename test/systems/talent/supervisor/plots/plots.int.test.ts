/** Plots that a supervisor watches, with a real talent and processes that are plotters to it. The clock is the test's. */

import { type ChildProcess, spawn } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import { existsSync, mkdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { identifyProcess } from '../../../../../src/base/process-identity.js';
import { recordedIdentityOf } from '../../../../../src/processes/records/process-record.js';
import { TalentDirectory } from '../../../../../src/systems/talent/machine/talent-directory.js';
import { Plots } from '../../../../../src/systems/talent/supervisor/plots/plots.js';
import type { PlotTaskListRequest } from '../../../../../src/systems/talent/wire/messages.js';
import { PlotManagerClient } from '../../../../../src/systems/talent/wire/plot-manager-client.js';
import { type LogLines, logLines } from '../../../../support/log-lines.js';
import { ManualClock } from '../../../../support/manual-clock.js';
import { plotsIn } from '../../../../support/plots-in.js';
import { createTask, PlayedPlot } from '../../../../support/plotted.js';
import { runTalent } from '../../../../support/running-talent.js';
import { until } from '../../../../support/until.js';

const ID = 'd2540dcfcffddbfbd7e60b4aca4d54fb937db71991298fabc253f020a87ff7d4';
const LOOK_MS = 1_000;
const COMPARE_MS = 60_000;

/** A real client that lets a test see what was asked for. */
class AskingClient extends PlotManagerClient {
  readonly asked: PlotTaskListRequest[] = [];

  override async *pages(filter: PlotTaskListRequest): ReturnType<PlotManagerClient['pages']> {
    this.asked.push(filter);
    yield* super.pages(filter);
  }
}

interface Watched {
  readonly data: string;
  readonly client: AskingClient;
  readonly clock: ManualClock;
  readonly signal: AbortSignal;
  readonly log: LogLines;
  readonly plots: Plots;
  /** Whether the file of the record is there. */
  hasRecord(taskId: string): boolean;
}

function watch(t: Test, data: string, server: string): Watched {
  const clock = new ManualClock(Date.now());
  const log = logLines();
  const client = new AskingClient({ server, clock });
  const reports = client.reports();
  const ending = new AbortController();
  const { signal } = ending;
  const plots = new Plots({
    ...{
      machine: new TalentDirectory(data),
      client,
      reports,
      clock,
      logger: log.logger,
      signal,
      stopGraceMs: 1_000,
    },
    workerId: () => 'worker',
    logPid: () => undefined,
    isKept: () => false,
    unwrittenEnd: () => undefined,
  });
  t.teardown(async () => {
    ending.abort();
    reports.close();
    await plots.ended();
    client.close();
  });
  const hasRecord = (task_id: string): boolean => existsSync(plotsIn(data).pathOf({ task_id, attempt: 1 }));
  return { data, client, clock, signal, log, plots, hasRecord };
}

/** With a talent whose worker it is. */
async function watchWithTalent(t: Test, flags: Readonly<Record<string, string>> = {}): Promise<Watched> {
  const directory = t.testdir();
  const talent = await runTalent(join(directory, 'talent'), { worker_id: 'worker', ...flags });
  t.teardown(() => talent.stop());
  const data = join(directory, 'data');
  mkdirSync(plotsIn(data).directory.records, { recursive: true });
  return watch(t, data, talent.address);
}

/** A process that does nothing until it is ended. */
function startPlotter(t: Test): ChildProcess {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true });
  t.teardown(() => child.kill('SIGKILL'));
  return child;
}

function processOf({ pid = 0 }: ChildProcess) {
  const identity = identifyProcess(pid);
  if (identity === undefined) throw new Error('it does not run');
  return recordedIdentityOf(identity);
}

/** A plot of a plotter that names its temp files by its id, with one of them. */
function keepTempFile(data: string, plot: PlayedPlot): string {
  const directories = {
    cache1: join(data, 'cache'),
    cache2: join(data, 'cache'),
    dest_path: join(data, 'dest'),
  };
  for (const directory of new Set(Object.values(directories))) mkdirSync(directory, { recursive: true });
  plot.change({ ...directories, temp: ['plot-{plot_id}.*tmp'] });
  const path = join(directories.cache1, `plot-${ID}.sort.tmp`);
  writeFileSync(path, '');
  return path;
}

/** A plot that runs, is announced, and has said its id in its log. */
async function startPlot(t: Test, { data, client }: Watched) {
  await createTask(client, 'one');
  const plot = new PlayedPlot(data, 'one', 'chia');
  const tempFile = keepTempFile(data, plot);
  const plotter = startPlotter(t);
  plot.change({ process: processOf(plotter) });
  plot.print(`ID: ${ID}\n`);
  await plot.announce(client);
  return { plotter, ended: once(plotter, 'exit'), tempFile };
}

t.test(
  'what a report says ends no plot; one that an overlord has made again goes with its files',
  async (t) => {
    const watched = await watchWithTalent(t);
    const { client, plots, log, hasRecord } = watched;
    const { plotter, ended, tempFile } = await startPlot(t, watched);
    await client.update({ task_id: 'one', plot_details: { id: 'f'.repeat(64) } });
    await client.update({ task_id: 'one', status: 'failed', remarks: 'lost: says a stranger' });
    plots.adopt();
    await plots.compareWithTalent();
    await plots.compareWithTalent();
    t.equal(
      log.messages('error').filter((one) => /a report says that a plot is over/.test(one)).length,
      1,
      'said once',
    );
    t.ok(identifyProcess(plotter.pid ?? 0));
    t.match(client.asked[0], { worker_id: 'worker' }, "asked for this worker's tasks only");

    await client.retry({ task_id: 'one' });
    await plots.compareWithTalent();
    await ended;
    plots.look();
    await until('it is settled', () => !hasRecord('one'));
    t.notOk(existsSync(tempFile), 'found by what the log says');
  },
);

t.test('one that talent itself has given up is ended, and its temp files go', async (t) => {
  const watched = await watchWithTalent(t, { 'leases.give_up_seconds': '1' });
  const { client, plots, hasRecord } = watched;
  const { ended, tempFile } = await startPlot(t, watched);
  // It is never heard again.
  await client.attach({ worker_id: 'worker', session_id: 'silent', lease_seconds: 1 });
  await until('it fails as lost', async () => (await client.status({ task_id: 'one' })).status === 'failed');
  plots.adopt();
  await plots.compareWithTalent();
  await ended;
  plots.look();
  await until('it is settled', () => !hasRecord('one'));
  t.notOk(existsSync(tempFile));
});

t.test('a plot whose id was never known says so when it is stopped', async (t) => {
  const { data, client, plots, clock, hasRecord } = await watchWithTalent(t);
  await createTask(client, 'one');
  const plot = new PlayedPlot(data, 'one', 'chia');
  const tempFile = keepTempFile(data, plot);
  plot.change({ stopping: true });
  await plot.announce(client);
  await client.stop({ task_id: 'one' });
  plots.adopt();
  await until('it is settled', () => {
    clock.advance(100);
    return !hasRecord('one');
  });
  t.match(await client.status({ task_id: 'one' }), {
    status: 'stopped',
    remarks:
      /^its plot id was never known; if it has left temp files in .*cache, .*dest, remove them yourself: .* are .*cache.plot-\w+.sort.tmp$/,
  });
  t.ok(existsSync(tempFile));
});

t.test('one that is stopped in its copy leaves the whole plot in the cache, and says where', async (t) => {
  const watched = await watchWithTalent(t);
  const { data, client, plots, clock, hasRecord } = watched;
  await createTask(client, 'one');
  const plot = new PlayedPlot(data, 'one', 'chia');
  const tempFile = keepTempFile(data, plot);
  const whole = join(data, 'cache', `plot-k32-${ID}.plot`);
  const begun = join(data, 'dest', `plot-${ID}.plot.tmp`);
  for (const path of [whole, begun]) writeFileSync(path, 'x');
  plot.print(`ID: ${ID}\n`);
  plot.change({ stopping: true });
  await plot.announce(client);
  await client.stop({ task_id: 'one' });
  plots.adopt();
  await until('it is settled', () => {
    clock.advance(100);
    return !hasRecord('one');
  });
  t.match(await client.status({ task_id: 'one' }), {
    status: 'stopped',
    remarks: `its plot lies in the cache and stays there: ${whole} (1 bytes)`,
  });
  t.same([whole, tempFile, begun].map(existsSync), [true, false, false]);
});

t.test(
  'a stopped plot whose end nobody saw waits for its log to be read, and for nothing else',
  async (t) => {
    const { data, client, plots, clock, hasRecord } = await watchWithTalent(t);
    const begin = clock.now();
    for (const id of ['read', 'unread']) {
      await createTask(client, id);
      const plot = new PlayedPlot(data, id, 'chia');
      plot.print('a line\n');
      plot.change({ stopping: true });
      await plot.announce(client);
      await client.stop({ task_id: id });
      if (id === 'read') await client.update({ task_id: id, log_offset: statSync(plot.logPath).size });
    }
    plots.adopt();
    await until('what is read is settled', () => {
      // Less than the five seconds after which nobody waits for the log receiver any more.
      if (clock.now() - begin < 4_000) clock.advance(100);
      return !hasRecord('read');
    });
    t.match(await client.status({ task_id: 'unread' }), { status: 'stopping' });
    await until('the other is settled', () => {
      clock.advance(100);
      return !hasRecord('unread');
    });
    t.ok(clock.now() - begin >= 5_000, 'the log receiver got its time');
  },
);

t.test('a record that could not be written is written when it can', async (t) => {
  const { data, client, plots, clock, log } = await watchWithTalent(t);
  await createTask(client, 'one');
  const plot = new PlayedPlot(data, 'one', 'chia');
  await client.update({ task_id: 'one', status: 'started', for_attempt: 1 });
  const isAnnounced = (): boolean | undefined =>
    plotsIn(data).read({ task_id: plot.taskId, attempt: 1 })?.announced;
  const inItsPlace = `${plotsIn(data).pathOf({ task_id: 'one', attempt: 1 })}.${process.pid}.tmp`;
  plots.adopt();
  mkdirSync(inItsPlace);
  const failures = (): string[] =>
    log.messages('error').filter((one) => /record of a plot can not/.test(one));
  await until('it could not be written', () => failures().length > 0);
  let looks = 0;
  await until('it was tried again', () => {
    clock.advance(LOOK_MS);
    looks += 1;
    return looks > 5;
  });
  t.equal(isAnnounced(), false);
  t.equal(failures().length, 1, 'said once');
  rmdirSync(inItsPlace);
  await until('it is written', () => {
    clock.advance(LOOK_MS);
    return isAnnounced() === true;
  });
});

t.test('a talent that does not answer keeps nobody from looking at plots', async (t) => {
  const calls: Socket[] = [];
  let isOver = false;
  const silent = createServer((socket) => {
    // The client connects anew until it is closed.
    if (isOver) socket.destroy();
    else calls.push(socket);
  });
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.teardown(() => silent.close());
  const address = silent.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const { data, plots, clock } = watch(t, t.testdir(), `127.0.0.1:${port}`);
  const plot = new PlayedPlot(data, 'one', 'chia');
  const plotter = startPlotter(t);
  plot.change({ process: processOf(plotter), announced: true });
  plots.adopt();
  clock.advance(COMPARE_MS);
  await until('talent is asked', () => calls.length > 0);
  const ended = once(plotter, 'exit');
  plotter.kill('SIGKILL');
  await ended;
  // Sooner than the call is given up.
  await until(
    'it is missed',
    () => {
      clock.advance(LOOK_MS);
      return plots.all()[0]?.end !== undefined;
    },
    5_000,
  );
  t.match(plots.all()[0]?.end, { reason: /vanished/ });
  isOver = true;
  for (const socket of calls) socket.destroy();
});

t.test('a plot that is settled leaves no listener behind', async (t) => {
  const { data, client, plots, signal } = await watchWithTalent(t);
  plots.adopt();
  const listeners = (): number => getEventListeners(signal, 'abort').length;
  const before = listeners();
  for (const id of ['a', 'b', 'c']) {
    await createTask(client, id);
    const plot = new PlayedPlot(data, id, 'chia');
    plot.change({ stopping: true });
    await plot.announce(client);
    await client.update({ task_id: id, status: 'failed' });
  }
  for (const { record } of plotsIn(data).readAll().processes) plots.add(record);
  await until('all are settled', () => plots.all().length === 0);
  t.equal(listeners(), before);
});

t.test('a plot that can not be settled now is tried again', async (t) => {
  const { data, client, plots, clock, log, hasRecord } = await watchWithTalent(t);
  await createTask(client, 'one');
  const plot = new PlayedPlot(data, 'one', 'chia');
  plot.end({ exit_code: 1 });
  await plot.announce(client);
  await client.update({ task_id: 'one', status: 'failed' });
  const [recorded] = plotsIn(data).readAll().processes;
  if (recorded === undefined) throw new Error('no record');
  // In place of its record, a directory: that can not be removed as a file is.
  plot.remove();
  mkdirSync(join(plotsIn(data).pathOf(recorded.record), 'inside'), { recursive: true });
  plot.end({ exit_code: 1 });
  plots.add(recorded.record);
  await until('it could not be settled', () =>
    log.messages('error').includes('a plot could not be settled; trying again'),
  );
  rmdirSync(join(plotsIn(data).pathOf(recorded.record), 'inside'));
  rmdirSync(plotsIn(data).pathOf(recorded.record));
  await until('it is settled', () => {
    clock.advance(LOOK_MS);
    return plots.all().length === 0;
  });
  t.notOk(hasRecord('one'));
});
