/**
 * The gRPC calls that everybody may make, whoever he is: health and reflection.
 *
 * Guarantees: one connection has only so many under way; of all of them only so many are begun and not there yet that what they
 * may hold is bounded, whatever is sent; two-way streams, which are there only when they end, have a bound of their own.
 */

import { OwlError } from '../../base/errors.js';

/** Watches of health stay for as long as their peer. */
const OF_A_CONNECTION = 16;
const UNFINISHED_BYTES = 16 * 1024 * 1024;
/** However large a message may be: somebody has to be answered. */
const LEAST_UNFINISHED = 8;

export interface AnybodysCall {
  /** All of its request has come. */
  isThere(): void;
  isOver(): void;
}

export class AnybodysCalls {
  private readonly most: number;
  private readonly onConnection = new Map<string, number>();
  private readonly unfinished = { streams: 0, requests: 0 };

  /** @param receiveBytes the largest message that is taken */
  constructor(receiveBytes: number) {
    this.most = Math.max(LEAST_UNFINISHED, Math.floor(UNFINISHED_BYTES / receiveBytes));
  }

  /** @throws OwlError kind `retryable` */
  begin(connection: string, isStream: boolean): AnybodysCall {
    const kind = isStream ? 'streams' : 'requests';
    const others = this.onConnection.get(connection) ?? 0;
    if (others >= OF_A_CONNECTION || this.unfinished[kind] >= this.most)
      throw new OwlError(
        'retryable',
        'too much is asked here by who need not say who he is; ask again later',
      );
    this.onConnection.set(connection, others + 1);
    this.unfinished[kind] += 1;
    let isThere = false;
    const there = () => {
      if (!isThere) this.unfinished[kind] -= 1;
      isThere = true;
    };
    return {
      isThere: there,
      isOver: () => {
        there();
        const left = (this.onConnection.get(connection) ?? 1) - 1;
        if (left === 0) this.onConnection.delete(connection);
        else this.onConnection.set(connection, left);
      },
    };
  }
}
