/**
 * The HTTP listener of a node, off unless `http_listen` is set: nothing of this is loaded without it.
 *
 * Guarantees: every answer that is no success is a problem (problem.ts), whoever found it, node:http too (no-request.ts); every
 * request is guarded against pages in a browser (guard.ts); connections, requests at once, streams, what is unread of them, bodies,
 * headers and the time for each of these are limited; a body that is too large is read no further than that is known, and who asks
 * first whether to send it (`Expect: 100-continue`) is not invited; what it answers is not kept by anybody and is taken for nothing else than it is. Stopping is bounded,
 * whatever is connected: no new requests, streams end, answers under way get their grace, then every connection is cut.
 */

import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { Clock } from '../../../base/clock.js';
import { OwlError } from '../../../base/errors.js';
import type { LifeCycle } from '../../../runtime/life-cycle/life-cycle.js';
import { tellsConnections } from '../../../runtime/life-cycle/telling.js';
import type { AskedFor, Authorise } from '../../access/http-access.js';
import type { MetricsText } from '../../metrics/metrics-page.js';
import { Connections, type ConnectionsOptions } from '../connections.js';
import type { ServerTls } from '../server-tls.js';
import { TlsConnections } from '../tls-connections.js';
import { type Admit, admitBy } from './caller.js';
import { PAGE, PAGE_POLICY, SCRIPT, STYLE } from './docs-page.js';
import { READ_WITHIN_MS } from './event-stream.js';
import { HEADERS } from './every-answer.js';
import { Guard } from './guard.js';
import { readJson } from './json-body.js';
import { answersNoRequest, LARGEST_HEADERS_BYTES, refuseTunnels } from './no-request.js';
import { notThere, templatesOf } from './not-there.js';
import { describe, documentOf } from './openapi.js';
import {
  MEBIBYTE,
  OperationRoutes,
  type RouteLimits,
  type RouteOptions,
  type SystemRoutes,
} from './operation-routes.js';
import { HttpError, headersOf, PROBLEM_TYPE, problemOf, TOO_LARGE } from './problem.js';
import { cutOff, whenOver } from './response-end.js';
import { tellNoRequest, tellRequest } from './told-requests.js';
import { UnderWay } from './under-way.js';

export interface HttpServerOptions {
  /** HOST:PORT; port 0 takes a free one. */
  readonly listen: string;
  /** Names under which it is asked for, beside its address. */
  readonly hosts: readonly string[];
  readonly systems: readonly SystemRoutes[];
  readonly authorise: Authorise;
  /** Undefined: plain text. */
  readonly tls?: ServerTls | undefined;
  /** Why the node does not serve; undefined while it does. */
  readonly problem: () => string | undefined;
  /** What Prometheus reads. Default: there is nothing to read. */
  readonly metrics?: () => Promise<MetricsText>;
  readonly version: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Who listens to requests. Default: nobody. */
  readonly lifeCycle?: LifeCycle;
  readonly limits?: HttpLimits;
}

export interface HttpLimits
  extends RouteLimits,
    Pick<ConnectionsOptions, 'most' | 'mostOfNobody' | 'quietMs'> {
  /** Milliseconds in which a request has to be there, headers and body. Default 30,000. */
  readonly sendWithinMs?: number;
}

export interface RunningHttpServer {
  /** HOST:PORT as bound. */
  readonly address: string;
  /** Waits for answers under way at most `graceMs`, then cuts them off. */
  stop(graceMs: number): Promise<void>;
}

const CONNECTIONS = 2_000;
/** Who sends more without waiting for an answer means no good. */
const REQUESTS_OF_A_CONNECTION = 64;
const SEND_WITHIN_MS = 30_000;
const HEADERS_WITHIN_MS = 10_000;
/** What comes of a request that has its answer is dropped, and not for long: who is cut off at once might not read the answer. */
const SEND_ON_MS = 2_000;
const KEEP_ALIVE_MS = 10_000;
const LOOK_EVERY_MS = 1_000;
const LONGEST_PARAMETER = 512;

