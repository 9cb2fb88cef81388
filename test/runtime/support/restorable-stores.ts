/** Stores that a test can restore: afterwards they hold the first events of what they held, at the same positions. */

import { join } from 'node:path';
import { pino } from 'pino';
import type { Test } from 'tap';
import type { EventStore } from '../../../src/runtime/event-store/event-store.js';
import { openEventStoreDb } from '../../../src/runtime/event-store/eventstoredb/eventstoredb-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { collect } from '../../support/events.js';
import { EventStoreDbNode } from '../../support/eventstoredb-node/node.js';
import { TransactionLog } from '../../support/eventstoredb-node/transaction-log.js';

export interface RestorableStore {
  readonly kind: string;
  open(): Promise<EventStore>;
  /** Comes back with so many events and without the others. Only while nobody has it open. */
  restore(events: number): Promise<void>;
}

/** @param dir where its files are */
export function sqliteStore(dir: string): RestorableStore {
  let copies = 0;
  const path = () => join(dir, `events-${copies}.db`);
  return {
    kind: 'the embedded store',
    open: async () => openSqliteEventStore(path()),
    restore: async (events) => {
      const old = openSqliteEventStore(path());
      const kept = await collect(old.readAll({ limit: events }));
      await old.close();
      copies += 1;
      const restored = openSqliteEventStore(path());
      for (const { stream, revision, position: _, ...event } of kept) {
        await restored.append(stream, revision === 0 ? 'noStream' : revision - 1, [event]);
      }
      await restored.close();
    },
  };
}

export async function protocolNode(t: Test): Promise<RestorableStore> {
  let node = await new EventStoreDbNode().start();
  t.teardown(() => node.stop());
  return {
    kind: 'EventStoreDB',
    open: () =>
      openEventStoreDb({ connectionString: node.connectionString, logger: pino({ level: 'silent' }) }),
    restore: async (events) => {
      await node.stop();
      node = await new EventStoreDbNode({ log: firstOf(node.log, events) }).start();
    },
  };
}

/** What a backup of the log would have held after so many events. */
export function firstOf(log: TransactionLog, events: number): TransactionLog {
  const restored = new TransactionLog();
  const kept = log.records.filter(({ stream }) => !stream.startsWith('$')).slice(0, events);
  for (const record of kept) restored.append(record.stream, 'any', [record]);
  return restored;
}
