/** `owl plot logs` on real files: what it finds, what it waits for, what it shows, and when it ends. */

import { writeFileSync } from 'node:fs';
import t from 'tap';
import { runOwl } from '../../../../src/run.js';
import { plotsIn } from '../../../support/plots-in.js';
import { PlayedPlot } from '../../../support/plotted.js';
import { orderFor, startTalentNode } from '../../../support/talent-node.js';
import { owl, terminalDouble } from '../../../support/terminal-double.js';
import { until } from '../../../support/until.js';
import { Farm, pausingPlayer } from '../support/farm.js';

/** No talent. */
const NOBODY = ['--server', '127.0.0.1:1'];

t.test('a beginning never leads to the log of another task, and who never started says so', async (t) => {
  const node = await startTalentNode(t);
  const data = t.testdirName;
  const logs = (...args: string[]) =>
    owl(['plot', 'logs', '--data', data, ...args], { env: { OWL_SERVER: node.address } });
  new PlayedPlot(data, 'task_10', 'chiapos').print('ten\n');
  for (const id of ['task_1', 'task_10', 'task_20', 'gone', 'elsewhere'])
    await node.client.create(orderFor(id));
  t.match(await logs('task_10'), { code: 0, stdout: 'ten\n', stderr: '' });
  t.match(await logs('task_1'), {
    code: 1,
    stdout: '',
    stderr:
      /^owl: task_1 has not started yet, it is received: no supervisor has attached yet; below .* there is no log of it\n$/,
  });
  t.match(await logs('task_'), {
    code: 1,
    stdout: '',
    stderr: /several ids.*\n {2}task_1\n {2}task_10\n {2}task_20\n/,
  });
  t.match(await logs('task_2'), { code: 1, stdout: '', stderr: /^owl: task_20 has not started yet/ });
  t.match(await logs('task_10x'), {
    code: 1,
    stdout: '',
    stderr: /no task has an id that begins with "task_10x"/,
  });
  await node.client.stop({ task_id: 'gone', reason: 'no more' });
  t.match(await logs('go'), { code: 1, stderr: /^owl: gone never started, it is stopped/ });
  await node.client.update({ task_id: 'elsewhere', status: 'started', started_time: Date.now() / 1000 });
  t.match(await logs('else'), { code: 1, stderr: /^owl: elsewhere ran on the machine of / });
});

t.test(
  'the log of a task, of its last attempt unless another is named, is read without a talent',
  async (t) => {
    const data = t.testdir();
    new PlayedPlot(data, 'task_aa', 'chiapos', 1).print('first\n');
    new PlayedPlot(data, 'task_aa', 'chiapos', 2).print('\u001b[32msecond\u001b[0m\nno line end');
    new PlayedPlot(data, 'task_ab.1', 'chiapos').print('other\n');
    const logs = (...args: string[]) => owl(['plot', 'logs', '--data', data, ...args, ...NOBODY]);

    t.match(await logs('task_aa'), { code: 0, stdout: 'second\nno line end\n', stderr: '' });
    t.match(await logs('task_aa', '--attempt', '1'), { code: 0, stdout: 'first\n' });
    t.match(await logs('task_ab.1'), { code: 0, stdout: 'other\n' }, 'an id may hold a dot');
    t.match(await logs('task_aa', '--json'), {
      code: 0,
      stdout: '{"text":"second","offset":16}\n{"text":"no line end","offset":27}\n',
    });

    t.match(await logs('task_a'), {
      code: 1,
      stdout: '',
      stderr:
        /which task begins with "task_a" only talent can tell.*give the whole id.*\n {2}task_aa\n {2}task_ab\.1\n$/,
    });
    t.match(await logs('task_x'), {
      code: 1,
      stdout: '',
      stderr: /no log of a task whose id begins with "task_x"/,
    });
    t.match(await logs('task_aa', '--attempt', '7'), { code: 1, stderr: /there are those of 1, 2/ });
    t.match(await owl(['plot', 'logs', 'task_aa', '--data', '/nowhere', ...NOBODY]), {
      code: 1,
      stderr: /below \/nowhere/,
    });
  },
);

t.test('on a terminal nothing that was printed can move the cursor', async (t) => {
  const data = t.testdir();
  new PlayedPlot(data, 'task', 'chiapos').print('a\u0007b\tc\u001b[2Jd\n');
  const { stdout } = await owl(['plot', 'logs', 'task', '--data', data], {
    screen: { columns: 80, rows: 24 },
  });
  t.equal(stdout, 'a\u{FFFD}b cd\n');
});

t.test('it follows until the plotter has ended', async (t) => {
  const data = t.testdir();
  const plot = new PlayedPlot(data, 'task', 'chiapos');
  plot.print('one\n');
  const terminal = terminalDouble();
  const running = runOwl(['plot', 'logs', '-f', 'task', '--data', data], terminal);
  await until('the beginning is shown', () => terminal.stdout() === 'one\n');
  plot.print('two\n');
  await until('what comes is shown', () => terminal.stdout() === 'one\ntwo\n');
  plot.print('the last');
  plot.end({ exit_code: 0 });
  t.equal(await running, 0);
  t.equal(terminal.stdout(), 'one\ntwo\nthe last\n');
});

