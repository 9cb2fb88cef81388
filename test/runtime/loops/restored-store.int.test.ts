/** A loop whose store is restored from a backup while it runs: what it knows is made anew, and what was lost is done again. */

import { join } from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { openEventStoreDb } from '../../../src/runtime/event-store/eventstoredb/eventstoredb-store.js';
import { TransactionLog } from '../../support/eventstoredb-node/transaction-log.js';
import { startNode as startServer } from '../../support/eventstoredb-stores.js';
import { type Notice, tellsHolders } from '../../support/notices.js';
import { until } from '../../support/until.js';
import { firstOf } from '../support/restorable-stores.js';
import { loopingNode } from './looping-node.js';

t.test('what was done and is recorded no more is done again, by who has the lease', async (t) => {
  // The second takes the place of the first; its port is known once it has run.
  const [old, restored] = [await startServer(t), await startServer(t, { log: new TransactionLog() })];
  await restored.stop();
  const store = await openEventStoreDb({
    connectionString: old.connectionString.replace('?', `,127.0.0.1:${restored.address.port}?`),
    logger: pino({ level: 'silent' }),
  });
  const told: Notice[] = [];
  let begun = 0;
  const node = await loopingNode(
    t,
    (runtime) => [
      {
        ...tellsHolders({ runtime, leaseSeconds: 5, tell: (one) => void told.push(one) }),
        begin: () => {
          begun += 1;
        },
      },
    ],
    { store, databasePath: join(t.testdir(), 'node.db'), sharedAs: 'a' },
  );
  t.teardown(async () => {
    await node.close();
    await store.close();
  });
  await node.grant('h1');
  await node.grant('h2');
  await until('both were told', () => told.length === 2);
  await until('that is recorded', () => node.status().state === 'resting');
  await old.stop();
  const events = old.log.records.filter(({ stream }) => !stream.startsWith('$'));
  const lost = events.findLastIndex(({ stream }) => stream.startsWith('semaphore_notice-'));
  const kept = firstOf(old.log, lost).records.filter(({ stream }) => !stream.startsWith('$'));
  for (const record of kept) restored.log.append(record.stream, 'any', [record]);
  await restored.start();

  await until('the second is told again', () => told.length === 3);
  t.same(
    told.map(({ holder }) => holder),
    ['h1', 'h2', 'h2'],
  );
  t.equal(told[1]?.grant, told[2]?.grant);
  t.ok(begun > 1, 'what it keeps in memory was made anew');
  await until('there is nothing to do', () => node.status().state === 'resting');
  t.equal(node.status().node, 'a');
});
