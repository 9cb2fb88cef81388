/** Somebody has written what no node can read. */

import { propose } from '../../../support/events.js';
import type { EventStoreDbNode } from '../../../support/eventstoredb-node/node.js';

/** An event of another program, under a name of owl's. */
export function damage({ log }: EventStoreDbNode, stream: string): void {
  const { id } = propose();
  const nothing = { data: Buffer.from('{}'), metadata: Buffer.from('') };
  log.append(stream, 'any', [{ id, type: 'MovedByAnother', json: true, ...nothing }]);
}
