/** What others report of this machine's plots: nothing of it deletes a file, ends a plotter or moves a task. */

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import t from 'tap';
import { identifyProcess } from '../../../../../src/base/process-identity.js';
import type { PlotterDeclaration } from '../../../../../src/systems/talent/supervisor/plotters/plotters.js';
import { logLines } from '../../../../support/log-lines.js';
import { plotsIn } from '../../../../support/plots-in.js';
import { until } from '../../../../support/until.js';
import { CHIAPOS_LOG, Farm, pausingPlayer, playerWith } from '../../support/farm.js';

/** One that makes its own plot id, says it, keeps a temp file and works until it is ended. */
function plotterSaying(idOfTask: string): PlotterDeclaration {
  const script = `
    const [taskId, cache] = process.argv.slice(1);
    const id = ${idOfTask};
    require('node:fs').writeFileSync(cache + '/plot-k18-' + id + '.plot.' + taskId + '.tmp', 'a temp file');
    console.log('ID: ' + id);
    setInterval(() => {}, 1000);`;
  return {
    name: 'own-id',
    // The farm ends what runs its player.
    argv: ['{node}', '-e', script, '{task_id}', '{cache1}', '{player}'],
    format: 'chiapos',
    temp: ['plot-k{ksize}-*{plot_id}.plot.*tmp'],
    fills: [],
  };
}

const OF_ITS_OWN = plotterSaying("require('node:crypto').createHash('sha256').update(taskId).digest('hex')");
const OF_ALL = plotterSaying("'a'.repeat(64)");

function idOf(taskId: string): string {
  return createHash('sha256').update(taskId).digest('hex');
}

function tempFileOf(taskId: string): string {
  return `plot-k18-${idOf(taskId)}.plot.${taskId}.tmp`;
}

function isAlive(pid: number | undefined): boolean {
  return identifyProcess(pid ?? 0) !== undefined;
}

/** Two plots that run, and whose temp files are there. */
async function twoRunning(farm: Farm, plotter: PlotterDeclaration) {
  const first = await farm.supervise(plotter);
  for (const id of ['one', 'two']) {
    await farm.order(id);
    await until(`${id} is known by its plot id`, async () => {
      const { plot_details } = await farm.task(id);
      return plot_details?.id !== undefined;
    });
  }
  return first;
}

/** Stops it. Nothing of it is left. */
async function settle(farm: Farm, taskId: string): Promise<void> {
  await farm.client.stop({ task_id: taskId });
  await farm.reaches(taskId, 'stopped');
  await until('its record is gone', () => farm.records().every((name) => !name.startsWith(taskId)));
}

t.test('a reported plot id removes nothing of the plot that has it', async (t) => {
  const farm = await Farm.start(t);
  const first = await twoRunning(farm, OF_ITS_OWN);
  const { plot_pid } = await farm.task('two');
  // While no supervisor is there whoever reports is believed.
  await first.stop();
  const told = await farm.client.update({ task_id: 'one', plot_details: { id: idOf('two') } });
  t.equal(told.is_success, true);
  // As a supervisor left it that believed it.
  plotsIn(farm.data).write({ ...farm.recordOf('one'), plot_id: idOf('two') });

  await farm.supervise(OF_ITS_OWN);
  await farm.client.stop({ task_id: 'one' });
  await farm.reaches('one', 'stopped');
  t.same(farm.files(), [tempFileOf('two')], 'its own are gone, found by what its log says');
  t.ok(isAlive(plot_pid));
  await settle(farm, 'two');
});

t.test('nor where the record is lost', async (t) => {
  const farm = await Farm.start(t);
  const first = await twoRunning(farm, OF_ITS_OWN);
  await first.stop();
  await farm.client.update({ task_id: 'one', plot_details: { id: idOf('two') } });
  farm.loseRecord('one');
  await farm.supervise(OF_ITS_OWN);
  await farm.client.stop({ task_id: 'one' });
  t.match(await farm.reaches('one', 'stopped'), { remarks: /its record was lost; 1 processes/ });
  t.same(farm.files(), [tempFileOf('two')]);
  await settle(farm, 'two');
});

t.test('an id that another plot of the machine goes by removes nothing', async (t) => {
  const farm = await Farm.start(t);
  await twoRunning(farm, OF_ALL);
  await farm.client.stop({ task_id: 'one' });
  t.match(await farm.reaches('one', 'stopped'), {
    remarks: `its temp files stay: plot two.1 of this machine goes by its id ${'a'.repeat(64)} too`,
  });
  t.equal(farm.files().length, 2);
  await until('its record is gone', () => farm.records().every((name) => !name.startsWith('one')));
  await settle(farm, 'two');
  t.same(farm.files(), [], 'the last one takes them all');
});

t.test('while a supervisor is attached, reports from elsewhere change nothing', async (t) => {
  const farm = await Farm.start(t);
  await farm.supervise(pausingPlayer(farm));
  await farm.order('one');
  const before = await farm.reachesPause('one');
  for (const report of [
    { status: 'failed', remarks: 'says a stranger' },
    { status: 'stopped' },
    { status: 'stopping' },
    { log_offset: 1_000_000 },
    { plot_pid: 1 },
    { plot_details: { id: idOf('two') } },
  ]) {
    t.match(await farm.client.update({ task_id: 'one', ...report }), {
      msg: /^task one belongs to the supervisor that is attached as worker .*; a report from elsewhere changes nothing$/,
    });
    t.match(await farm.task('one'), { status: 'running', log_offset: before.log_offset });
  }
  t.ok(isAlive(before.plot_pid));
  farm.goOn();
  t.match(await farm.reaches('one', 'finished'), { exit_code: 0 });
});

t.test('a reported failure ends no plotter; an overlord who has it made again does', async (t) => {
  const farm = await Farm.start(t);
  const first = await farm.supervise(pausingPlayer(farm));
  await farm.order('one');
  const { plot_pid } = await farm.reachesPause('one');
  await first.stop();
  await farm.client.update({ task_id: 'one', status: 'failed', remarks: 'lost: says a stranger' });

  const log = logLines();
  await farm.supervise(pausingPlayer(farm), { logger: log.logger });
  const goesOn = 'a report says that a plot is over which runs here; it goes on';
  await until('it is compared with talent', () => log.messages('error').includes(goesOn));
  t.ok(isAlive(plot_pid));
  t.equal(farm.files().length, 3, 'with its temp files');
  t.equal(farm.recordOf('one').stopping, false);

  await farm.client.retry({ task_id: 'one' });
  await farm.reachesPause('one');
  await farm.supervisor?.stop();
  await farm.supervise(pausingPlayer(farm));
  await until('the attempt before is ended', () => !isAlive(plot_pid));
  farm.goOn();
  await farm.reaches('one', 'finished');
  await until('nothing of it is left', () => farm.records().length === 0 && farm.files().length === 1);
});

t.test('a log without a record that tells of a finished plot stays, and it is not made again', async (t) => {
  const farm = await Farm.start(t);
  const log = plotsIn(farm.data).logPathOf({ task_id: 'one', attempt: 1 });
  mkdirSync(dirname(log), { recursive: true });
  writeFileSync(log, readFileSync(CHIAPOS_LOG));
  await farm.supervise(playerWith('--seconds', '0'));
  await farm.order('one');
  t.equal(
    (await farm.reaches('one', 'failed')).remarks,
    `attempt 1 has made its plot here already, as ${log} tells; retry the task to make another`,
  );
  t.same(readFileSync(log), readFileSync(CHIAPOS_LOG));
  t.same(farm.files(), []);
});
