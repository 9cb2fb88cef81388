/** Each store that a runtime may rest on, for what has to hold on all of them. */

import { join } from 'node:path';
import type { Test } from 'tap';
import type { EventStore } from '../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { openStore, startNode } from './eventstoredb-stores.js';

/** By name: a fresh one, closed with the test. The first makes the test's directory anew. */
export const STORES: Readonly<Record<string, (t: Test) => Promise<EventStore>>> = {
  SQLite: async (t) => {
    const store = openSqliteEventStore(join(t.testdir(), 'events.db'));
    t.teardown(() => store.close());
    return store;
  },
  'the EventStoreDB double': async (t) => openStore(t, await startNode(t)),
};
