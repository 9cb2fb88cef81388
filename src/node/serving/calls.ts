/**
 * What handlers of gRPC methods are made of: plain async functions and generators, errors are the taxonomy.
 *
 * Guarantees: every error a handler throws reaches the peer as the status code of its kind with its message, its kind and what is
 * wrong with each field as trailers; one that is no OwlError as INTERNAL without its inner workings; a request of an acknowledged stream that fails is answered by itself and
 * the stream goes on; a stream is written no faster than its peer reads; who has gone is not served: its call is not begun, and
 * the signal of one under way aborts.
 */

import { type EventEmitter, once } from 'node:events';
import {
  status as GrpcStatus,
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type ServerUnaryCall,
  type ServiceError,
} from '@grpc/grpc-js';
import type { Logger } from 'pino';
import {
  type FieldProblem,
  GRPC_CODE_OF,
  InvalidFieldError,
  KIND_TRAILER,
  messageOf,
  OwlError,
  PROBLEMS_TRAILER,
  REASON_TRAILER,
} from '../../base/errors.js';
import { Slices } from '../../base/slices.js';
import { admissionOf, type Peer, peerOf } from './callers.js';
import type { EncodedMessage } from './encoded.js';
import { TooLargeRequest } from './too-large-request.js';

export type { Peer } from './callers.js';

/** A call under way. Made only where a handler asks for it: most are answered before anybody could go. */
export interface UnderWay {
  /** Aborts when the peer is gone, and when it has been given its answer. */
  readonly over: AbortSignal;
}

