/**
 * The gRPC calls that everybody may make, whoever he is: health and reflection.
 *
 * Guarantees: one connection has only so many under way; of all of them only so many are begun and not there yet that what they
 * may hold is bounded, whatever is sent, and a further one takes the place of the eldest, so that who asks whether a node is well is
 * answered however many others ask for nothing; two-way streams, which are there only when they end, have a bound of their own.
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

interface Unfinished {
  readonly connection: string;
  /** For this side. */
  isOver: boolean;
  readonly end: () => void;
}

export class AnybodysCalls {
  private readonly most: number;
  private readonly cut: (connection: string) => void;
  private readonly onConnection = new Map<string, number>();
  /** The eldest first. */
  private readonly unfinished = {
    streams: new Map<OpenCall, Unfinished>(),
    requests: new Map<OpenCall, Unfinished>(),
  };

  /**
   * @param receiveBytes the largest message that is taken
   * @param cut ends a connection
   */
  constructor(receiveBytes: number, cut: (connection: string) => void) {
    this.most = Math.max(LEAST_UNFINISHED, Math.floor(UNFINISHED_BYTES / receiveBytes));
    this.cut = cut;
  }

  /** @throws OwlError kind `retryable` */
  begin(connection: string, isStream: boolean, call: OpenCall): AnybodysCall {
    const unfinished = isStream ? this.unfinished.streams : this.unfinished.requests;
    const isFull = () => this.on(connection) >= OF_A_CONNECTION || unfinished.size >= this.most;
    if (isFull()) this.look();
    if (this.on(connection) >= OF_A_CONNECTION)
      throw new OwlError('retryable', 'too many calls on one connection that says not who it is; end some');
    if (unfinished.size >= this.most) this.makeRoom(unfinished);
    this.onConnection.set(connection, this.on(connection) + 1);
    let isCounted = true;
    const end = () => {
      unfinished.delete(call);
      if (!isCounted) return;
      isCounted = false;
      const left = this.on(connection) - 1;
      if (left === 0) this.onConnection.delete(connection);
      else this.onConnection.set(connection, left);
    };
    const one: Unfinished = { connection, isOver: false, end };
    unfinished.set(call, one);
    return {
      isThere: () => unfinished.delete(call),
      isOver: () => {
        if (unfinished.has(call) && isOpen(call)) one.isOver = true;
        else end();
      },
    };
  }

  /** Forgets those that are over and have been closed. */
  look(): void {
    for (const unfinished of Object.values(this.unfinished))
      for (const [call, { isOver, end }] of unfinished) if (isOver && !isOpen(call)) end();
  }

  /** Who is honest has said all in no time, so the eldest is none of those. */
  private makeRoom(unfinished: ReadonlyMap<OpenCall, Unfinished>): void {
    const [eldest] = unfinished.values();
    if (eldest === undefined) return;
    eldest.end();
    this.cut(eldest.connection);
  }

  private on(connection: string): number {
    return this.onConnection.get(connection) ?? 0;
  }
}
