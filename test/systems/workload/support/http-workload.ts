/**
 * A node of workload over gRPC and HTTP, in the test's process, on each store that a node may rest on.
 * Guarantee: it is stopped when the test ends, and a store of its own before that no sooner.
 */

import { join } from 'node:path';
import type { Test } from 'tap';
import { workload } from '../../../../src/systems/workload/system.js';
import { type HttpNode, type HttpNodeOptions, startHttpNode } from '../../../node/serving/http/http-node.js';
import { startNode } from '../../../support/eventstoredb-stores.js';

export type HttpWorkload = HttpNode;

/** By name: what a node is configured with. Given to each node of one test, so that they share the store. */
export const NODE_STORES: Readonly<Record<string, (t: Test) => Promise<Readonly<Record<string, string>>>>> = {
  SQLite: async () => ({}),
  'the EventStoreDB double': async (t) => ({ store: (await startNode(t)).connectionString }),
};

/** @param options `data` for a second node, or the same one again; else the test's directory is made anew */
export async function startHttpWorkload(t: Test, options: HttpNodeOptions = {}): Promise<HttpWorkload> {
  const data = options.data ?? join(t.testdir(), 'data');
  return startHttpNode(t, { systems: [workload], ...options, data });
}
