/**
 * `kill -9` of every process of owl in the middle of a plot, each in turn: the plot ends as it should, and row and history
 * equal an undisturbed run's apart from times and pids. How soon an end is told: see within-two-seconds.int.test.ts.
 */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { runTalent } from '../../../support/running-talent.js';
import { until } from '../../../support/until.js';
import { Farm, pausingPlayer, playerWith } from '../support/farm.js';
import { runTalentApart, type TalentProcess } from '../support/talent-process.js';
import { type Run, runOf } from './undisturbed.js';

/** So long that nothing here is mistaken for a lost supervisor. */
const LEASE = { lease_seconds: 60 };

// The log names directories and offsets count its bytes: so the farms' paths are equally long.
const base = t.testdir();
let farms = 0;

/** A place of its own, with its talent in this process. */
function start(t: Test, run = runTalent): Promise<Farm> {
  farms += 1;
  return Farm.start(t, { directory: join(base, `farm-${10 + farms}`), run });
}

/** Up to the moment when a pausing player pauses and all it has printed is reported. */
async function startPlot(t: Test, run = runTalent): Promise<Farm> {
  const farm = await start(t, run);
  await farm.superviseApart(pausingPlayer(farm), LEASE);
  await farm.order('plot');
  await farm.reachesPause('plot');
  return farm;
}

/** The same with a talent that can be killed. */
async function startPlotOfProcess(t: Test): Promise<{ farm: Farm; talent: TalentProcess }> {
  let talent: TalentProcess | undefined;
  const farm = await startPlot(t, async (data) => {
    talent = await runTalentApart(data);
    return talent;
  });
  if (talent === undefined) throw new Error('no talent');
  return { farm, talent };
}

async function isSettled(farm: Farm): Promise<void> {
  await until('the record of the plot is gone', () => farm.records().length === 0);
}

let undisturbed: Run = { row: undefined, history: [] };

async function finishesAsUndisturbed(t: Test, farm: Farm): Promise<void> {
  farm.goOn();
  await farm.reaches('plot', 'finished');
  await isSettled(farm);
  const run = await runOf(farm, 'plot');
  t.same(run.row, undisturbed.row);
  t.same(run.history, undisturbed.history);
  t.same(farm.files().length, 1, 'the plot, and no temp file');
}

await t.test('an undisturbed run, to compare with', async (t) => {
  const farm = await startPlot(t);
  farm.goOn();
  await farm.reaches('plot', 'finished');
  await isSettled(farm);
  undisturbed = await runOf(farm, 'plot');
  t.match(undisturbed.row, {
    status: 'finished',
    exit_code: 0,
    plot_details: { progress: 100, wrote: Number },
  });
  t.ok(undisturbed.history.length > 100);
});

// Each has a farm of its own, and much of it is waiting.
t.jobs = 2;

t.test('kill -9 of the plotter', { buffered: true }, async (t) => {
  const farm = await startPlot(t);
  const { plot_pid = 0 } = await farm.task('plot');
  await farm.kill(plot_pid);
  const task = await farm.reaches('plot', 'failed');
  t.match(task, { exit_signal: 'SIGKILL', remarks: /killed by SIGKILL/ });
  await isSettled(farm);
  t.same(farm.files(), [], 'its temp files are gone');

  const other = await start(t);
  await other.superviseApart(playerWith('--seconds', '0', '--lines', '200', '--signal', 'SIGKILL'), LEASE);
  await other.order('plot');
  await other.reaches('plot', 'failed');
  await isSettled(other);
  t.same(await runOf(farm, 'plot'), await runOf(other, 'plot'), 'as one that ends like this by itself');
});

t.test('kill -9 of the supervisor', { buffered: true }, async (t) => {
  const farm = await startPlot(t);
  await farm.kill(farm.pidOfSupervisor);
  await farm.superviseApart(pausingPlayer(farm), LEASE);
  await finishesAsUndisturbed(t, farm);
});

t.test('kill -9 of the supervisor, and the plot ends while there is none', { buffered: true }, async (t) => {
  const farm = await startPlot(t);
  await farm.kill(farm.pidOfSupervisor);
  farm.goOn();
  await until('the end of the plot is recorded', () => farm.records().includes('plot.1.end.json'));
  await farm.superviseApart(pausingPlayer(farm), LEASE);
  await finishesAsUndisturbed(t, farm);
});

t.test('kill -9 of the log receiver', { buffered: true }, async (t) => {
  const farm = await startPlot(t);
  const { log_pid = 0 } = await farm.task('plot');
  t.equal(log_pid, farm.pidOf('run-log-receiver.js'));
  await farm.kill(log_pid);
  await until('another one is reported', async () => {
    const now = (await farm.task('plot')).log_pid;
    return now !== log_pid && now === farm.pidOf('run-log-receiver.js');
  });
  await finishesAsUndisturbed(t, farm);
});

t.test('kill -9 of talent', { buffered: true }, async (t) => {
  const { farm, talent } = await startPlotOfProcess(t);
  await talent.kill();
  await talent.start();
  await finishesAsUndisturbed(t, farm);
});

t.test('kill -9 of talent, and the plot ends while there is none', { buffered: true }, async (t) => {
  const { farm, talent } = await startPlotOfProcess(t);
  await talent.kill();
  farm.goOn();
  await until('the end of the plot is recorded', () => farm.records().includes('plot.1.end.json'));
  await talent.start();
  await finishesAsUndisturbed(t, farm);
});

t.test(
  'kill -9 of the keeper: the plot goes on, and only its exit code is not known',
  { buffered: true },
  async (t) => {
    const farm = await startPlot(t);
    await farm.kill(farm.pidOf('keeper-main.js'));
    farm.goOn();
    const task = await farm.reaches('plot', 'finished');
    t.equal(task.exit_code, undefined);
    await isSettled(farm);
    const { history } = await runOf(farm, 'plot');
    t.same(history.slice(0, -1), undisturbed.history.slice(0, -1));
  },
);

t.test('kill -9 of the keeper and of the plotter', { buffered: true }, async (t) => {
  const farm = await startPlot(t);
  const { plot_pid = 0 } = await farm.task('plot');
  await farm.kill(farm.pidOf('keeper-main.js'));
  await farm.kill(plot_pid);
  const task = await farm.reaches('plot', 'failed');
  t.match(task.remarks, /vanished while no keeper watched it; its exit code is unknown/);
  await isSettled(farm);
});

t.test('kill -9 of everything but the plotter', { buffered: true }, async (t) => {
  const { farm, talent } = await startPlotOfProcess(t);
  await farm.kill(farm.pidOf('keeper-main.js'));
  await farm.kill(farm.pidOfSupervisor);
  await farm.kill(farm.pidOf('run-log-receiver.js'));
  await talent.kill();
  await talent.start();
  await farm.superviseApart(pausingPlayer(farm), LEASE);
  farm.goOn();
  await farm.reaches('plot', 'finished');
  await isSettled(farm);
  const { history } = await runOf(farm, 'plot');
  t.same(history.slice(0, -1), undisturbed.history.slice(0, -1));
});
