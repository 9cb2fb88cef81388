/** The same as cancel-races over two nodes of one store: orders, claims and reports go to either, as the seed has it. */

import t from 'tap';
import { openStore, startNode as startStore } from '../../../../support/eventstoredb-stores.js';
import { eventsAt } from '../../../../torture/checker/eventstoredb-events.js';
import { Violations } from '../../../../torture/checker/violations.js';
import { checkWorkload } from '../../../../torture/checker/workload/check-workload.js';
import { Dice } from '../../../../torture/dice.js';
import { CancelRounds, SEED, sideOf, TOGETHER, untilQuiet } from '../../support/cancel-rounds.js';
import { inputOf, taskNode } from './task-world.js';

const ROUNDS = 24;

t.test(`${ROUNDS} rounds over two nodes of a store, seed ${SEED}`, async (t) => {
  t.testdir();
  const double = await startStore(t);
  const nodes = [];
  for (const name of ['a', 'b'])
    nodes.push(await taskNode(t, await openStore(t, double), { name, shared: true }));
  const [a, b] = nodes;
  if (a === undefined || b === undefined) throw new Error('two nodes');
  const rounds = new CancelRounds([await sideOf(a, 'p1'), await sideOf(b, 'p2')], await inputOf(a, 2));
  await rounds.run(new Dice(SEED), ROUNDS, TOGETHER);
  for (const node of [a, b]) await untilQuiet(node);
  for (const node of [a, b]) await node.close();
  const violations = new Violations();
  const { tasks } = await checkWorkload(eventsAt(double.connectionString), violations);
  t.strictSame(violations.list, [], `seed ${SEED}`);
  t.equal(tasks.size, ROUNDS);
  t.comment(JSON.stringify(Object.fromEntries(rounds.counts)));
});
