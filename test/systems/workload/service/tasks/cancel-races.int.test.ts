/**
 * A task is cancelled while it is split, while its jobs are claimed, finish or are retried: a thousand rounds whose order is drawn from a
 * seed, which stands in the name of the test; another one is tried by `SEED`. What was promised is read from the log alone.
 */

import { join } from 'node:path';
import t from 'tap';
import { openSqliteEventStore } from '../../../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { eventsIn } from '../../../../torture/checker/sqlite-files.js';
import { Violations } from '../../../../torture/checker/violations.js';
import { checkWorkload } from '../../../../torture/checker/workload/check-workload.js';
import { Dice } from '../../../../torture/dice.js';
import { CancelRounds, SEED, sideOf, TOGETHER, untilQuiet } from '../../support/cancel-rounds.js';
import { inputOf, taskNode } from './task-world.js';

const ROUNDS = 1_000;

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
