/** Stopping: signals to real processes, what is removed and what is not, and what talent is told in the end. */

import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { finalBytes } from '../../../../src/systems/talent/log-receiver/plot-file.js';
import { plotIdFor } from '../../../../src/systems/talent/supervisor/plotters/plot-order.js';
import { until } from '../../../support/until.js';
import { Farm, pausingPlayer } from '../support/farm.js';

t.test('a running plot is stopped: its process and its temp files go, and nothing else', async (t) => {
  const farm = await Farm.start(t);
  await farm.supervise(pausingPlayer(farm));
  await farm.order('one');
  await farm.reachesPause('one');
  const name = `plot-k18-${plotIdFor({ task_id: 'one', attempt: 1 })}.plot`;
  const other = `plot-k18-${plotIdFor({ task_id: 'two', attempt: 1 })}.plot`;
  writeFileSync(join(farm.directory, 'precious'), 'a file that a link points to');
  symlinkSync(join(farm.directory, 'precious'), join(farm.cache1, `${name}.link.tmp`));
  mkdirSync(join(farm.cache1, `${name}.directory.tmp`));
  writeFileSync(join(farm.cache1, `${other}.sort.tmp`), 'of another plot');
  writeFileSync(join(farm.cache2, `${name}.2.tmp.keep`), 'somebody keeps it');
  writeFileSync(join(farm.dest, name), 'a plot, whatever happened');
  writeFileSync(join(farm.dest, `${name}.2.tmp`), 'half a copy');

  const { plot_pid = 0 } = await farm.task('one');
  await farm.client.stop({ task_id: 'one', reason: 'no longer wanted' });
  t.match(await farm.reaches('one', 'stopped'), { exit_signal: 'SIGTERM', remarks: 'no longer wanted' });
  t.notOk(farm.processes().includes(plot_pid));
  t.same(
    farm.files(),
    [`${name}.link.tmp`, `${name}.directory.tmp`, `${other}.sort.tmp`, `${name}.2.tmp.keep`, name].sort(),
  );
  t.same(readdirSync(farm.directory).includes('precious'), true);
  t.same(
    (await farm.history('one'))
      .map(({ type }) => type)
      .filter((type) => type !== 'PlotTaskReported')
      .slice(3),
    ['PlotTaskRunning', 'PlotTaskStopRequested', 'PlotTaskStopped'],
  );
  await until('the record is gone', () => farm.records().length === 0);
});

t.test('one that does not hear SIGTERM is killed after the grace, also when it is suspended', async (t) => {
  const farm = await Farm.start(t);
  const supervisor = await farm.supervise(pausingPlayer(farm, '--stubborn'), { grace_seconds: 1 });
  await farm.order('one');
  await farm.reachesPause('one');
  const [plot] = supervisor.status().plots;
  process.kill(plot?.pid ?? 0, 'SIGSTOP');
  const asked = Date.now();
  await farm.client.stop({ task_id: 'one' });
  t.match(await farm.reaches('one', 'stopped'), { exit_signal: 'SIGKILL' });
  t.ok(Date.now() - asked >= 1000, 'not before the grace is over');
  await until('temp files are gone', () => farm.files().length === 0);
});

t.test('a stop goes on where a killed supervisor left it', async (t) => {
  const farm = await Farm.start(t);
  await farm.superviseApart(pausingPlayer(farm, '--stubborn'), { grace_seconds: 60 });
  await farm.order('one');
  await farm.reachesPause('one');
  await farm.client.stop({ task_id: 'one' });
  await until('it is being stopped', () => farm.recordOf('one').stopping);
  await farm.kill(farm.pidOfSupervisor);
  await farm.superviseApart(pausingPlayer(farm, '--stubborn'), { grace_seconds: 0 });
  t.match(await farm.reaches('one', 'stopped'), { exit_signal: 'SIGKILL' });
  await until('nothing of it is left', () => farm.records().length === 0 && farm.files().length === 0);
});

t.test('a stop that talent takes while no supervisor is there is carried out when one is', async (t) => {
  const farm = await Farm.start(t);
  const first = await farm.supervise(pausingPlayer(farm));
  await farm.order('one');
  await farm.reachesPause('one');
  await first.stop();
  await farm.client.stop({ task_id: 'one' });
  await farm.supervise(pausingPlayer(farm));
  t.match(await farm.reaches('one', 'stopped'), { exit_signal: 'SIGTERM' });
});

t.test('a task that waits is stopped without ever starting', async (t) => {
  const farm = await Farm.start(t);
  const supervisor = await farm.supervise(pausingPlayer(farm), { max_plots: 1 });
  await farm.order('one');
  await farm.reachesPause('one');
  await farm.order('two');
  await farm.reaches('two', 'pending');
  await farm.client.stop({ task_id: 'two' });
  await until('nobody waits for it', () => supervisor.status().waiting.length === 0);
  farm.goOn();
  await farm.reaches('one', 'finished');
  t.match(await farm.task('two'), { status: 'stopped', plot_pid: undefined });
});

t.test('a plot that is finished is not lost to a stop that comes too late', async (t) => {
  const farm = await Farm.start(t);
  // Its log ends with a finished plot, and then it stays.
  await farm.supervise(pausingPlayer(farm, '--pause-at', '463'));
  await farm.order('one');
  await until(
    'its log is read to the end',
    async () => (await farm.task('one')).plot_details?.dest_file_name !== undefined,
  );
  // It has been renamed to its name by then.
  const name = `plot-k18-${plotIdFor({ task_id: 'one', attempt: 1 })}.plot`;
  writeFileSync(join(farm.dest, name), Buffer.alloc(finalBytes(18)));
  await farm.client.stop({ task_id: 'one' });
  t.match(await farm.reaches('one', 'finished'), { exit_signal: 'SIGTERM', plot_details: { progress: 100 } });
  await until('the record is gone', () => farm.records().length === 0);
});
