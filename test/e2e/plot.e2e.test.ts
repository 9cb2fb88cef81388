/** A plot from start to finish on a real node, whatever is killed in its middle. */

import { readFileSync } from 'node:fs';
import t from 'tap';
import { untilTask } from '../support/plotted.js';
import { processesOf } from '../support/processes.js';
import { until } from '../support/until.js';
import { Node, type Service } from './node.js';
import { EVENTS, isInTheMiddle, isOver, pausingArgs, storyOf } from './paused-plots.js';

t.test('whatever is killed in the middle of a plot, its row and its history are the same', async (t) => {
  const node = await Node.start(t, pausingArgs);
  await node.order('task-0');
  await isOver(node, 'task-0');
  const undisturbed = await storyOf(node, 'task-0');
  t.match(undisturbed.row, {
    status: 'finished',
    progress: 100,
    exit_code: 0,
    wrote: 148,
    dest_dir: `${node.directory}/plots`,
  });
  t.equal(undisturbed.history.length, EVENTS);

  const services: readonly Service[] = ['log receiver', 'supervisor', 'talent'];
  for (const [index, service] of services.entries()) {
    await t.test(`the ${service}`, async (t) => {
      const taskId = `task-${index + 1}`;
      await node.order(taskId);
      await isInTheMiddle(node, taskId);
      await node.kill(service);
      await isOver(node, taskId);
      const { row, history } = await storyOf(node, taskId);
      t.strictSame(row, undisturbed.row);
      t.strictSame(history, undisturbed.history);
    });
  }

  await t.test('the whole node', async (t) => {
    await node.order('task-4');
    await isInTheMiddle(node, 'task-4');
    await node.killAndStartAgain();
    await isOver(node, 'task-4');
    const { row, history } = await storyOf(node, 'task-4');
    t.strictSame(row, undisturbed.row);
    t.strictSame(history, undisturbed.history);
  });

  await t.test('the plotter', async (t) => {
    await node.order('task-5');
    await isInTheMiddle(node, 'task-5');
    const { plot_pid = 0 } = await node.talent.status({ task_id: 'task-5' });
    process.kill(plot_pid, 'SIGKILL');
    await isOver(node, 'task-5');
    const { row, history } = await storyOf(node, 'task-5');
    t.match(row, {
      status: 'failed',
      exit_signal: 'SIGKILL',
      exit_code: null,
      remarks: /^killed by SIGKILL before its plot was finished/,
    });
    t.strictSame(history.slice(0, -1), undisturbed.history.slice(0, history.length - 1), 'as far as it came');
    t.match(history.at(-1), {
      type: 'PlotTaskFailed',
      remarks: /^killed by SIGKILL before its plot was finished/,
    });
    await until('its temp files are removed', () => node.filesIn('cache').length === 0);
  });

  t.equal(node.filesIn('plots').length, 5, 'one plot for each task but the last');
  t.equal(await node.stop(), 0);
  await until('no process is left', () => processesOf(node.directory).length === 0);
});

t.test('a plot that is stopped ends as such, and nothing of it is left', async (t) => {
  const node = await Node.start(t, () => ['--seconds', '60', '--stubborn']);
  await node.order('task');
  await untilTask(node.talent, 'task', 'runs', ({ status }) => status === 'running');
  const { plot_pid = 0 } = await node.talent.status({ task_id: 'task' });
  t.not(node.filesIn('cache').length, 0);
  await node.talent.stop({ task_id: 'task', reason: 'no more' });
  const task = await untilTask(node.talent, 'task', 'is stopped', ({ status }) => status === 'stopped');
  t.match(task, { exit_signal: 'SIGKILL', remarks: 'no more' });
  t.strictSame(node.filesIn('cache'), []);
  t.strictSame(
    processesOf(node.directory).filter(({ pid }) => pid === plot_pid),
    [],
  );
  const { log_offset = 0 } = task;
  const log = readFileSync(`${node.data}/logs/task.1.log`);
  t.equal(log_offset, log.length, 'its log was told of to the end');
});
