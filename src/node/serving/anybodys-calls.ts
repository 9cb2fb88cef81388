/**
 * The gRPC calls that everybody may make, whoever he is: health and reflection.
 *
 * Guarantees: one connection has only so many under way; of all of them only so many are begun and not there yet that what they
 * may hold is bounded, whatever is sent; two-way streams, which are there only when they end, have a bound of their own.
 */

import { OwlError } from '../../base/errors.js';
import { isOpen, type OpenCall } from './half-open-calls.js';

/** Watches of health stay for as long as their peer. */
const OF_A_CONNECTION = 16;
const UNFINISHED_BYTES = 16 * 1024 * 1024;
/** However large a message may be: somebody has to be answered. */
const LEAST_UNFINISHED = 8;

export interface AnybodysCall {
  /** All of its request has come. */
  isThere(): void;
  /** For this side: what has come of a request that is not there stays until its stream is closed, and counts as long. */
  isOver(): void;
}

export class AnybodysCalls {
  private readonly most: number;
  private readonly onConnection = new Map<string, number>();
  private readonly unfinished = { streams: 0, requests: 0 };
  /** That are over and half open: how to end counting each. */
  private readonly halfOpen = new Map<OpenCall, () => void>();

  /** @param receiveBytes the largest message that is taken */
  constructor(receiveBytes: number) {
    this.most = Math.max(LEAST_UNFINISHED, Math.floor(UNFINISHED_BYTES / receiveBytes));
  }

  /** @throws OwlError kind `retryable` */
  begin(connection: string, isStream: boolean, call: OpenCall): AnybodysCall {
    const kind = isStream ? 'streams' : 'requests';
    if (this.isFull(connection, kind)) this.look();
    if (this.isFull(connection, kind))
      throw new OwlError(
        'retryable',
        'too much is asked here by who need not say who he is; ask again later',
      );
    this.onConnection.set(connection, (this.onConnection.get(connection) ?? 0) + 1);
    this.unfinished[kind] += 1;
    let isThere = false;
    const there = () => {
      if (!isThere) this.unfinished[kind] -= 1;
      isThere = true;
    };
    const end = () => {
      there();
      const left = (this.onConnection.get(connection) ?? 1) - 1;
      if (left === 0) this.onConnection.delete(connection);
      else this.onConnection.set(connection, left);
    };
    return {
      isThere: there,
      isOver: () => {
        if (isThere || !isOpen(call)) end();
        else this.halfOpen.set(call, end);
      },
    };
  }

  /** Forgets those that have been closed. */
  look(): void {
    for (const [call, end] of this.halfOpen) {
      if (isOpen(call)) continue;
      this.halfOpen.delete(call);
      end();
    }
  }

  private isFull(connection: string, kind: 'streams' | 'requests'): boolean {
    return (this.onConnection.get(connection) ?? 0) >= OF_A_CONNECTION || this.unfinished[kind] >= this.most;
  }
}
