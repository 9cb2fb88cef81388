/**
 * The HTTP routes of operations.
 *
 * Guarantees: an answer is the message that a gRPC peer gets, decoded from the same bytes; who asks is let in before anything is
 * carried out; requests at once are limited, and those with large bodies more so, before any of a body is read; an operation that takes too long is answered as one whose outcome is not known, so that its order is sent again
 * with the same key; an order that had been carried out before is told as repeated.
 */

import type { MethodDefinition } from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { orAborted } from '../../../base/backoff.js';
import type { Clock } from '../../../base/clock.js';
import { OwlError } from '../../../base/errors.js';
import { every } from '../../../base/repeat.js';
import type { LifeCycle } from '../../../runtime/life-cycle/life-cycle.js';
import { methodOf, serviceOf } from '../../../wire/proto.js';
import type { LetIn } from '../../access/http-access.js';
import type { Asking, Operation, ServedOperation } from '../../operations/operation.js';
import { EncodedMessage } from '../encoded.js';
import type { Admit } from './caller.js';
import { type EventStreamLimits, type StreamedAnswer, wantsLines, writeEvents } from './event-stream.js';
import { plain } from './guard.js';
import { assertKeyable, REPLAY_HEADER, withKey, withoutId } from './idempotency.js';
import { routeSchemaOf } from './openapi.js';
import { sendPiece, wantsBytes, withRange } from './piece.js';
import { problemOf } from './problem.js';
import { assertReadable, pathFields, readParts } from './read-operation.js';
import { overOf, whenOver } from './response-end.js';

/** The operations of one system. */
export interface SystemRoutes {
  readonly name: string;
  readonly proto: PackageDefinition;
  readonly operations: readonly ServedOperation[];
  readonly servedAsBefore: boolean;
}

export interface RouteOptions {
  readonly admit: Admit;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lifeCycle: LifeCycle | undefined;
  /** Headers of every answer. */
  readonly headers: Readonly<Record<string, string>>;
  readonly limits: RouteLimits;
  /** Streams end with it. */
  readonly closing: AbortSignal;
}

export interface RouteLimits extends EventStreamLimits {
  /** Requests under way, streams apart. Default 512. */
  readonly requests?: number;
  /** Streams at once. Default 1,000. */
  readonly streams?: number;
  /** Milliseconds for one answer. Default 30,000. */
  readonly answerWithinMs?: number;
}

export const MEBIBYTE = 1024 * 1024;
const LARGEST_BODY = 16 * MEBIBYTE;
const REQUESTS = 512;
/** At once: each stands in memory while its request is under way. */
const LARGE_BODIES = 8;
const STREAMS = 1_000;
const ANSWER_WITHIN_MS = 30_000;
/** So soon a stream ends once its caller was taken back. */
const LOOK_EVERY_MS = 500;

type Method = MethodDefinition<object, object>;

/** `/api/v1/talent/plot-tasks/:task_id/retry` */
export function urlOf(system: string, path: string): string {
  return `/api/v1/${system}${path.replaceAll(/\{(\w+)\}/g, ':$1')}`;
}

export class OperationRoutes {
  private readonly options: RouteOptions;
  /** Those of callers who had to say who they are. */
  private readonly watched = new Set<WatchedStream>();
  private requests = 0;
  private largeBodies = 0;
  private streams = 0;

  constructor(options: RouteOptions) {
    this.options = options;
    const { clock, closing } = options;
    void every({ clock, pauseMs: LOOK_EVERY_MS, signal: closing }, async () => this.lookAgain());
  }

  /** @throws Error for a declaration that no HTTP request can carry */
  add(app: FastifyInstance, system: SystemRoutes): void {
    const { proto, operations } = system;
    for (const served of operations) {
      const { operation } = served;
      const { method, path, bodyBytes = MEBIBYTE } = operation.http;
      assertReadable(operation);
      assertKeyable(operation);
      if (bodyBytes > LARGEST_BODY) throw new Error(`${operation.name} takes more than a body may have`);
      const wire = methodOf(serviceOf(proto, operation.service), operation.name);
      app.route({
        method,
        url: urlOf(system.name, path),
        bodyLimit: bodyBytes,
        schema: routeSchemaOf(system.name, operation),
        // Nothing is read of who may not ask, and it takes nobody's place.
        onRequest: async (request, reply) => {
          this.admit({ system, served, wire }, request, undefined);
          if (operation.isStream !== true) this.takePlace(request, reply, bodyBytes);
        },
        handler: (request, reply) => this.handle({ system, served, wire }, request, reply),
      });
    }
  }

  private async handle(route: Route, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { served, wire } = route;
    const { operation, handle } = served;
    const path = paramsOf(request.params);
    const parts = readParts(operation, { path, query: queryOf(request.query), body: request.body });
    const isPiece = operation.http.isPiece === true && wantsBytes(request);
    const asked = isPiece ? withRange(parts, request) : parts;
    const address = plain(request.raw.socket.remoteAddress);
    const admitted = this.admit(route, request, asked);
    const key = keyIn(request.headers['idempotency-key']);
    const order = withKey(operation, asked, {
      identity: admitted.identity ?? '',
      method: request.method,
      address: JSON.stringify([request.routeOptions.url, pathFields(operation).map((name) => path[name])]),
      key,
    });
    const denied = new AbortController();
    const asking: Asking = {
      address,
      who: admitted.name === undefined ? address : `${admitted.name}@${address}`,
      over: overOf(reply.raw, 'follow' in handle ? [this.options.closing, denied.signal] : []),
      repeated: (duplicate) => {
        if (duplicate) reply.header(REPLAY_HEADER, 'true');
      },
    };
    if ('answer' in handle) {
      const answer = told(served, wire, await this.inTime(handle.answer(order, asking), key));
      if (isPiece) return sendPiece(request, reply, answer);
      reply.code(statusOf(operation, answer));
      return answer;
    }
    const lastId = request.headers['last-event-id'];
    const isResumed = typeof lastId === 'string' && lastId !== '' && operation.resumption !== undefined;
    const from = isResumed ? served.after(order, lastId) : order;
    const answers = answersOf(route, handle.follow(from, asking), admitted.check);
    await this.stream(answers, { reply, request, isResumed, over: asking.over, admitted, denied });
    return reply;
  }

