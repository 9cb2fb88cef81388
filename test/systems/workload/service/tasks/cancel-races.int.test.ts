/**
 * A task is cancelled while it is split, while its jobs are claimed, finish or are retried: a thousand rounds whose order is drawn from a
 * seed, which stands in the name of the test; another one is tried by `SEED`. What was promised is read from the log alone.
 */

import { join } from 'node:path';
import t from 'tap';
import { openSqliteEventStore } from '../../../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { openStore, startNode as startStore } from '../../../../support/eventstoredb-stores.js';
import { until } from '../../../../support/until.js';
import { eventsAt } from '../../../../torture/checker/eventstoredb-events.js';
import { eventsIn } from '../../../../torture/checker/sqlite-files.js';
import { Violations } from '../../../../torture/checker/violations.js';
import { checkWorkload } from '../../../../torture/checker/workload/check-workload.js';
import { Dice } from '../../../../torture/dice.js';
import { CancelRounds, sideOf } from '../../support/cancel-rounds.js';
import { inputOf, type TaskNode, taskNode } from './task-world.js';

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const ROUNDS = 1_000;
const ROUNDS_OF_TWO_NODES = 24;
const TOGETHER = 16;

/** What follows of itself has followed. */
async function untilQuiet(node: TaskNode): Promise<void> {
  await until('all that was written is aborted, and discarded', async () => {
    const left = await node.rows(
      `SELECT 1 FROM dsm_datasets WHERE producer_task IS NOT NULL AND status NOT IN ('aborted', 'closed')
       UNION ALL SELECT 1 FROM dsm_datasets WHERE status = 'aborted' AND produces <> 'log' AND files_available > 0
       UNION ALL SELECT 1 FROM dsm_files WHERE status = 'declared'
       LIMIT 1`,
    );
    return left.length === 0;
  });
}

t.test(`${ROUNDS} rounds on one node, seed ${SEED}`, async (t) => {
  const file = join(t.testdir(), 'events.db');
  const store = openSqliteEventStore(file);
  t.teardown(() => store.close());
  const node = await taskNode(t, store);
  const rounds = new CancelRounds([await sideOf(node, 'p1')], await inputOf(node, 2));
  await rounds.run(new Dice(SEED), ROUNDS, TOGETHER);
  await untilQuiet(node);
  await node.close();
  await store.close();
  const violations = new Violations();
  const { tasks } = await checkWorkload(eventsIn(file), violations, true, true);
  t.strictSame(violations.list, [], `seed ${SEED}`);
  t.equal(tasks.size, ROUNDS);
  const tried = Object.fromEntries(rounds.counts);
  t.comment(JSON.stringify(tried));
  for (const what of [
    'cancels done',
    'claims granted',
    'claims cancelled',
    'finishes done',
    'retries done',
    'ends done',
  ])
    t.ok((rounds.counts.get(what) ?? 0) > 0, what);
});

t.test(`${ROUNDS_OF_TWO_NODES} rounds over two nodes of a store, seed ${SEED}`, async (t) => {
  t.testdir();
  const double = await startStore(t);
  const nodes = [];
  for (const name of ['a', 'b'])
    nodes.push(await taskNode(t, await openStore(t, double), { name, shared: true }));
  const [a, b] = nodes;
  if (a === undefined || b === undefined) throw new Error('two nodes');
  const rounds = new CancelRounds([await sideOf(a, 'p1'), await sideOf(b, 'p2')], await inputOf(a, 2));
  await rounds.run(new Dice(SEED), ROUNDS_OF_TWO_NODES, TOGETHER);
  for (const node of [a, b]) await untilQuiet(node);
  for (const node of [a, b]) await node.close();
  const violations = new Violations();
  const { tasks } = await checkWorkload(eventsAt(double.connectionString), violations);
  t.strictSame(violations.list, [], `seed ${SEED}`);
  t.equal(tasks.size, ROUNDS_OF_TWO_NODES);
  t.comment(JSON.stringify(Object.fromEntries(rounds.counts)));
});
