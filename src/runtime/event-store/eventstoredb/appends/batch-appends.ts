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
import { batchErrorOf, CallError, callErrorOf } from '../connection/call-error.js';
import { shared, streams } from '../connection/protocol.js';
import { positionOf } from '../reads/positions.js';
import { type EncodedAppend, expectBatch, type WriteAnswer } from './append-messages.js';

/** An append of more goes in several messages. A single event may still be larger; then see `fits`. */
const LARGEST_REQUEST = 1024 * 1024;

interface Pending {
  readonly resolve: (answer: WriteAnswer) => void;
  readonly reject: (error: CallError) => void;
  readonly limits: TimeLimits;
  readonly limit: TimeLimit;
}

type BatchStream = ClientDuplexStream<streams.BatchAppendReq, streams.BatchAppendResp>;

/** Whether every server takes its messages. One that doesn't would end the stream, and with it the appends of others. */
export function fits({ events }: EncodedAppend): boolean {
  return events.every(({ size }) => size <= LARGEST_REQUEST);
}

export class BatchAppends {
  private readonly open: () => BatchStream;
  private readonly pending = new Map<string, Pending>();
  private stream: BatchStream | undefined;

  constructor(open: () => BatchStream) {
    this.open = open;
  }

  /**
   * @param limitMs how long to wait for the answer
   * @throws CallError
   */
  append(append: EncodedAppend, limits: TimeLimits, limitMs: number): Promise<WriteAnswer> {
    return new Promise((resolve, reject) => {
      const id = randomUUID();
      const limit = limits.set(limitMs, () =>
        this.take(id)?.reject(new CallError('deadline', 'no answer in time')),
      );
      this.pending.set(id, { resolve, reject, limits, limit });
      try {
        this.stream ??= this.start();
        for (const request of requestsOf(id, append)) this.stream.write(request);
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
    stream.on('data', (answer: streams.BatchAppendResp) => this.settle(answer));
    stream.on('error', (error) => end(callErrorOf(error)));
    stream.on('end', () => end(new CallError('lost', 'the server ended the stream of appends')));
    return stream;
  }

  private settle(answer: streams.BatchAppendResp): void {
    const pending = this.take(answer.getCorrelationId()?.getString() ?? '');
    if (pending === undefined) return;
    try {
      pending.resolve(answerOf(answer));
    } catch (error) {
      pending.reject(callErrorOf(error));
    }
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

function answerOf(answer: streams.BatchAppendResp): WriteAnswer {
  const error = answer.getError();
  if (error !== undefined) {
    const details = error.getDetails();
    if (details?.getTypeName() !== 'event_store.client.WrongExpectedVersion') throw batchErrorOf(error);
    const conflict = shared.WrongExpectedVersion.deserializeBinary(details.getValue_asU8());
    return {
      stored: false,
      actual: conflict.hasCurrentStreamRevision() ? Number(conflict.getCurrentStreamRevision()) : null,
    };
  }
  const success = answer.getSuccess();
  return {
    stored: true,
    revision: Number(success?.getCurrentRevision()),
    position: positionOf(success?.getPosition()),
  };
}

function* requestsOf(id: string, append: EncodedAppend): Generator<streams.BatchAppendReq> {
  const correlationId = new shared.UUID().setString(id);
  const options = expectBatch(new streams.BatchAppendReq.Options(), append.expected);
  options.setStreamIdentifier(
    new shared.StreamIdentifier().setStreamName(Buffer.from(append.stream, 'utf8')),
  );
  let request = new streams.BatchAppendReq().setCorrelationId(correlationId).setOptions(options);
  let size = 0;
  for (const event of append.events) {
    if (size > 0 && size + event.size > LARGEST_REQUEST) {
      yield request.setIsFinal(false);
      request = new streams.BatchAppendReq().setCorrelationId(correlationId);
      size = 0;
    }
    const message = new streams.BatchAppendReq.ProposedMessage();
    message
      .setId(new shared.UUID().setString(event.id))
      .setData(event.data)
      .setCustomMetadata(event.metadata);
    message.getMetadataMap().set('type', event.type).set('content-type', 'application/json');
    request.addProposedMessages(message);
    size += event.size;
  }
  yield request.setIsFinal(true);
}
