/** What can be seen of tasks: pages, what changes, what happened. */

import t from 'tap';
import { watchTasks } from '../../../../../src/systems/workload/service/tasks/task-operations.js';
import {
  type Answer,
  embedded,
  endJobs,
  inputOf,
  refusalOf,
  submit,
  taskNode,
  untilJobs,
  untilState,
} from './task-world.js';

t.test('pages go on where the one before ended, in either order and by state', async (t) => {
  const node = await taskNode(t, await embedded(t));
  const [none, open] = [await inputOf(node, 0), await inputOf(node, 0, { sealed: false })];
  for (const [i, input] of [none, open, none, open, none].entries()) {
    const task = await submit(node, input, { name: `t${i + 1}` });
    if (input === none) await untilState(node, task, 'finished');
  }
  const numbers = async (request: object) => {
    const { tasks, next_page_token: token } = await node.ask('task_list', request);
    return { ids: Array.isArray(tasks) ? tasks.map(({ task_id: id }) => id) : [], token };
  };
  const first = await numbers({ page_size: 2 });
  t.strictSame(first.ids, [1, 2]);
  t.strictSame((await numbers({ page_size: 9, page_token: first.token })).ids, [3, 4, 5]);
  t.strictSame((await numbers({ newest_first: true, page_size: 2 })).ids, [5, 4]);
  t.strictSame((await numbers({ state: ['registered'] })).ids, [2, 4]);
  const other = node.ask('task_list', { page_token: first.token, newest_first: true });
  t.match(await refusalOf(other), { kind: 'invalid', field: 'page_token' });
  t.match(await refusalOf(node.ask('task_list', { state: ['done'] })), { kind: 'invalid', field: 'state' });
});

t.test('a watch gives what is there, and then each change of a task or of its jobs', async (t) => {
  const node = await taskNode(t, await embedded(t));
  const task = await submit(node, await inputOf(node, 2));
  await untilJobs(node, task, 2);
  await untilState(node, task, 'running');
  const over = new AbortController();
  t.teardown(() => over.abort());
  const states: unknown[] = [];
  for await (const told of node.follow(watchTasks.name, { state: ['running'] }, over.signal)) {
    const { jobs_finished: finished, state }: Answer = { ...told };
    if (states.length === 0) await endJobs(node);
    states.push(state);
    if (state === 'finished') {
      t.equal(finished, 2);
      break;
    }
  }
  t.strictSame([states[0], states.at(-1)], ['running', 'finished']);
});

t.test('the history is what is stored, with who wanted it', async (t) => {
  const node = await taskNode(t, await embedded(t));
  const task = await submit(node, await inputOf(node, 0), { command_id: 'order-7' });
  await untilState(node, task, 'finished');
  const { all } = await node.ask('task_history', { id: '1' });
  t.match(all, [
    { revision: 0, type: 'TaskRegistered', by: 'test', command_id: 'order-7', data: /"executable":"sort"/ },
    { revision: 1, type: 'TaskSplitStarted', by: 'loop:workload-splitter' },
    { revision: 2, type: 'TaskSplitCompleted', data: '{"jobs":0}' },
    { revision: 3, type: 'TaskFinished', by: 'loop:workload-closer' },
  ]);
});
