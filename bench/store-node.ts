/** The protocol node of the tests as a part of a benchmark: no EventStoreDB, but its protocol, with a memory instead of a disk. */

import { EventStoreDbNode } from '../test/support/eventstoredb-node/node.js';
import { playPart } from './part-main.js';

/** What it was asked so far. */
export interface StoreCalls {
  readonly appends: number;
  readonly reads: number;
}

const node = await new EventStoreDbNode().start();
playPart({
  address: node.connectionString,
  stop: () => node.stop(),
  answer: async () => {
    const { calls, changes } = node;
    return { appends: changes, reads: calls - changes } satisfies StoreCalls;
  },
});
