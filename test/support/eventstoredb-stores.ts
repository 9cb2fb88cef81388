/** Nodes and stores for tests of the EventStoreDB adapter. Everything is closed when the test ends. */

import { type Logger, pino } from 'pino';
import type { Test } from 'tap';
import {
  type EventStoreDbOptions,
  type EventStoreDbStore,
  openEventStoreDb,
} from '../../src/runtime/event-store/eventstoredb/eventstoredb-store.js';
import type { OpenStore } from '../contract/opened-store.js';
import { EventStoreDbNode, type NodeOptions } from './eventstoredb-node/node.js';

/** Milliseconds for one call where a test waits for it to be over. */
export const SHORT_DEADLINE_MS = 400;

export async function startNode(t: Test, options?: NodeOptions): Promise<EventStoreDbNode> {
  const node = await new EventStoreDbNode(options).start();
  t.teardown(() => node.stop());
  return node;
}

export async function openStore(
  t: Test,
  node: Pick<EventStoreDbNode, 'connectionString'>,
  options: Partial<EventStoreDbOptions> = {},
): Promise<EventStoreDbStore> {
  const store = await openEventStoreDb({
    connectionString: node.connectionString,
    logger: pino({ level: 'silent' }),
    ...options,
  });
  t.teardown(() => store.close());
  return store;
}

/** For the contract of event stores, on a node of its own for each test. Opening anew is a restart of the node as well. */
export function onNode(options: () => NodeOptions): OpenStore {
  return async (t) => {
    const node = await startNode(t, options());
    const store = await openStore(t, node);
    return {
      store,
      reopen: async () => {
        await store.close();
        await node.restart();
        return openStore(t, node);
      },
    };
  };
}

/** A logger and every line it has written, as they were written. */
export function recordLog(): { readonly logger: Logger; readonly lines: readonly string[] } {
  const lines: string[] = [];
  return { lines, logger: pino({ level: 'trace' }, { write: (line: string) => lines.push(line) }) };
}
