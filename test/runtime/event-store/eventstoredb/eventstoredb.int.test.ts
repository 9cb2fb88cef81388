/**
 * The contract of event stores on EventStoreDB: on the protocol node, and on a real server when OWL_TEST_EVENTSTORE names
 * one with a connection string. That server may hold other events and be in use, since the contract makes names of its own.
 */

import { pino } from 'pino';
import t from 'tap';
import { openEventStoreDb } from '../../../../src/runtime/event-store/eventstoredb/eventstoredb-store.js';
import { eventStoreContract } from '../../../contract/event-store.js';
import { TransactionLog } from '../../../support/eventstoredb-node/transaction-log.js';
import { onNode } from '../../../support/eventstoredb-stores.js';

/** Positions that no JavaScript number holds. */
const FAR_ALONG = 2n ** 53n + 1n;

await eventStoreContract(
  t,
  'EventStoreDB, as the protocol node with $by_category, far along a log',
  onNode(() => ({ log: new TransactionLog({ byCategory: true, startsAt: FAR_ALONG }) })),
);
await eventStoreContract(
  t,
  'EventStoreDB, as a protocol node without batch append and caught-up messages',
  onNode(() => ({ without: ['batchAppend', 'caughtUp'] })),
);
const connectionString = process.env['OWL_TEST_EVENTSTORE'];
if (connectionString !== undefined) {
  const open = () => openEventStoreDb({ connectionString, logger: pino({ level: 'silent' }) });
  await eventStoreContract(t, 'EventStoreDB, the server of OWL_TEST_EVENTSTORE', async (t) => {
    const store = await open();
    t.teardown(() => store.close());
    return {
      store,
      shared: true,
      reopen: async () => {
        await store.close();
        const reopened = await open();
        t.teardown(() => reopened.close());
        return reopened;
      },
    };
  });
}
