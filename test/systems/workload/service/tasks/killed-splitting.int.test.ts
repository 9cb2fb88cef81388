/** Splitting on nodes that are killed at every kind of moment, and on two nodes at once: nothing is lost, and nothing is there twice. */

import t, { type Test } from 'tap';
import { OwlError, StoreUnavailableError } from '../../../../../src/base/errors.js';
import { delegating } from '../../../../../src/runtime/event-store/delegating-store.js';
import { type EventStore, idOf } from '../../../../../src/runtime/event-store/event-store.js';
import { datasetIdOf } from '../../../../../src/systems/workload/service/ids.js';
import { STORES } from '../../../../support/both-stores.js';
import { until } from '../../../../support/until.js';
import {
  embedded,
  endJobs,
  inputOf,
  stored,
  submit,
  type TaskNode,
  taskNode,
  untilJobs,
  untilSealed,
  untilState,
} from './task-world.js';

const FILES = 12;
/** Of three chunks and a part of one. */
const ROOMY = { config: { split_window: 20 } };

const ORDERS = [
  [{}, 1],
  [{ mode: 'merge', files_per_job: 3 }, 3],
] as const;

/** The store as a node sees it that is killed with its so manieth append: from then on nothing it sends arrives. */
function killable(
  store: EventStore,
  after: number,
): { readonly store: EventStore; readonly isKilled: () => boolean } {
  let left = after;
  const append: EventStore['append'] = async (...parameters) => {
    left -= 1;
    if (left < 0) throw new StoreUnavailableError('the node is killed', 'unknown');
    const appended = await store.append(...parameters);
    // The last one is stored, and nobody hears of it.
    if (left === 0) throw new StoreUnavailableError('the node is killed', 'unknown');
    return appended;
  };
  return { store: delegating(store, { append }), isKilled: () => left <= 0 };
}

/** What has to be so of a task whose files are all there, read from the events alone. */
async function assertSplit(t: Test, store: EventStore, task: string, filesPerJob: number): Promise<void> {
  const created = (await stored(store, 'wl_job')).filter(({ type }) => type === 'JobCreated');
  const places = created.flatMap(({ data }) => listIn(data['inputs']).map(({ idx }) => Number(idx)));
  const all = Array.from({ length: FILES }, (_, i) => i);
  t.strictSame(
    places.toSorted((a, b) => a - b),
    all,
    'each file is in one job',
  );
  t.equal(new Set(created.map(({ stream }) => stream)).size, created.length, 'each job is made once');
  const jobs = Math.ceil(FILES / filesPerJob);
  t.strictSame(
    created.map(({ data }) => Number(data['seq'])).toSorted((a, b) => a - b),
    all.slice(0, jobs),
  );
  for (const product of ['output', 'log'] as const) {
    const events = (await stored(store, 'wl_dataset')).filter(
      ({ stream }) => idOf(stream) === datasetIdOf(task, product),
    );
    const names = events.flatMap(({ data }) => listIn(data['files']).map(({ name }) => name));
    t.equal(new Set(names).size, jobs, `each job has one ${product}`);
    t.equal(names.length, jobs, `and no more`);
    t.strictSame([events[0]?.type, events.at(-1)?.type], ['DatasetRegistered', 'DatasetSealed']);
  }
}

function listIn(value: unknown): Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value : [];
}

