/** What can be seen of tasks: pages, what changes, what happened. */

import t from 'tap';
import { watchTasks } from '../../../../../src/systems/workload/service/tasks/task-operations.js';
import { countRows } from '../../../../support/counted-rows.js';
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

t.test('a task costs who looks at it a few rows, however many files it has before it', async (t) => {
  const node = await taskNode(t, await embedded(t), { config: { split_window: 4000 } });
  await node.ask('switch_set', { switch: 'splitter', enabled: false });
  const inputs = [await inputOf(node, 900), await inputOf(node, 900, { sealed: false })];
  const mode = { mode: 'merge', require_complete: true } as const;
  for (const [input, files_per_job] of [
    [inputs[0], 400],
    [inputs[1], 400],
    [inputs[1], 1000],
    [inputs[0], 1000],
  ] as const)
    for (let i = 0; i < 5; i++) await submit(node, String(input), { ...mode, files_per_job });
  const { tasks: before } = await node.ask('task_list', {});
  const counted = countRows(node.context.db);
  const { tasks } = await node.ask('task_list', {});
  t.strictSame(tasks, before);
  const said = Array.isArray(tasks) ? tasks.map(({ remarks }) => String(remarks)) : [];
  const off = 'the splitter is switched off since ';
  t.match(
    [said[0], said[5], said[10], said[15]],
    [
      `is not split; ${off}`,
      `is not split; ${off}`,
      /^waits for files: 900 of 900 are there; 900 wait for others to go with, and input .* is not closed; the splitter is switched off/,
      `is not split; ${off}`,
    ],
  );
  t.ok(
    counted.rows <= 20 * 15,
    `${counted.rows} rows of 20 tasks: ${JSON.stringify([...counted.statements])}`,
  );
});
