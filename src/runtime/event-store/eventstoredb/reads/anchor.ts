/**
 * The record behind which a subscription begins on the server, so that nothing after a position is left out.
 *
 * It must be one that is there: a server before 24.2 reads one record from the position it is given and goes on behind
 * that, whether it stands at this position or not. None stands at the checkpoints that a server tells while nothing
 * matches, nor where a scavenge has been. What comes twice is for the reader to leave out.
 */

import { OwlError } from '../../../../base/errors.js';
import { type Position, START } from '../../event-store.js';
import { type CallError, callErrorOf } from '../connection/call-error.js';
import type { Connection } from '../connection/connection.js';
import type { Link } from '../connection/link.js';
import type { Reader } from './reader.js';

/**
 * @param after what comes after this position is wanted
 * @param last position of the last record in the log
 * @throws CallError
 */
export async function findAnchor(
  connection: Connection,
  reader: Reader,
  link: Link,
  after: Position,
  last: Position,
): Promise<Position> {
  if (after === START) return START;
  if (after >= last) return last;
  try {
    return await connection.on(link, () => reader.before(link, after, connection.deadline()));
  } catch (error) {
    const failure = callErrorOf(error);
    // The server can't read from there, which the subscription will say more clearly.
    if (failure.kind === 'rejected' || failure.kind === 'unexpected') return after;
    throw failure;
  }
}

/** Of the subscription's own call: what a server that has just answered another read rejects is the position. */
export function withPosition(after: Position, error: CallError): CallError | OwlError {
  if (error.kind !== 'rejected') return error;
  return new OwlError(
    'invalid',
    `EventStoreDB can't go on from position ${after} (${error.message}); if its data came from a backup, rebuild the read models`,
    { cause: error },
  );
}
