/**
 * A gRPC server for the systems on the runtime; what handlers are made of stands in calls.ts.
 *
 * Guarantees: it answers gRPC health checks and server reflection, whoever asks, and nothing else of who may not ask for it
 * (access/grpc-guard.ts), before anything of what he sends is kept (call-gate.ts); what one connection can ask for at once, and say
 * in one message, and leave unread of answers, is limited; stopping is bounded, whatever is connected (connections.ts).
 */

import type { Socket } from 'node:net';
import {
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation, protoPath as healthProtoPath } from 'grpc-health-check';
import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import type { LifeCycle } from '../../runtime/life-cycle/life-cycle.js';
import { tellsConnections } from '../../runtime/life-cycle/telling.js';
import type { Access } from '../access/access.js';
import { GrpcGuard } from '../access/grpc-guard.js';
import type { ServiceAccess } from '../access/roles.js';
import { type AtTheGate, CallGate, type GateLimits } from './call-gate.js';
import { Connections, type ConnectionsOptions } from './connections.js';
import { withEncoded } from './encoded.js';
import { MOST_REQUEST_BYTES, USUAL_REQUEST_BYTES, withRequestSizes } from './request-sizes.js';
import type { ServerTls } from './server-tls.js';
import { TlsConnections } from './tls-connections.js';
import { toldCalls } from './told-calls.js';
import { UnreadAnswers, type UnreadLimits } from './unread-answers.js';

export interface GrpcService {
  readonly name: string;
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
  /** Who may ask for which method. */
  readonly access: ServiceAccess;
  /** The largest message that its peers may send. Default 256 KiB. */
  readonly requestBytes?: number;
}

export interface GrpcServerOptions {
  /** HOST:PORT; port 0 takes a free one. */
  readonly listen: string;
  readonly services: readonly GrpcService[];
  /** Names beside those of the services that health is asked for. */
  readonly alsoHealthOf?: readonly string[];
  /** What reflection tells of. */
  readonly packages: readonly PackageDefinition[];
  readonly access: Access;
  /** Undefined: plain text. */
  readonly tls?: ServerTls | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Who listens to calls. Default: nobody. */
  readonly lifeCycle?: LifeCycle;
  readonly limits?: Pick<ConnectionsOptions, 'most' | 'mostOfNobody' | 'quietMs'> &
    UnreadLimits &
    KeepaliveLimits &
    GateLimits;
}

/** A connection on which a peer was asked for a sign of life and gave none is cut. Milliseconds; default 60,000 each. */
export interface KeepaliveLimits {
  readonly askEveryMs?: number;
  readonly answerWithinMs?: number;
}

export interface RunningGrpcServer {
  /** HOST:PORT as bound. */
  readonly address: string;
  /** Answers health checks for all services with this, from now on. */
  setServing(serving: boolean): void;
  /** Takes no new calls, waits for those under way at most `graceMs`, then cuts them off. */
  stop(graceMs: number): Promise<void>;
}

/** Peers wait with further calls on a connection that has so many under way. */
const CALLS_OF_A_CONNECTION = 1_000;
/** Much longer than a process may be held up. */
const ASK_EVERY_MS = 60_000;
const ANSWER_WITHIN_MS = 60_000;

/**
 * @throws OwlError kind `refused` when the address can't be bound, saying why
 */
export async function startGrpcServer(options: GrpcServerOptions): Promise<RunningGrpcServer> {
  const { listen, services, alsoHealthOf = [], packages, logger, limits = {} } = options;
  const receiveBytes = Math.max(USUAL_REQUEST_BYTES, ...services.map(requestBytesOf));
  const { access, clock, lifeCycle, tls } = options;
  const accept = (socket: Socket) => injector.injectConnection(socket);
  const secured =
    tls && new TlsConnections({ ...{ tls, protocol: 'h2', accept, logger }, quietMs: limits.quietMs });
  const connections = new Connections({
    accept: secured === undefined ? accept : (socket) => secured.take(socket),
    logger,
    changed: tellsConnections(lifeCycle, 'grpc'),
    ...limits,
  });
  const guard = new GrpcGuard({
    access,
    certificateOf: (connection) => secured?.certificateOf(connection),
    clock,
    logger,
  });
  const admit = (call: AtTheGate) => guard.admit(call);
  const gate = new CallGate({ admit, connections, receiveBytes, clock, logger, lifeCycle, limits });
  const server = new Server({
    // Channelz keeps statistics of every call for a debugging protocol nobody here speaks.
    'grpc.enable_channelz': 0,
    'grpc.max_concurrent_streams': CALLS_OF_A_CONNECTION,
    'grpc.max_receive_message_length': receiveBytes,
    // A peer that is gone without a word is noticed, and its streams end.
    'grpc.keepalive_time_ms': limits.askEveryMs ?? ASK_EVERY_MS,
    'grpc.keepalive_timeout_ms': limits.answerWithinMs ?? ANSWER_WITHIN_MS,
    interceptors: [gate.interceptor],
  });
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const health = new HealthImplementation({});
  health.addToServer(server);
  const names = ['', ...services.map(({ name }) => name), ...alsoHealthOf];
  const setServing = (serving: boolean) => {
    for (const name of names) health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  };
  for (const definition of packages) new ReflectionService(definition).addToServer(server);
  setServing(false);
  const unread = new UnreadAnswers(limits, (connection) => connections.cut(connection), logger);
  for (const service of services) {
    const admitted = guard.guarded(service.definition, service.handlers, service.access);
    const sized = withRequestSizes(service.definition, admitted, requestBytesOf(service), logger);
    const { definition, handlers } = unread.counted(withEncoded(sized.definition), sized.handlers);
    server.addService(definition, toldCalls(definition, handlers, lifeCycle));
  }
  const stopLooking = () => {
    guard.stop();
    gate.stop();
  };
  const port = await connections.listen(listen).catch((error: unknown) => {
    stopLooking();
    throw error;
  });
  return {
    address: `${listen.slice(0, listen.lastIndexOf(':'))}:${port}`,
    setServing,
    stop: async (graceMs) => {
      // Whoever is cut off loses the connection, which every peer takes for "unavailable". What gRPC would cut off by itself
      // hears that it had cancelled its call.
      injector.drain(graceMs + CUT_BY_CONNECTION_MS);
      await connections.close(graceMs);
      // Until then who is taken back is out, and what takes too long is cut.
      stopLooking();
      server.forceShutdown();
    },
  };
}

/** Far longer than it takes to close connections. */
const CUT_BY_CONNECTION_MS = 60_000;

function requestBytesOf({ requestBytes = USUAL_REQUEST_BYTES }: GrpcService): number {
  return Math.min(requestBytes, MOST_REQUEST_BYTES);
}

export { healthProtoPath };
