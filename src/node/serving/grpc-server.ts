/**
 * A gRPC server for the systems on the runtime: handlers are plain async functions and generators, errors are the taxonomy.
 *
 * Guarantees: every error a handler throws reaches the peer as the status code of its kind with its message, one that is
 * no OwlError as INTERNAL without its inner workings; a request of an acknowledged stream that fails is answered by itself and
 * the stream goes on; a stream is written no faster than its peer reads; a peer that goes
 * away aborts its handler's signal; the server answers gRPC health checks and server reflection.
 */

import { once } from 'node:events';
import {
  status as GrpcStatus,
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServerWritableStream,
  type ServiceDefinition,
  type ServiceError,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation, protoPath as healthProtoPath } from 'grpc-health-check';
import type { Logger } from 'pino';
import { GRPC_CODE_OF, messageOf, OwlError } from '../../base/errors.js';

/** Who called: the address without its port, as gRPC has it. */
export interface Peer {
  readonly address: string;
}

export interface GrpcService {
  readonly name: string;
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
}

export interface GrpcServerOptions {
  /** HOST:PORT; port 0 takes a free one. */
  readonly listen: string;
  readonly services: readonly GrpcService[];
  /** Names beside those of the services that health is asked for. */
  readonly alsoHealthOf?: readonly string[];
  /** What reflection tells of. */
  readonly packages: readonly PackageDefinition[];
  readonly logger: Logger;
}

export interface RunningGrpcServer {
  /** HOST:PORT as bound. */
  readonly address: string;
  /** Answers health checks for all services with this, from now on. */
  setServing(serving: boolean): void;
  /** Takes no new calls, waits for those under way at most `graceMs`, then cuts them off. */
  stop(graceMs: number): Promise<void>;
}

/**
 * @throws OwlError kind `refused` when the address can't be bound, saying why
 */
export async function startGrpcServer(options: GrpcServerOptions): Promise<RunningGrpcServer> {
  const { listen, services, alsoHealthOf = [], packages } = options;
  // Channelz keeps statistics of every call for a debugging protocol nobody here speaks.
  const server = new Server({ 'grpc.enable_channelz': 0 });
  for (const { definition, handlers } of services) server.addService(definition, handlers);
  const health = new HealthImplementation({});
  health.addToServer(server);
  const names = ['', ...services.map(({ name }) => name), ...alsoHealthOf];
  const setServing = (serving: boolean) => {
    for (const name of names) health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  };
  for (const definition of packages) new ReflectionService(definition).addToServer(server);
  setServing(false);
  const port = await bind(server, listen);
  const address = `${listen.slice(0, listen.lastIndexOf(':'))}:${port}`;
  return { address, setServing, stop: (graceMs) => stop(server, address, graceMs) };
}

export { healthProtoPath };

function bind(server: Server, listen: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(listen, ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else
        reject(
          new OwlError('refused', `can't listen on ${listen}: ${error.message}; choose another address`, {
            cause: error,
          }),
        );
    });
  });
}

/** The grace is per connection: without channelz grpc-js has no list of sessions that a forced shutdown could close. */
async function stop(server: Server, address: string, graceMs: number): Promise<void> {
  server.drain(address, graceMs);
  await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
}

export function unary<Request, Response>(
  logger: Logger,
  handle: (request: Request, peer: Peer) => Promise<Response>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    handle(call.request, peerOf(call.getPeer())).then(
      (response) => callback(null, response),
      (error: unknown) => callback(toServiceError(error, logger, call.getPath())),
    );
  };
}

export function serverStream<Request, Response>(
  logger: Logger,
  handle: (request: Request, peer: Peer, signal: AbortSignal) => AsyncIterable<Response>,
): handleServerStreamingCall<Request, Response> {
  return (call) => {
    const gone = abortedWith(call);
    write(call, handle(call.request, peerOf(call.getPeer()), gone), gone).then(
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
}

/**
 * A stream of requests of which each gets an answer of its own, several of them in one message. At most `inFlight` requests
 * are under way, and none is taken while the peer leaves answers unread; then it has to wait.
 */
export function acknowledgedStream<Request, Answer, Response>(
  logger: Logger,
  { inFlight, handle, answerFailure, pack }: AcknowledgedStreamOptions<Request, Answer, Response>,
): handleBidiStreamingCall<Request, Response> {
  return (call) => {
    const peer = peerOf(call.getPeer());
    let underWay = 0;
    let unread = false;
    let ended = false;
    let ready: Answer[] = [];

    const goOn = () => {
      if (call.isPaused() && underWay < inFlight && !unread) call.resume();
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
    const settle = (answer: Answer) => {
      underWay--;
      if (ready.push(answer) === 1) setImmediate(flush);
    };
    /** Only when no answer could be made of a failure: then nothing else tells the peer. */
    const fail = (error: unknown) => {
      call.emit('error', toServiceError(error, logger, call.getPath()));
    };

    call.on('data', (request: Request) => {
      underWay++;
      if (underWay >= inFlight) call.pause();
      handle(request, peer).then(settle, (error: unknown) => {
        try {
          settle(answerFailure(request, error));
        } catch (unanswerable) {
          fail(unanswerable);
        }
      });
    });
    call.on('end', () => {
      ended = true;
      if (underWay === 0 && ready.length === 0) call.end();
    });
  };
}

async function write<T>(
  call: ServerWritableStream<unknown, T>,
  items: AsyncIterable<T>,
  gone: AbortSignal,
): Promise<void> {
  for await (const item of items) {
    if (gone.aborted) return;
    if (!call.write(item)) await once(call, 'drain', { signal: gone });
  }
}

function abortedWith(call: ServerWritableStream<unknown, unknown>): AbortSignal {
  const gone = new AbortController();
  for (const event of ['cancelled', 'close', 'error']) call.on(event, () => gone.abort());
  return gone.signal;
}

/** `ipv4:127.0.0.1:40312` → `127.0.0.1`: the port says nothing to an auditor. */
function peerOf(address: string): Peer {
  const end = address.lastIndexOf(':');
  return { address: (end > 0 ? address.slice(0, end) : address).replace(/^ipv[46]:/, '') };
}

export function toServiceError(error: unknown, logger: Logger, method: string): ServiceError {
  const known = error instanceof OwlError;
  if (!known) logger.error({ err: error, method }, 'a handler failed');
  const details = known ? error.message : `${method} failed inside the service; its log says why`;
  return Object.assign(new Error(messageOf(error)), {
    code: known ? GRPC_CODE_OF[error.kind] : GrpcStatus.INTERNAL,
    details,
    metadata: new Metadata(),
  });
}
