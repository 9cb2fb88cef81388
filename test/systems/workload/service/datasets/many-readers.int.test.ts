/** One dataset, and more tasks that read it than are told anything at a time: what becomes of it reaches each of them, once. */

import t from 'tap';
import type { EventStore } from '../../../../../src/runtime/event-store/event-store.js';
import { datasetIdOf } from '../../../../../src/systems/workload/service/ids.js';
import { until } from '../../../../support/until.js';
import {
  embedded,
  inputOf,
  seal,
  stored,
  submit,
  type TaskNode,
  taskNode,
  untilJobs,
  untilState,
} from '../tasks/task-world.js';

t.setTimeout(240_000);

/** Tasks that a dataset's cancellation tells something at a time. */
const AT_ONCE = 500;
const READERS = AT_ONCE + 10;

/** Tasks that read it, and wait. @returns their uids */
async function readersOf(node: TaskNode, dataset: string): Promise<string[]> {
  return await Promise.all(Array.from({ length: READERS }, () => submit(node, dataset)));
}

const untilCounted = (node: TaskNode, dataset: string, state: string) =>
  until(
    `all that read it are ${state}`,
    async () => {
      const sql = 'SELECT count(*) AS tasks FROM task_dat WHERE data_in_uid = ? AND state = ?';
      return (await node.row(sql, dataset, state))['tasks'] === READERS;
    },
    120_000,
  );

/** How often each type is stored of those tasks. */
async function counted(store: EventStore, uids: readonly string[]): Promise<Record<string, number>> {
  const streams = new Set(uids.map((uid) => `wl_task-${uid}`));
  const counts: Record<string, number> = {};
  for (const { stream, type } of await stored(store, 'wl_task'))
    if (streams.has(stream)) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

t.test(`closed, cancelled and aborted with ${READERS} readers each`, async (t) => {
  t.testdir();
  const store = await embedded(t);
  const node = await taskNode(t, store);

  const closed = await inputOf(node, 0, { sealed: false });
  const finished = await readersOf(node, closed);
  await seal(node, closed);
  await untilCounted(node, closed, 'finished');
  t.strictSame(await counted(store, finished), {
    ...{ TaskRegistered: READERS, TaskSplitStarted: READERS, TaskSplitCompleted: READERS },
    TaskFinished: READERS,
  });

  const wrong = await inputOf(node, 0, { sealed: false });
  const cancelled = await readersOf(node, wrong);
  t.match(await node.ask('dataset_cancel', { uid: wrong, reason: 'wrong' }), { uid: wrong });
  await untilCounted(node, wrong, 'cancelled');
  await until('it is aborted', async () => {
    return (await node.row('SELECT status FROM dsm_datasets WHERE uid = ?', wrong))['status'] === 'aborted';
  });
  t.strictSame(await counted(store, cancelled), {
    ...{ TaskRegistered: READERS, TaskCancelRequested: READERS, TaskCancelled: READERS },
  });
  const events = await stored(store, 'wl_dataset');
  const aborted = events.find(
    ({ type, stream }) => type === 'DatasetAborted' && stream === `wl_dataset-${wrong}`,
  );
  const last = (await stored(store, 'wl_task')).findLast(({ type }) => type === 'TaskCancelled');
  t.ok((aborted?.position ?? '') > (last?.position ?? ''), 'when the last of them has ended');

  const writer = await submit(node, await inputOf(node, 1));
  await untilJobs(node, writer, 1);
  const output = datasetIdOf(writer, 'output');
  const failed = await readersOf(node, output);
  await node.ask('task_cancel', { id: writer, reason: 'wrong' });
  await untilState(node, writer, 'cancelled');
  await untilCounted(node, output, 'failed');
  t.strictSame(await counted(store, failed), { TaskRegistered: READERS, TaskFailed: READERS });
});
