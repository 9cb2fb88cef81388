/**
 * Appends over one two-way stream to the server, many under way at a time, each with its own answer.
 *
 * Guarantees: every append settles. When the stream breaks or the server ends it, all that are under way fail with the
 * reason and an outcome that is unknown, since an error of the stream answers none of them; what is appended next opens
 * a new stream. An answer that comes too late is dropped.
 *
 * Appends carry no deadline for the server: it would be a time of day, and where the clocks of node and server differ,
 * all appends would be late. The server has its own limit, and here each append has one.
 */

import { randomUUID } from 'node:crypto';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { TimeLimit, TimeLimits } from '../../../../base/time-limits.js';
import { CallError, callErrorOf } from '../connection/call-error.js';
import type { EncodedAppend, WriteAnswer } from './append-messages.js';
import { type BatchAnswer, batchRequests } from './batch-messages.js';

interface Pending {
  readonly resolve: (answer: WriteAnswer) => void;
  readonly reject: (error: CallError) => void;
  readonly limits: TimeLimits;
  readonly limit: TimeLimit;
}

/** Of messages as they go over the wire, and of answers that were read. */
export type BatchStream = ClientDuplexStream<Buffer, BatchAnswer>;

export class BatchAppends {
  private readonly open: () => BatchStream;
  private readonly pending = new Map<string, Pending>();
  private stream: BatchStream | undefined;
  /** Correlates appends with their answers: a UUID, of which the end is a count. */
  private readonly idPrefix = randomUUID().slice(0, -12);
  private appends = 0;

  constructor(open: () => BatchStream) {
    this.open = open;
  }

  /**
   * @param limitMs how long to wait for the answer
   * @throws CallError
   */
  append(append: EncodedAppend, limits: TimeLimits, limitMs: number): Promise<WriteAnswer> {
    return new Promise((resolve, reject) => {
      this.appends += 1;
      const id = this.idPrefix + this.appends.toString(16).padStart(12, '0');
      const limit = limits.set(limitMs, () =>
        this.take(id)?.reject(new CallError('deadline', 'no answer in time')),
      );
      this.pending.set(id, { resolve, reject, limits, limit });
      try {
        this.stream ??= this.start();
        for (const request of batchRequests(id, append)) this.stream.write(request);
      } catch (error) {
        this.take(id)?.reject(callErrorOf(error));
      }
    });
  }

  /** @param cause what the appends fail with that are still under way */
  close(cause: CallError): void {
    this.stream?.cancel();
    this.fail(cause);
  }

  private start(): BatchStream {
    const stream = this.open();
    const end = (error: CallError) => {
      if (this.stream !== stream) return;
      this.stream = undefined;
      this.fail(error);
    };
    stream.on('data', (answer: BatchAnswer) => this.settle(answer));
    stream.on('error', (error) => end(callErrorOf(error)));
    stream.on('end', () => end(new CallError('lost', 'the server ended the stream of appends')));
    return stream;
  }

  private settle({ id, answer }: BatchAnswer): void {
    const pending = this.take(id);
    if (answer instanceof CallError) pending?.reject(answer);
    else pending?.resolve(answer);
  }

  /** Whoever takes it settles it. */
  private take(id: string): Pending | undefined {
    const pending = this.pending.get(id);
    if (pending === undefined) return undefined;
    this.pending.delete(id);
    pending.limits.end(pending.limit);
    return pending;
  }

  private fail(error: CallError): void {
    const failure = error.forOthers();
    for (const id of [...this.pending.keys()]) this.take(id)?.reject(failure);
  }
}
