/** A supervisor with everything real: talent, keeper, log receiver, plotter processes. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { TalentDirectory } from '../../../../src/systems/talent/machine/talent-directory.js';
import { askSupervisor } from '../../../../src/systems/talent/supervisor/control.js';
import { runTalent } from '../../../support/running-talent.js';
import { until } from '../../../support/until.js';
import { Farm, pausingPlayer, playerWith } from '../support/farm.js';

t.test('a task becomes a plot, and nothing of its making is left', async (t) => {
  const farm = await Farm.start(t);
  await farm.supervise(playerWith('--seconds', '0'));
  await farm.order('one');
  const task = await farm.reaches('one', 'finished');
  t.match(task, {
    exit_code: 0,
    plot_details: { progress: 100, dest_dir: farm.dest },
    remarks: /^its plot is in its place \(\d+ bytes\)$/,
  });
  t.same(
    (await farm.history('one')).map(({ type }) => type).filter((type) => type !== 'PlotTaskReported'),
    ['PlotTaskReceived', 'PlotTaskPending', 'PlotTaskStarted', 'PlotTaskRunning', 'PlotTaskFinished'],
  );
  await until('the record is gone', () => farm.records().length === 0);
  t.same(farm.files(), [task.plot_details?.dest_file_name]);
  t.ok(readFileSync(join(farm.data, 'logs', 'one.1.log')).length > 30_000, 'the log stays');
});

t.test('a plotter that exits 0 without a plot has failed, and says its last lines', async (t) => {
  const farm = await Farm.start(t);
  await farm.supervise(playerWith('--seconds', '0', '--lines', '20'));
  await farm.order('half');
  t.match(await farm.reaches('half', 'failed'), {
    exit_code: 0,
    remarks: /^exited 0 and its log ends in phase 1: .*Progress update: 0.06/,
  });
  await until('the record is gone', () => farm.records().length === 0);
  t.same(farm.files(), [], 'and its temp files are gone');
});

t.test('several at once, each with a plotter and a log of its own', async (t) => {
  const farm = await Farm.start(t);
  const supervisor = await farm.supervise(pausingPlayer(farm));
  const ids = ['a', 'b', 'c'];
  for (const id of ids) await farm.order(id);
  for (const id of ids) await farm.reachesPause(id);
  const { plots, worker_id, attached, log_pid } = supervisor.status();
  t.same(plots.map(({ task_id, state }) => [task_id, state]).sort(), [
    ['a', 'running'],
    ['b', 'running'],
    ['c', 'running'],
  ]);
  t.equal(new Set(plots.map(({ pid }) => pid)).size, 3);
  t.match({ worker_id, attached }, { worker_id: farm.talent.workerId, attached: true });
  for (const id of ids) t.equal((await farm.task(id)).log_pid, log_pid);
  farm.goOn();
  for (const id of ids) await farm.reaches(id, 'finished');
  t.equal(farm.files().filter((name) => name.endsWith('.plot')).length, 3);
});

t.test('a supervisor that ends in order leaves its plots, and the next one takes them over', async (t) => {
  const farm = await Farm.start(t);
  const first = await farm.supervise(pausingPlayer(farm));
  await farm.order('one');
  const { plot_pid } = await farm.reachesPause('one');
  await first.stop();
  t.match((await farm.client.supervisors()).supervisors, [{ status: 'detached' }]);
  t.ok(farm.processes().includes(plot_pid ?? 0), 'the plotter goes on');

  const second = await farm.supervise(pausingPlayer(farm));
  t.match(second.status().plots, [{ task_id: 'one', pid: plot_pid, state: 'running' }]);
  farm.goOn();
  t.match(await farm.reaches('one', 'finished'), { exit_code: 0, plot_pid });
});

t.test('a data directory has one supervisor, and the second is told which', async (t) => {
  const farm = await Farm.start(t);
  const supervisor = await farm.supervise(playerWith());
  await t.rejects(farm.supervise(playerWith()), {
    name: 'OwlError',
    message: new RegExp(`has a supervisor already, process ${process.pid};`),
  });
  farm.supervisor = supervisor;
});

t.test('a task of another worker is none of its business', async (t) => {
  const farm = await Farm.start(t);
  await farm.supervise(playerWith('--seconds', '0'), { worker_id: 'shed-3' });
  await farm.order('elsewhere');
  await farm.client.create({
    task_id: 'here',
    worker_id: 'shed-3',
    plot_config: {
      ksize: 18,
      threads: 2,
      buffer: 64,
      cache1: farm.cache1,
      dest: { type: 'local', path: farm.dest },
    },
  });
  await farm.reaches('here', 'finished');
  t.equal((await farm.task('elsewhere')).status, 'received');
});

t.test('a retried task is made again, as the next attempt', async (t) => {
  const farm = await Farm.start(t);
  await farm.supervise(playerWith('--seconds', '0', '--exit-code', '7'));
  await farm.order('again');
  t.match(await farm.reaches('again', 'failed'), { exit_code: 7, attempt: 1 });
  await farm.client.retry({ task_id: 'again' });
  await until('the second attempt has failed', async () => {
    const { attempt, status } = await farm.task('again');
    return attempt === 2 && status === 'failed';
  });
  t.same(
    (await farm.history('again')).filter(({ type }) => type === 'PlotTaskStarted').length,
    2,
    'each with a process of its own',
  );
});

t.test('talent has given a task up while the supervisor was away: its plotter is ended', async (t) => {
  const farm = await Farm.start(t, { run: (data) => runTalent(data, { 'leases.give_up_seconds': '1' }) });
  const first = await farm.supervise(pausingPlayer(farm));
  await farm.order('lost');
  const { plot_pid = 0 } = await farm.reachesPause('lost');
  await first.stop();
  // Another takes the lease and is never heard again.
  await farm.client.attach({ session_id: 'silent', lease_seconds: 1 });
  const { remarks } = await farm.reaches('lost', 'failed');
  t.match(remarks, /^lost: /);
  await farm.supervise(pausingPlayer(farm));
  await until('the plotter is gone', () => !farm.processes().includes(plot_pid));
  await until('the record is gone', () => farm.records().length === 0);
  t.same(farm.files(), []);
  t.match(await farm.task('lost'), { status: 'failed', remarks });
});

t.test('a talent that knows none of the tasks is no reason to end plots', async (t) => {
  const farm = await Farm.start(t);
  const first = await farm.supervise(pausingPlayer(farm));
  await farm.order('one');
  const { plot_pid = 0 } = await farm.reachesPause('one');
  await first.stop();

  const other = await Farm.start(t, { directory: join(farm.directory, 'other') });
  const supervisor = await farm.supervise(pausingPlayer(farm), { server: other.talent.address });
  await until('it is attached there', () => supervisor.status().attached);
  await other.order('next');
  await other.reachesPause('next');
  t.ok(farm.processes().includes(plot_pid));
  farm.goOn();
  await other.reaches('next', 'finished');
  await until('its end is recorded', () => farm.records().includes('one.1.end.json'));
  await supervisor.stop();
  await farm.supervise(pausingPlayer(farm));
  t.match(await farm.reaches('one', 'finished'), { exit_code: 0, plot_pid }, 'the right one hears of it');
});

t.test(
  'of two supervisors for one worker the later one has the lease, and they do not take turns',
  async (t) => {
    const farm = await Farm.start(t);
    const first = await farm.supervise(playerWith('--seconds', '0'), { lease_seconds: 1 });
    await until('the first is attached', () => first.status().attached);
    const directory = join(farm.directory, 'second');
    const second = await farm.supervise(playerWith('--seconds', '0'), { lease_seconds: 1, data: directory });
    t.teardown(() => first.stop());
    await until('the second is attached', () => second.status().attached);
    await until('the first has noticed', () => !first.status().attached);
    await farm.order('one');
    await farm.reaches('one', 'finished');
    t.match(first.status().away_reason, /has replaced this one/);
    t.ok(second.status().attached);
    await second.stop();
    await until('the first takes over again', () => first.status().attached);
  },
);

t.test('an operator asks over the socket of the data directory', async (t) => {
  const farm = await Farm.start(t);
  await t.rejects(askSupervisor(new TalentDirectory(farm.data), { method: 'status' }), {
    message: /no supervisor runs in/,
  });
  const supervisor = await farm.supervise(pausingPlayer(farm));
  await farm.order('one');
  await farm.reachesPause('one');
  t.match(await askSupervisor(new TalentDirectory(farm.data), { method: 'status' }), supervisor.status());
  await t.rejects(askSupervisor(new TalentDirectory(farm.data), { method: 'suspend', taskId: 'two' }), {
    message: /no plot of task two runs/,
  });

  const plot = await farm.task('one');
  const stateOf = (): string =>
    /^State:\t(\w)/m.exec(readFileSync(`/proc/${plot.plot_pid}/status`, 'utf8'))?.[1] ?? '';
  const suspended = await askSupervisor(new TalentDirectory(farm.data), { method: 'suspend', taskId: 'one' });
  t.match(suspended.plots, [{ state: 'suspended' }]);
  await until('it stands still', () => stateOf() === 'T');
  await until(
    'its remarks say so',
    async () => (await farm.task('one')).remarks === 'suspended by the operator',
  );
  const resumed = await askSupervisor(new TalentDirectory(farm.data), { method: 'resume', taskId: 'one' });
  t.match(resumed.plots, [{ state: 'running' }]);
  await until('it goes on', () => stateOf() !== 'T');
  await until(
    'its remarks say so',
    async () => (await farm.task('one')).remarks === 'resumed by the operator',
  );
  await t.rejects(askSupervisor(new TalentDirectory(farm.data), { method: 'resume', taskId: 'one' }), {
    message: /not suspended/,
  });
  farm.goOn();
  await farm.reaches('one', 'finished');
});