export function unary<Request, Response>(
  logger: Logger,
  handle: (request: Request, peer: Peer, call: UnderWay) => Promise<Response | EncodedMessage>,
): handleUnaryCall<Request, Response | EncodedMessage> {
  return (call, callback) => {
    if (call.cancelled) return;
    handle(call.request, peerOf(call), new UnaryCall(call)).then(
      (response) => callback(null, response),
      (error: unknown) => {
        // Its peer is gone, which is what ended it.
        if (call.cancelled && isAbort(error)) return;
        callback(toServiceError(error, logger, call.getPath()));
      },
    );
  };
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

class UnaryCall implements UnderWay {
  private readonly call: ServerUnaryCall<unknown, unknown>;
  private ended: AbortController | undefined;

  constructor(call: ServerUnaryCall<unknown, unknown>) {
    this.call = call;
  }

  get over(): AbortSignal {
    if (this.ended !== undefined) return this.ended.signal;
    const ended = new AbortController();
    this.ended = ended;
    if (this.call.cancelled) ended.abort();
    // grpc-js also says so once an answer was taken.
    else this.call.once('cancelled', () => ended.abort());
    return ended.signal;
  }
}

export function serverStream<Request, Response>(
  logger: Logger,
  handle: (request: Request, peer: Peer, signal: AbortSignal) => AsyncIterable<Response | EncodedMessage>,
): handleServerStreamingCall<Request, Response | EncodedMessage> {
  return (call) => {
    const gone = abortedWith(call);
    writeAll(call, handle(call.request, peerOf(call), gone), gone).then(
      () => call.end(),
      (error: unknown) => {
        if (!gone.aborted) call.emit('error', toServiceError(error, logger, call.getPath()));
      },
    );
  };
}

export interface AcknowledgedStreamOptions<Request, Answer, Response> {
  /** Requests under way at the most. */
  readonly inFlight: number;
  readonly handle: (request: Request, peer: Peer) => Promise<Answer>;
  /** The answer to a request whose handling threw. */
  readonly answerFailure: (request: Request, error: unknown) => Answer;
  /** One message from the answers that are ready in the same turn. */
  readonly pack: (answers: Answer[]) => Response;
  /** The node stops: nothing more is taken, what was taken is answered, and the stream ends. */
  readonly closing?: AbortSignal;
}

/**
 * A stream of requests of which each gets an answer of its own, several of them in one message. At most `inFlight` requests
 * are under way, and none is taken while the peer leaves answers unread; then it has to wait.
 */
export function acknowledgedStream<Request, Answer, Response>(
  logger: Logger,
  { inFlight, handle, answerFailure, pack, closing }: AcknowledgedStreamOptions<Request, Answer, Response>,
): handleBidiStreamingCall<Request, Response> {
  return (call) => {
    const peer = peerOf(call);
    const admission = admissionOf(call);
    let underWay = 0;
    let unread = false;
    let ended = false;
    let ready: Answer[] = [];

    const goOn = () => {
      if (call.isPaused() && underWay < inFlight && !unread && closing?.aborted !== true) call.resume();
    };
    const flush = () => {
      const answers = ready;
      ready = [];
      if (answers.length > 0 && !call.cancelled && !call.write(pack(answers)) && !unread) {
        unread = true;
        call.pause();
        call.once('drain', () => {
          unread = false;
          goOn();
        });
      }
      goOn();
      if (ended && underWay === 0) call.end();
    };
    const take =
      admission === undefined
        ? (request: Request) => handle(request, peer)
        : async (request: Request) => {
            admission.check?.(request);
            return await handle(request, peer);
          };
    const settle = (answer: Answer) => {
      underWay--;
      if (ready.push(answer) === 1) setImmediate(flush);
    };
    /** Only when no answer could be made of a failure: then nothing else tells the peer. */
    const fail = (error: unknown) => {
      call.emit('error', toServiceError(error, logger, call.getPath()));
    };

    call.on('data', (request: Request) => {
      if (request instanceof TooLargeRequest) return fail(request.error);
      underWay++;
      if (underWay >= inFlight) call.pause();
      take(request).then(settle, (error: unknown) => {
        try {
          // Its sender is to keep what it has to tell until it is let in again.
          if (error instanceof OwlError && error.kind === 'unauthenticated') fail(error);
          else settle(answerFailure(request, error));
        } catch (unanswerable) {
          fail(unanswerable);
        }
      });
    });
    const end = () => {
      ended = true;
      if (underWay === 0 && ready.length === 0) call.end();
    };
    const close = () => {
      call.pause();
      end();
    };
    call.on('end', end);
    closing?.addEventListener('abort', close, { once: true });
    call.once('cancelled', () => closing?.removeEventListener('abort', close));
    if (closing?.aborted === true) close();
  };
}

interface Writable<T> extends EventEmitter {
  write(item: T): boolean;
}

/** In step with whoever reads it. */
export async function writeAll<T>(
  call: Writable<T>,
  items: AsyncIterable<T>,
  gone: AbortSignal,
): Promise<void> {
  const slices = new Slices();
  for await (const item of items) {
    if (gone.aborted) return;
    if (!call.write(item)) await once(call, 'drain', { signal: gone });
    if (slices.isOver()) await slices.next();
  }
}

/** Aborts when the peer is gone, or the call over. */
export function abortedWith(call: EventEmitter): AbortSignal {
  const gone = new AbortController();
  for (const event of ['cancelled', 'close', 'error']) call.on(event, () => gone.abort());
  return gone.signal;
}

export function toServiceError(error: unknown, logger: Logger, method: string): ServiceError {
  const known = error instanceof OwlError;
  if (!known) logger.error({ err: error, method }, 'a handler failed');
  const details = known ? error.message : `${method} failed inside the service; its log says why`;
  return Object.assign(new Error(messageOf(error)), {
    code: known ? GRPC_CODE_OF[error.kind] : GrpcStatus.INTERNAL,
    details,
    metadata: trailersOf(error),
  });
}

/** HTTP/2 bounds what a peer takes of trailers, 8 kB with some. */
const MOST_PROBLEMS_BYTES = 4 * 1024;

function trailersOf(error: unknown): Metadata {
  const trailers = new Metadata();
  trailers.set(KIND_TRAILER, error instanceof OwlError ? error.kind : 'internal');
  if (error instanceof OwlError && error.reason !== undefined) trailers.set(REASON_TRAILER, error.reason);
  if (!(error instanceof InvalidFieldError)) return trailers;
  // As many as fit; the message names them all.
  const told: FieldProblem[] = [];
  let json = '[]';
  for (const problem of error.problems) {
    told.push(problem);
    const longer = asciiJson(told);
    if (longer.length > MOST_PROBLEMS_BYTES) break;
    json = longer;
  }
  if (json !== '[]') trailers.set(PROBLEMS_TRAILER, json);
  return trailers;
}

/** Headers are ASCII, so what is not is escaped. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
