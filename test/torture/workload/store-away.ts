/** The store of a node is away for much longer than any harm of the nemesis lasts: longer than leases and give-ups of its pilots. */

import { setTimeout as pause } from 'node:timers/promises';
import type { NodeWorld } from '../world/node-world.js';

/** For work to be under way by then. */
const WORKS_BEFORE_MS = 4_000;

/** Behind a wire its server is gone; the file of the node has a disk that is full. It is there again when this resolves. */
export async function storeAway({ node, store }: NodeWorld, seconds: number): Promise<void> {
  const { server } = store;
  await pause(WORKS_BEFORE_MS);
  if (server === undefined) {
    // A node may end for it, and comes back then.
    node.mayEnd();
    node.setGround({ full: true });
  } else await server.stop();
  await pause(seconds * 1000);
  if (server === undefined) node.setGround({ full: false });
  else await server.start();
}