/** @throws OwlError kind `refused` when the address can't be bound, saying why */
export async function startHttpServer(options: HttpServerOptions): Promise<RunningHttpServer> {
  const { listen, logger, limits = {} } = options;
  const closing = new AbortController();
  const { tls } = options;
  const server = serverOf(limits);
  const accept = (socket: Socket) => server.emit('connection', socket);
  const secured =
    tls && new TlsConnections({ ...{ tls, protocol: 'http/1.1', accept, logger }, quietMs: limits.quietMs });
  const connections = new Connections({
    accept: secured === undefined ? accept : (socket) => secured.take(socket),
    logger,
    most: CONNECTIONS,
    changed: tellsConnections(options.lifeCycle, 'http'),
    ...limits,
  });
  const admit = admitBy(options.authorise, {
    certificateOf: (connection) => secured?.certificateOf(connection),
    letIn: (connection) => connections.letIn(connection),
  });
  const app = await buildApp(options, server, { admit, closing: closing.signal });
  // What watches over the time that requests take begins with this; the connections are taken elsewhere.
  server.emit('listening');
  try {
    const port = await connections.listen(listen);
    return {
      address: `${listen.slice(0, listen.lastIndexOf(':'))}:${port}`,
      stop: async (graceMs) => {
        closing.abort();
        server.closeIdleConnections();
        await connections.close(graceMs);
        await app.close();
        server.close();
      },
    };
  } catch (error) {
    await app.close();
    throw error;
  }
}

function serverOf({ sendWithinMs: requestTimeout = SEND_WITHIN_MS }: HttpLimits): Server {
  return createServer({
    requestTimeout,
    headersTimeout: Math.min(HEADERS_WITHIN_MS, requestTimeout),
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: LOOK_EVERY_MS,
    maxHeaderSize: LARGEST_HEADERS_BYTES,
    // The guard does, in words.
    requireHostHeader: false,
  });
}

async function buildApp(
  options: HttpServerOptions,
  server: Server,
  { admit, closing }: Pick<RouteOptions, 'admit' | 'closing'>,
): Promise<FastifyInstance> {
  const { hosts, systems, clock, logger, lifeCycle, version, limits = {} } = options;
  const underWay = new UnderWay();
  const noRequests = { underWay, told: (status: number) => tellNoRequest(lifeCycle, status) };
  refuseTunnels(server, noRequests);
  const app: FastifyInstance = fastify({
    // What expects something is a request like any other, which the guard may refuse.
    serverFactory: (handler) =>
      server.on('request', handler).on('checkContinue', handler).on('checkExpectation', handler),
    bodyLimit: MEBIBYTE,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    routerOptions: { maxParamLength: LONGEST_PARAMETER },
    logger: false,
    clientErrorHandler: answersNoRequest(noRequests),
    // For an address that can't be decoded, which no hook sees.
    frameworkErrors: (error, request, reply) => {
      whenOver(reply.raw, () => noRequests.told(reply.raw.statusCode));
      void answerProblem(error, request, reply, logger);
    },
  });
  app.setValidatorCompiler(() => (value) => ({ value }));
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (_request: unknown, body: Buffer) => readJson(body),
  );
  app.setErrorHandler((error, request, reply) => answerProblem(error, request, reply, logger));
  const guard = new Guard(hosts, options.tls === undefined ? 'http' : 'https');
  guardAll(app, { guard, underWay, clock, lifeCycle, limits, closing });
  await describe(app, version);
  const routes = new OperationRoutes({ admit, clock, logger, lifeCycle, headers: HEADERS, limits, closing });
  for (const system of systems) routes.add(app, system);
  const templates = systems.flatMap(templatesOf);
  app.setNotFoundHandler((request) => {
    throw notThere(request, templates);
  });
  addOwnRoutes(app, options, admit);
  await app.ready();
  return app;
}

interface GuardOptions {
  readonly guard: Guard;
  readonly underWay: UnderWay;
  readonly clock: Clock;
  readonly lifeCycle: LifeCycle | undefined;
  readonly limits: HttpLimits;
  readonly closing: AbortSignal;
}

