/** One row of the table of tasks that can't be turned into a message is shown as that, and every other as it is. */

import { join } from 'node:path';
import t from 'tap';
import { openDatabase } from '../../../../../src/base/sqlite.js';
import type { PlotTaskStatus } from '../../../../../src/systems/talent/wire/messages.js';
import { orderFor, startTalentNode } from '../../../../support/talent-node.js';

const GOOD = ['a', 'c'];
const TOLD = /can't be shown/;

t.test('a damaged row is told in its place, in every list and stream, and once in the log', async (t) => {
  const node = await startTalentNode(t);
  const { client, data, log } = node;
  for (const id of ['a', 'bad', 'c']) await client.create(orderFor(id, { worker_id: 'w' }));
  await client.list({});
  const db = openDatabase(join(data, 'owl.db'));
  // As a disk may do it: the table itself takes no such thing.
  db.exec(`PRAGMA ignore_check_constraints = ON; UPDATE plot_tasks SET stages = '{' WHERE task_id = 'bad'`);
  db.close();

  const check = (what: string, tasks: readonly PlotTaskStatus[]) => {
    t.same(tasks.map(({ task_id }) => task_id).sort(), ['a', 'bad', 'c'], what);
    for (const { task_id, remarks, plot_details } of tasks) {
      if (task_id === 'bad') t.match(remarks, TOLD, what);
      else t.match(plot_details, { cache1: '/ssd/1' }, what);
    }
  };
  check('all', await node.tasks('plot_task_status_all'));
  check('of a supervisor', await node.tasks('get_plot_tasks'));
  check('by cache', await node.tasks('get_plot_by_cache', { cache1: '/ssd/1' }));
  check('a page', (await client.list({})).tasks ?? []);
  t.match(await client.status({ task_id: 'bad' }), { existed: true, status: 'received', remarks: TOLD });

  const watched: PlotTaskStatus[] = [];
  for await (const { task, initial_complete } of client.watch({})) {
    if (initial_complete === true) break;
    if (task) watched.push(task);
  }
  check('watched', watched);

  const session = { worker_id: 'w', session_id: 's' };
  await client.attach(session);
  const work: PlotTaskStatus[] = [];
  for await (const { kind, task } of client.work(session)) {
    if (kind === 'READY') break;
    if (task) work.push(task);
  }
  check('work', work);
  t.same(log.messages('error'), ['a task can not be shown']);
  for (const id of GOOD) t.match(await client.stop({ task_id: id }), { is_success: true });
});