for (const [name, open] of Object.entries(STORES)) {
  // Each append of the double is a call: one kind of order is enough there.
  for (const [order, filesPerJob] of name === 'SQLite' ? ORDERS : ORDERS.slice(1))
    t.test(`nodes are killed while a task of ${filesPerJob} files a job is split, on ${name}`, async (t) => {
      t.testdir();
      const store = await open(t);
      const first = await taskNode(t, store, { name: 'first', config: { split_window: 1 } });
      const input = await inputOf(first, FILES);
      const task = await submit(first, input, order);
      await first.close();
      let node = first;
      for (const [i, after] of [1, 4, 12].entries()) {
        const killing = killable(store, after);
        // Every other one has lost its read models too.
        node = await taskNode(t, killing.store, { name: i % 2 === 0 ? 'first' : `other${i}`, ...ROOMY });
        await until(
          'it is killed, or has nothing to do',
          async () => killing.isKilled() || (await isDone(node, task, Math.ceil(FILES / filesPerJob))),
        );
        await node.close();
      }
      const last = await taskNode(t, store, { name: 'last', ...ROOMY });
      await untilState(last, task, 'running');
      await untilJobs(last, task, Math.ceil(FILES / filesPerJob));
      for (const product of ['output', 'log'] as const) await untilSealed(last, datasetIdOf(task, product));
      await assertSplit(t, store, task, filesPerJob);
    });

  t.test(`two nodes split the same tasks, on ${name}`, async (t) => {
    t.testdir();
    const store = await open(t);
    const [a, b] = [
      await taskNode(t, store, { name: 'a', shared: true, ...ROOMY }),
      await taskNode(t, store, { name: 'b', shared: true, ...ROOMY }),
    ];
    const input = await inputOf(a, FILES);
    const task = await submit(b, input);
    for (const node of [a, b]) {
      await untilState(node, task, 'running');
      await untilJobs(node, task, FILES);
      for (const product of ['output', 'log'] as const) await untilSealed(node, datasetIdOf(task, product));
    }
    await assertSplit(t, store, task, 1);
  });
}

async function isDone(
  node: Awaited<ReturnType<typeof taskNode>>,
  task: string,
  jobs: number,
): Promise<boolean> {
  try {
    const { jobs_total: total, state } = await node.ask('task_status', { id: task });
    return state === 'running' && total === jobs;
  } catch {
    // It is killed.
    return false;
  }
}

t.test(
  'nodes are killed while a merge goes through its levels: one file is left, of all of them',
  async (t) => {
    t.testdir();
    const store = await embedded(t);
    const first = await taskNode(t, store, { name: 'first' });
    const order = { mode: 'merge', files_per_job: 3, until_one: true };
    const task = await submit(first, await inputOf(first, FILES), order);
    await first.close();
    for (const [i, after] of [2, 3, 5, 8, 13, 21].entries()) {
      const killing = killable(store, after);
      const node = await taskNode(t, killing.store, { name: i % 2 === 0 ? 'first' : `other${i}` });
      await until(
        'it is killed, or has nothing to do',
        async () => killing.isKilled() || (await isFinished(node, task)),
      );
      await node.close();
    }
    const last = await taskNode(t, store, { name: 'last' });
    await until('the task is finished', () => isFinished(last, task));
    // 12 files, 4 of the first level, 2 of the second, and the last one.
    const created = (await stored(store, 'wl_job')).filter(({ type }) => type === 'JobCreated');
    const reads = created.flatMap(({ data }) => listIn(data['inputs']).map(({ uid }) => uid));
    t.equal(created.length, 4 + 2 + 1);
    t.equal(new Set(reads).size, reads.length, 'each file is read by one job');
    t.equal(reads.length, 12 + 4 + 2);
    const output = await last.rows(
      'SELECT files, files_available FROM dsm_datasets WHERE uid = ?',
      datasetIdOf(task, 'output'),
    );
    t.match(output, [{ files: 1, files_available: 1 }]);
    const finished = (await stored(store, 'wl_task')).filter(({ type }) => type === 'TaskFinished');
    t.match(finished, [{ data: { finished: 7, failed: 0, cancelled: 0 } }]);
  },
);

async function isFinished(node: TaskNode, task: string): Promise<boolean> {
  try {
    await endJobs(node);
    return (await node.ask('task_status', { id: task }))['state'] === 'finished';
  } catch (error) {
    if (error instanceof OwlError) return false;
    throw error;
  }
}