function guardAll(app: FastifyInstance, options: GuardOptions): void {
  const { guard, underWay, clock, lifeCycle, limits, closing } = options;
  const { readWithinMs = READ_WITHIN_MS } = limits;
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS);
    tellRequest(lifeCycle, request, reply);
    const { method = '', url = '', headers, headersDistinct, socket } = request.raw;
    if (underWay.begin(reply.raw) >= REQUESTS_OF_A_CONNECTION) {
      cutOff(reply.raw);
      throw new OwlError('retryable', 'too many requests wait on one connection');
    }
    const { localAddress, localPort } = socket;
    guard.check({ method, url, headers, hosts: headersDistinct['host'] ?? [], localAddress, localPort });
    if (closing.aborted) throw new OwlError('unavailable', 'this node is stopping; ask again later');
  });
  app.addHook('preParsing', async ({ headers, routeOptions: { bodyLimit = MEBIBYTE } }, { raw }) => {
    if (Number(headers['content-length'] ?? 0) > bodyLimit) throw new HttpError(413, TOO_LARGE);
    // It waits for this with its body.
    if (headers.expect !== undefined) raw.writeContinue();
  });
  app.addHook('onSend', async ({ raw }, reply) => {
    // It stands in this process until it is read.
    whenOver(
      reply.raw,
      clock.after(readWithinMs, () => cutOff(reply.raw)),
    );
    // Who is answered before all of his request has come may be sending still.
    if (!raw.complete) readOn(reply, clock);
    if (closing.aborted) reply.header('connection', 'close');
  });
}

/** Who is answered before all of his request has come may be sending still. What comes does not cut off the answer. */
function readOn(reply: FastifyReply, clock: Clock): void {
  const { raw, request } = reply;
  const stop = clock.after(SEND_ON_MS, () => cutOff(raw));
  request.raw.once('close', stop);
  if (reply.statusCode !== 413) return;
  reply.removeHeader('connection');
  raw.shouldKeepAlive = true;
}

/** The same as for the status of the node, which it shows too. */
const METRICS: AskedFor = {
  service: 'owl.Node',
  name: 'metrics',
  kind: 'query',
  roles: ['reader', 'operator'],
};

function addMetrics(app: FastifyInstance, { metrics }: HttpServerOptions, admit: Admit): void {
  if (metrics === undefined) return;
  app.get('/metrics', { schema: { hide: true } }, async (request, reply) => {
    admit(request, { operation: METRICS, servedAsBefore: true, request: {} });
    const { type, text } = await metrics();
    return reply.type(type).send(text);
  });
}

function addOwnRoutes(app: FastifyInstance, options: HttpServerOptions, admit: Admit): void {
  const { problem, systems } = options;
  const hidden = { hide: true };
  addMetrics(app, options, admit);
  let document: string | undefined;
  app.get('/healthz', { schema: hidden }, async () => ({ status: 'alive' }));
  app.get('/readyz', { schema: hidden }, async () => {
    // Everybody may ask this, and reasons name files, servers and tasks.
    if (problem() !== undefined)
      throw new OwlError('unavailable', 'the node can not do its work now; `owl node status` says why');
    return { status: 'ready', systems: systems.map(({ name }) => name) };
  });
  app.get('/openapi.json', { schema: hidden }, async (_request, reply) => {
    document ??= JSON.stringify(documentOf(app));
    return reply.type('application/json').send(document);
  });
  const page = (url: string, type: string, text: string) =>
    app.get(url, { schema: hidden }, async (_request, reply) =>
      reply.header('content-security-policy', PAGE_POLICY).type(type).send(text),
    );
  page('/docs', 'text/html; charset=utf-8', PAGE);
  page('/docs/page.js', 'text/javascript; charset=utf-8', SCRIPT);
  page('/docs/page.css', 'text/css; charset=utf-8', STYLE);
}

async function answerProblem(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  logger: Logger,
): Promise<void> {
  const problem = problemOf(error, logger, `${request.method} ${request.url.split('?')[0]}`);
  await reply
    .headers({ ...HEADERS, ...headersOf(error) })
    .code(problem.status)
    .type(PROBLEM_TYPE)
    .send(JSON.stringify(problem));
}
