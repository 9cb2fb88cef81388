/**
 * Admits gRPC calls: no handler sees a call of who may not make it.
 *
 * Guarantees: a method without roles is refused when the node starts; who has no role for a method is told so by the headers of the
 * call, and whom a request speaks for is looked at once it is there; what is served to everybody as the node is configured costs
 * a look at its name; a stream is looked at again with each message that comes, and ends within a second of the moment its caller was taken
 * back, unauthenticated, so that its sender keeps what there is to tell.
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
import { OwlError } from '../../base/errors.js';
import { every } from '../../base/repeat.js';
import type { AtTheGate } from '../serving/call-gate.js';
import { addressOf, admit } from '../serving/callers.js';
import { toServiceError } from '../serving/calls.js';
import { isUnary } from '../serving/method-kinds.js';
import type { Access, ShownCertificate } from './access.js';
import { Admitted } from './admitted.js';
import type { MethodAccess, ServiceAccess } from './roles.js';

const LOOK_EVERY_MS = 500;

export interface GrpcGuardOptions {
  readonly access: Access;
  /** What was shown on a connection. */
  readonly certificateOf: (connection: string) => ShownCertificate | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Method = MethodDefinition<unknown, unknown>;
type Call = Pick<ServerUnaryCall<object, unknown>, 'metadata'>;

/** A stream under way, of a caller who had to say who it is. */
interface Watched {
  /** @throws OwlError when its caller may not go on */
  look(): void;
  end(error: unknown): void;
}

export class GrpcGuard {
  private readonly options: GrpcGuardOptions;
  /** By path; undefined for what is open to everybody. */
  private readonly declared = new Map<string, MethodAccess | undefined>();
  /** By the metadata of a call, which its handler is given as it came. */
  private readonly admitted = new WeakMap<object, Admitted>();
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

  /**
   * Of a call of which nothing but its headers is there.
   * @returns `anybody` for what none of the guarded services has
   * @throws OwlError kind `unauthenticated`, `forbidden`, or `unavailable` while who is known can't be read
   */
  admit({ path, metadata, peer, connection }: AtTheGate): 'let in' | 'anybody' {
    const declared = this.declared.get(path);
    if (declared === undefined) return this.declared.has(path) ? 'let in' : 'anybody';
    const { access, certificateOf } = this.options;
    const address = addressOf(peer());
    const [authorization] = metadata.get('authorization');
    const identify = () =>
      access.identify({
        address,
        authorization: typeof authorization === 'string' ? authorization : undefined,
        certificate: certificateOf(connection),
      });
    const admitted = new Admitted(path, access, declared, identify);
    admitted.checkCaller();
    this.admitted.set(metadata, admitted);
    return 'let in';
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
      const isOpen = this.options.access.isOpenTo(declared);
      this.declared.set(method.path, isOpen ? undefined : declared);
      guarded[name] = isOpen ? handler : this.guard(method, handler);
    }
    return guarded;
  }

  private guard(method: Method, handler: UntypedHandleCall): UntypedHandleCall {
    if (isUnary<object>(method, handler)) return this.guardUnary(method, handler);
    return this.guardStream(method, handler);
  }

  private guardUnary({ path }: Method, handler: handleUnaryCall<object, unknown>) {
    const guarded: handleUnaryCall<object, unknown> = (call, callback) => {
      try {
        const admitted = this.admittedBy(call);
        admitted.check(call.request);
        admit(call, admitted);
      } catch (error) {
        callback(toServiceError(error, this.options.logger, path));
        return;
      }
      handler(call, callback);
    };
    return guarded;
  }

  private guardStream(method: Method, handler: UntypedHandleCall): UntypedHandleCall {
    if (!isStream(method, handler)) throw new Error(`${method.path} is of a kind that nothing guards`);
    const guarded: handleBidiStreamingCall<object, unknown> = (call) => {
      const end = (error: unknown) =>
        call.emit('error', toServiceError(error, this.options.logger, method.path));
      try {
        const admitted = this.admittedBy(call);
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

  /** @throws OwlError kind `unauthenticated` for one that came past the gate */
  private admittedBy({ metadata }: Call): Admitted {
    const admitted = this.admitted.get(metadata);
    if (admitted !== undefined) return admitted;
    throw new OwlError('unauthenticated', 'nobody has looked at who asks');
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
