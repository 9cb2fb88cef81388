/**
 * gRPC calls that are over for this side and not for their peer, who has not said all: who was denied, or ran out of time. What has
 * come of them stays in this process for as long as the peer likes.
 *
 * Guarantee: one connection has so many of them at the most; honest peers end a call that was answered.
 */

import type { ServerInterceptingCallInterface } from '@grpc/grpc-js';

const OF_A_CONNECTION = 100;
/** What gRPC calls the peer of a call whose stream is closed. */
const NOBODY = 'unknown';

export type OpenCall = Pick<ServerInterceptingCallInterface, 'getPeer'>;

export function isOpen(call: OpenCall): boolean {
  return call.getPeer() !== NOBODY;
}

export class HalfOpenCalls {
  private readonly cut: (connection: string) => void;
  private readonly onConnection = new Map<string, Set<OpenCall>>();

  /** @param cut ends a connection */
  constructor(cut: (connection: string) => void) {
    this.cut = cut;
  }

  note(connection: string, call: OpenCall): void {
    const calls = this.onConnection.get(connection) ?? new Set<OpenCall>();
    this.onConnection.set(connection, calls.add(call));
    if (calls.size >= OF_A_CONNECTION && this.left(connection, calls) >= OF_A_CONNECTION)
      this.cut(connection);
  }

  /** Forgets those that have been closed. */
  look(): void {
    for (const [connection, calls] of this.onConnection) this.left(connection, calls);
  }

  private left(connection: string, calls: Set<OpenCall>): number {
    for (const call of calls) if (!isOpen(call)) calls.delete(call);
    if (calls.size === 0) this.onConnection.delete(connection);
    return calls.size;
  }
}
