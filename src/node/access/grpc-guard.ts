/**
 * Admits gRPC calls: no handler sees a call of who may not make it.
 *
 * Guarantees: a method without roles is refused when the node starts; what is served to everybody as the node is configured costs
 * nothing; a stream is looked at again with each message that comes, and ends within a second of the moment its caller was taken
 * back, unauthenticated, so that its sender keeps what there is to tell.
 *
 * Why no interceptor: grpc-js puts some objects and three turns between each message and its handler for one, for calls too that
 * everybody may make.
 */

import type {
  handleBidiStreamingCall,
  handleUnaryCall,
  MethodDefinition,
  ServerUnaryCall,
  ServiceDefinition,
  UntypedHandleCall,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import { every } from '../../base/repeat.js';
import { addressOf, admit } from '../serving/callers.js';
import { toServiceError } from '../serving/calls.js';
import { isUnary } from '../serving/method-kinds.js';
import type { Access, Caller, ShownCertificate } from './access.js';
import { Admitted, workerIn } from './admitted.js';
import type { MethodAccess, ServiceAccess } from './roles.js';

const LOOK_EVERY_MS = 500;

export interface GrpcGuardOptions {
  readonly access: Access;
  /** What was shown on the connection of this peer: its address and port, as gRPC has them. */
  readonly certificateOf: (peer: string) => ShownCertificate | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Method = MethodDefinition<unknown, unknown>;
type Call = Pick<ServerUnaryCall<object, unknown>, 'getPeer' | 'getPath' | 'metadata'>;

/** A stream under way, of a caller who had to say who it is. */
interface Watched {
  /** @throws OwlError when its caller may not go on */
  look(): void;
  end(error: unknown): void;
}

export class GrpcGuard {
  private readonly options: GrpcGuardOptions;
  private readonly watched = new Set<Watched>();
  private readonly stopping = new AbortController();

  constructor(options: GrpcGuardOptions) {
    this.options = options;
    const { clock } = options;
    void every({ clock, pauseMs: LOOK_EVERY_MS, signal: this.stopping.signal }, () => this.lookAgain());
  }

  stop(): void {
    this.stopping.abort();
  }

  /** @throws Error when a method names no roles, or nothing handles it */
  guarded(
    definition: ServiceDefinition,
    handlers: UntypedServiceImplementation,
    access: ServiceAccess,
  ): UntypedServiceImplementation {
    // By the names of the proto file alone: what stood under another name would be served without being guarded.
    const guarded: UntypedServiceImplementation = {};
    for (const [name, method] of Object.entries<Method>(definition)) {
      const declared = access[name];
      if (declared === undefined || declared.roles.length === 0)
        throw new Error(`${method.path} names no roles: say where it is declared who may ask for it`);
      const handler = handlers[name];
      if (handler === undefined) throw new Error(`nothing handles ${method.path}`);
      guarded[name] = this.options.access.isOpenTo(declared)
        ? handler
        : this.guard(method, handler, declared);
    }
    return guarded;
  }

  private guard(method: Method, handler: UntypedHandleCall, declared: MethodAccess): UntypedHandleCall {
    if (isUnary<object>(method, handler)) return this.guardUnary(handler, declared);
    return this.guardStream(method, handler, declared);
  }

  private guardUnary(handler: handleUnaryCall<object, unknown>, declared: MethodAccess) {
    const guarded: handleUnaryCall<object, unknown> = (call, callback) => {
      try {
        const caller = this.identify(call);
        const worker = () => workerIn(declared, call.request);
        this.options.access.authorise(call.getPath(), declared, caller, worker);
        admit(call, caller);
      } catch (error) {
        callback(toServiceError(error, this.options.logger, call.getPath()));
        return;
      }
      handler(call, callback);
    };
    return guarded;
  }

  private guardStream(method: Method, handler: UntypedHandleCall, declared: MethodAccess): UntypedHandleCall {
    if (!isStream(method, handler)) throw new Error(`${method.path} is of a kind that nothing guards`);
    const guarded: handleBidiStreamingCall<object, unknown> = (call) => {
      const end = (error: unknown) =>
        call.emit('error', toServiceError(error, this.options.logger, call.getPath()));
      try {
        const { access } = this.options;
        const admitted = new Admitted(call.getPath(), access, declared, () => this.identify(call));
        const look = () => ('request' in call ? admitted.check(call.request) : admitted.checkCaller());
        look();
        admit(call, admitted);
        const watched = { look, end };
        this.watched.add(watched);
        for (const event of ['close', 'cancelled', 'error'])
          call.once(event, () => this.watched.delete(watched));
      } catch (error) {
        end(error);
        return;
      }
      handler(call);
    };
    return guarded;
  }

  private identify(call: Call): Caller {
    const { access, certificateOf } = this.options;
    const peer = call.getPeer();
    const [authorization] = call.metadata.get('authorization');
    return access.identify({
      address: addressOf(peer),
      authorization: typeof authorization === 'string' ? authorization : undefined,
      certificate: certificateOf(peer),
    });
  }

  private lookAgain(): void {
    for (const watched of this.watched) {
      try {
        watched.look();
      } catch (error) {
        this.watched.delete(watched);
        watched.end(error);
      }
    }
  }
}

/** Of the three kinds, which are given a call and nothing else, the one that has all of what is asked of it here. */
function isStream(
  method: Method,
  handler: UntypedHandleCall,
): handler is handleBidiStreamingCall<object, unknown> {
  return typeof handler === 'function' && method.responseStream;
}
