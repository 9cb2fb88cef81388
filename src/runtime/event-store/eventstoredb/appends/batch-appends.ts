/**
 * Appends over two-way streams to the server: one as long as little is written, several beside each other where much is.
 *
 * The library writes the messages of a stream one after another, each to the socket by itself, and so does the server with its
 * answers. What goes over different streams at the same time is written at once: of 64 appends under way, eight together.
 *
 * Guarantees: those of a lane for each append; where one ends, only its own appends hear of that, and what is appended next
 * takes another one.
 *
 * Appends carry no deadline for the server: it would be a time of day, and where the clocks of node and server differ,
 * all appends would be late. The server has its own limit, and here each append has one.
 */

import { randomUUID } from 'node:crypto';
import type { TimeLimits } from '../../../../base/time-limits.js';
import { CallError, callErrorOf } from '../connection/call-error.js';
import type { EncodedAppend, WriteAnswer } from './append-messages.js';
import { type BatchAppend, BatchLane, type BatchStream } from './batch-lane.js';

/** A server takes 100 streams on a connection, for reads and subscriptions as well. */
const MOST_LANES = 8;

export class BatchAppends {
  private readonly open: () => BatchStream;
  private readonly lanes: BatchLane[] = [];
  /** Correlates appends with their answers: a UUID, of which the end is a count. */
  private readonly idPrefix = randomUUID().slice(0, -12);
  private appends = 0;
  /** What is appended in one turn of the event loop is written together. */
  private readonly gathered: BatchAppend[] = [];

  constructor(open: () => BatchStream) {
    this.open = open;
  }

  /**
   * @param limitMs how long to wait for the answer
   * @throws CallError
   */
  append(encoded: EncodedAppend, limits: TimeLimits, limitMs: number): Promise<WriteAnswer> {
    return new Promise((resolve, reject) => {
      this.appends += 1;
      const id = this.idPrefix + this.appends.toString(16).padStart(12, '0');
      const limit = limits.set(limitMs, () => {
        for (const lane of this.lanes) lane.giveUp(id);
        reject(new CallError('deadline', 'no answer in time'));
      });
      this.gathered.push({
        id,
        encoded,
        resolve: (answer) => {
          limits.end(limit);
          resolve(answer);
        },
        reject: (error) => {
          limits.end(limit);
          reject(error);
        },
      });
      if (this.gathered.length === 1) setImmediate(() => this.sendGathered());
    });
  }

  /** @param cause what the appends fail with that are still under way */
  close(cause: CallError): void {
    for (const lane of [...this.lanes]) lane.close(cause);
    for (const { reject } of this.gathered.splice(0)) reject(cause);
  }

  private sendGathered(): void {
    for (const append of this.gathered.splice(0)) {
      try {
        this.freest().send(append);
      } catch (error) {
        append.reject(callErrorOf(error));
      }
    }
  }

  private freest(): BatchLane {
    let freest: BatchLane | undefined;
    for (const lane of this.lanes) {
      if (lane.unwritten === 0) return lane;
      if (freest === undefined || lane.unwritten < freest.unwritten) freest = lane;
    }
    return freest === undefined || this.lanes.length < MOST_LANES ? this.openLane() : freest;
  }

  private openLane(): BatchLane {
    const lane = new BatchLane(this.open(), () => this.lanes.splice(this.lanes.indexOf(lane), 1));
    this.lanes.push(lane);
    return lane;
  }
}