  private admit({ system, served }: Route, asking: FastifyRequest, request: object | undefined): LetIn {
    const { operation } = served;
    return this.options.admit(asking, { operation, servedAsBefore: system.servedAsBefore, request });
  }

  private takePlace(request: FastifyRequest, reply: FastifyReply, bodyBytes: number): void {
    const { requests: most = REQUESTS } = this.options.limits;
    if (this.requests >= most)
      throw new OwlError('retryable', `${most} requests are under way; ask again later`);
    const isLarge = mayBeLarge(request, bodyBytes);
    if (isLarge && this.largeBodies >= LARGE_BODIES)
      throw new OwlError('retryable', `${LARGE_BODIES} bodies of more than 1 MiB are there; ask again later`);
    this.requests += 1;
    if (isLarge) this.largeBodies += 1;
    whenOver(reply.raw, () => {
      this.requests -= 1;
      if (isLarge) this.largeBodies -= 1;
    });
  }

  private async inTime(answer: Promise<object>, key: string | undefined): Promise<object> {
    const { clock, limits } = this.options;
    const late = new AbortController();
    const inTime = clock.after(limits.answerWithinMs ?? ANSWER_WITHIN_MS, () => {
      late.abort(
        new OwlError('unavailable', 'it takes too long; it may still be done: ask again with the same key'),
      );
    });
    try {
      return await orAborted(answer, late.signal);
    } catch (error) {
      throw withoutId(error, key);
    } finally {
      inTime();
    }
  }

  private async stream(answers: AsyncIterator<StreamedAnswer>, streamed: Streamed): Promise<void> {
    const { reply, request, over, isResumed, admitted, denied } = streamed;
    const { limits, clock, logger, headers } = this.options;
    const { streams: most = STREAMS } = limits;
    if (this.streams >= most)
      throw new OwlError('retryable', `${most} streams are open already; ask again when some have ended`);
    this.count(1);
    const watched = { admitted, denied };
    if (admitted.name !== undefined) this.watched.add(watched);
    try {
      await writeEvents({
        ...{ answers, headers, isResumed, clock, over, limits, denied: denied.signal },
        asLines: wantsLines(request.headers.accept),
        response: reply.raw,
        begin: () => void reply.hijack(),
        problemOf: (error) => problemOf(error, logger, `GET ${request.url.split('?')[0]}`),
      });
    } finally {
      this.watched.delete(watched);
      this.count(-1);
    }
  }

  private count(more: 1 | -1): void {
    const { lifeCycle } = this.options;
    this.streams += more;
    if (lifeCycle?.wants('streams held')) lifeCycle.tell({ type: 'streams held', streams: this.streams });
  }

  private lookAgain(): void {
    for (const { admitted, denied } of this.watched) {
      try {
        admitted.check();
      } catch (error) {
        denied.abort(error);
      }
    }
  }
}

interface Route {
  readonly system: SystemRoutes;
  readonly served: ServedOperation;
  readonly wire: Method;
}

interface WatchedStream {
  readonly admitted: LetIn;
  /** Ends it. */
  readonly denied: AbortController;
}

interface Streamed extends WatchedStream {
  readonly reply: FastifyReply;
  readonly request: FastifyRequest;
  readonly over: AbortSignal;
  readonly isResumed: boolean;
}

async function* answersOf(
  { served, wire }: Route,
  answers: AsyncIterable<object>,
  check: () => void,
): AsyncGenerator<StreamedAnswer> {
  for await (const answer of answers) {
    check();
    const data = told(served, wire, answer);
    yield { id: served.idOf(data), data };
  }
}

function statusOf({ http: { success, over } }: Operation, answer: object): number {
  const is: unknown = over === undefined ? undefined : Reflect.get(answer, over.field);
  return over?.at.some((value) => value === is) === true ? 200 : (success ?? 200);
}

/** What a gRPC peer would read, as the schema has it. */
function told({ operation }: ServedOperation, wire: Method, answer: object): object {
  const bytes = answer instanceof EncodedMessage ? answer.bytes : wire.responseSerialize(answer);
  return operation.answer.parse(wire.responseDeserialize(bytes));
}

/** One of a length that is not told counts as what the route takes. */
function mayBeLarge({ headers }: FastifyRequest, bodyBytes: number): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = headers;
  return bodyBytes > MEBIBYTE && (encoding !== undefined || Number(length ?? 0) > MEBIBYTE);
}

function keyIn(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(',') : header;
}

function paramsOf(params: unknown): Readonly<Record<string, string>> {
  if (typeof params !== 'object' || params === null) return {};
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, String(value)]));
}

function queryOf(query: unknown): Readonly<Record<string, string | readonly string[]>> {
  if (typeof query !== 'object' || query === null) return {};
  const fields = Object.entries(query).map(([name, value]): [string, string | readonly string[]] => [
    name,
    Array.isArray(value) ? value.map(String) : String(value),
  ]);
  return Object.fromEntries(fields);
}
