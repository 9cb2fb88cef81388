/**
 * Appends over one two-way stream to the server, many under way at a time, each with its own answer.
 *
 * Guarantees: every append settles. When the stream breaks or the server ends it, all that are under way on it fail with the
 * reason and an outcome that is unknown, since an error of the stream answers none of them; nothing more is sent on it. An
 * answer that comes too late is dropped.
 */

import type { ClientDuplexStream } from '@grpc/grpc-js';
import { CallError, callErrorOf } from '../connection/call-error.js';
import type { EncodedAppend, WriteAnswer } from './append-messages.js';
import { type BatchAnswer, batchRequests } from './batch-messages.js';

/** Of messages as they go over the wire, and of answers that were read. */
export type BatchStream = ClientDuplexStream<Buffer, BatchAnswer>;

/** One append on its way. */
export interface BatchAppend {
  /** A UUID that no other append has. */
  readonly id: string;
  readonly encoded: EncodedAppend;
  readonly resolve: (answer: WriteAnswer) => void;
  readonly reject: (error: CallError) => void;
}

export class BatchLane {
  private readonly stream: BatchStream;
  private readonly ended: () => void;
  private readonly pending = new Map<string, BatchAppend>();
  private hasEnded = false;
  /** Messages that wait to be written: the library writes one after another. */
  private waiting = 0;

  /** @param ended called once, when nothing more may be sent on it */
  constructor(stream: BatchStream, ended: () => void) {
    this.stream = stream;
    this.ended = ended;
    stream.on('data', (answer: BatchAnswer) => this.settle(answer));
    stream.on('error', (error) => this.fail(callErrorOf(error)));
    stream.on('end', () => this.fail(new CallError('lost', 'the server ended the stream of appends')));
  }

  get unwritten(): number {
    return this.waiting;
  }

  send(append: BatchAppend): void {
    this.pending.set(append.id, append);
    try {
      for (const request of batchRequests(append.id, append.encoded)) {
        this.waiting += 1;
        this.stream.write(request, () => {
          this.waiting -= 1;
        });
      }
    } catch (error) {
      this.take(append.id)?.reject(callErrorOf(error));
    }
  }

  /** Nobody waits for its answer any longer. */
  giveUp(id: string): void {
    this.pending.delete(id);
  }

  /** @param cause what the appends fail with that are still under way */
  close(cause: CallError): void {
    this.stream.cancel();
    this.fail(cause);
  }

  private settle({ id, answer }: BatchAnswer): void {
    const pending = this.take(id);
    if (answer instanceof CallError) pending?.reject(answer);
    else pending?.resolve(answer);
  }

  /** Whoever takes it settles it. */
  private take(id: string): BatchAppend | undefined {
    const pending = this.pending.get(id);
    this.pending.delete(id);
    return pending;
  }

  private fail(error: CallError): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.ended();
    const failure = error.forOthers();
    for (const id of [...this.pending.keys()]) this.take(id)?.reject(failure);
  }
}
