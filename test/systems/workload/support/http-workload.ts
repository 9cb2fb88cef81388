/**
 * A node of workload over gRPC and HTTP, in the test's process, on each store that a node may rest on.
 * Guarantee: it is stopped when the test ends, and a store of its own before that no sooner.
 */

import { join } from 'node:path';
import type { Test } from 'tap';
import type { System } from '../../../../src/cli/system.js';
import type { NodeContext } from '../../../../src/node/system.js';
import type { WorkloadConfig } from '../../../../src/systems/workload/config.js';
import { workload } from '../../../../src/systems/workload/system.js';
import { type HttpNode, type HttpNodeOptions, startHttpNode } from '../../../node/serving/http/http-node.js';
import { startNode } from '../../../support/eventstoredb-stores.js';

export interface HttpWorkload extends HttpNode {
  /** What the system was opened with: actors, store and rows. */
  readonly context: NodeContext;
}

/** By name: what a node is configured with. Given to each node of one test, so that they share the store. */
export const NODE_STORES: Readonly<Record<string, (t: Test) => Promise<Readonly<Record<string, string>>>>> = {
  SQLite: async () => ({}),
  'the EventStoreDB double': async (t) => ({ store: (await startNode(t)).connectionString }),
};

/** @param options `data` for a second node, or the same one again; else the test's directory is made anew */
export async function startHttpWorkload(t: Test, options: HttpNodeOptions = {}): Promise<HttpWorkload> {
  const data = options.data ?? join(t.testdir(), 'data');
  let context: NodeContext | undefined;
  const opened: System<WorkloadConfig> = {
    ...workload,
    async service() {
      const side = await workload.service();
      const open: typeof side.open = (given, config) => {
        context = given;
        return side.open(given, config);
      };
      return { ...side, open };
    },
  };
  const node = await startHttpNode(t, { systems: [opened], ...options, data });
  if (context === undefined) throw new Error('workload was not opened');
  return { ...node, context };
}
