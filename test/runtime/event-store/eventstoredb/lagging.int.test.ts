/**
 * The contract of event stores on EventStoreDB as it is under load and in a cluster: its readers lag behind its writer. See
 * also eventstoredb.int.test.ts.
 */

import t from 'tap';
import { eventStoreContract } from '../../../contract/event-store.js';
import { TransactionLog } from '../../../support/eventstoredb-node/transaction-log.js';
import { onNode } from '../../../support/eventstoredb-stores.js';

await eventStoreContract(
  t,
  'EventStoreDB, as a protocol node whose readers lag',
  onNode(() => {
    const log = new TransactionLog();
    log.index.lagMs = 5;
    return { log };
  }),
);