t.test('it ends when it is interrupted, and follows no plot that is settled', async (t) => {
  const data = t.testdir();
  const plot = new PlayedPlot(data, 'task', 'chiapos');
  plot.print('all\n');
  const terminal = terminalDouble();
  const running = runOwl(['plot', 'logs', '-f', 'task', '--data', data], terminal);
  await until('it is shown', () => terminal.stdout() === 'all\n');
  terminal.interrupt('SIGINT');
  t.equal(await running, 130);
  t.equal(terminal.stderr(), '');

  plot.remove();
  t.match(await owl(['plot', 'logs', '-f', 'task', '--data', data]), { code: 0, stdout: 'all\n' });
});

t.test('a log that is cut while it is followed is said so', async (t) => {
  const data = t.testdir();
  const plot = new PlayedPlot(data, 'task', 'chiapos');
  plot.print('a long line of a log\n');
  const terminal = terminalDouble();
  const running = runOwl(['plot', 'logs', '-f', 'task', '--data', data], terminal);
  await until('it is shown', () => terminal.stdout() !== '');
  writeFileSync(plot.logPath, '');
  t.equal(await running, 1);
  t.match(terminal.stderr(), /was truncated/);
});

t.test('with a record that can not be read it shows what is there, and says why that is all', async (t) => {
  const data = t.testdir();
  new PlayedPlot(data, 'task', 'chiapos').print('all\n');
  writeFileSync(plotsIn(data).pathOf({ task_id: 'task', attempt: 1 }), '{');
  t.match(await owl(['plot', 'logs', '-f', 'task', '--data', data]), {
    code: 1,
    stdout: 'all\n',
    stderr: /^owl: nobody can tell whether the plotter of task still runs: .*task\.1\.json is no JSON/,
  });
  t.match(await owl(['plot', 'logs', 'task', '--data', data]), { code: 0, stdout: 'all\n', stderr: '' });
});

t.test('of a task that waits here it says why, and shows its log once there is one', async (t) => {
  const farm = await Farm.start(t);
  await farm.supervise(pausingPlayer(farm), { max_plots: 1 });
  await farm.order('first');
  await farm.reachesPause('first');
  await farm.order('second');
  const { remarks = '' } = await farm.reaches('second', 'pending');

  const args = ['plot', 'logs', 'sec', '--data', farm.data];
  t.match(await owl(args), {
    code: 1,
    stdout: '',
    stderr: `owl: second has not started yet: ${remarks}; with -f its log is shown once it does\n`,
  });
  const terminal = terminalDouble();
  const running = runOwl([...args, '-f'], terminal);
  await until('it says that it waits', () => terminal.stderr() !== '');
  t.equal(terminal.stderr(), `second has not started yet: ${remarks}; its log follows\n`);
  t.equal(terminal.stdout(), '');
  farm.goOn();
  t.equal(await running, 0);
  await farm.reaches('second', 'finished');
  t.equal(terminal.stdout(), farm.logOf('second'), 'all of it');
});

t.test('of a task that is withdrawn while its log is waited for it says so', async (t) => {
  const farm = await Farm.start(t);
  await farm.supervise(pausingPlayer(farm), { max_plots: 1 });
  await farm.order('first');
  await farm.reachesPause('first');
  await farm.order('second');
  await farm.reaches('second', 'pending');
  const terminal = terminalDouble();
  const running = runOwl(['plot', 'logs', 'second', '--data', farm.data, '-f'], terminal);
  await until('it says that it waits', () => terminal.stderr() !== '');
  await farm.client.stop({ task_id: 'second', reason: 'no more' });
  t.equal(await running, 1);
  t.match(
    terminal.stderr(),
    /\nowl: second waits no more and was not started here; `owl plot status second`/,
  );
  farm.goOn();
  await farm.reaches('first', 'finished');
});

t.test('the next attempt is what is followed, and the last one what is shown until then', async (t) => {
  const farm = await Farm.start(t);
  await farm.supervise(pausingPlayer(farm), { max_plots: 1 });
  await farm.order('again');
  const { plot_pid = 0 } = await farm.reachesPause('again');
  await farm.kill(plot_pid);
  await farm.reaches('again', 'failed');
  const first = farm.logOf('again');
  await farm.order('other');
  await farm.reachesPause('other');
  await farm.client.retry({ task_id: 'again' });
  await farm.reaches('again', 'pending');

  const args = ['plot', 'logs', 'again', '--data', farm.data];
  t.match(await owl(args), { code: 0, stdout: first, stderr: '' });
  t.match(await owl([...args, '--attempt', '2']), { code: 1, stderr: /again has not started yet: / });
  const terminal = terminalDouble();
  const running = runOwl([...args, '-f'], terminal);
  await until('it says that it waits', () => terminal.stderr() !== '');
  farm.goOn();
  t.equal(await running, 0);
  await farm.reaches('again', 'finished');
  t.equal(terminal.stdout(), farm.logOf('again', 2));
});
