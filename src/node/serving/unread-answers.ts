/**
 * Answers that their peers have not read: they stand in this process for as long.
 *
 * Guarantees: one connection has so many bytes of them at the most, or one larger answer; what comes on top of it is answered as
 * RESOURCE_EXHAUSTED; who takes too long to read one is cut off. Small ones are not counted: there are only as many as calls.
 */

import type {
  handleUnaryCall,
  MethodDefinition,
  ServerUnaryCall,
  ServiceDefinition,
  sendUnaryData,
  UntypedHandleCall,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { OwlError } from '../../base/errors.js';
import { connectionOfCall } from './callers.js';
import { toServiceError } from './calls.js';
import { isUnary } from './method-kinds.js';

export interface UnreadLimits {
  /** Of one connection. Default 16 MiB. */
  readonly unreadBytes?: number;
  /** Milliseconds to read an answer in. Default 60,000. */
  readonly readWithinMs?: number;
}

const UNREAD_BYTES = 16 * 1024 * 1024;
const READ_WITHIN_MS = 60_000;
const SMALL_BYTES = 4 * 1024;

type Method = MethodDefinition<unknown, unknown>;
type Call = ServerUnaryCall<unknown, unknown>;

export class UnreadAnswers {
  private readonly limits: Required<UnreadLimits>;
  private readonly cut: (connection: string) => void;
  private readonly logger: Logger;
  /** In bytes, by connection. */
  private readonly unread = new Map<string, number>();

  /** @param cut ends a connection, as `connectionOf` calls it */
  constructor(limits: UnreadLimits, cut: (connection: string) => void, logger: Logger) {
    this.limits = { unreadBytes: UNREAD_BYTES, readWithinMs: READ_WITHIN_MS, ...limits };
    this.cut = cut;
    this.logger = logger;
  }

  /** The service with its unary answers counted: they are encoded here, once, and given to the server as bytes. */
  counted(definition: ServiceDefinition, handlers: UntypedServiceImplementation) {
    const methods: Record<string, Method> = {};
    const counted: Record<string, UntypedHandleCall> = {};
    for (const [name, method] of Object.entries<Method>(definition)) {
      const handler = handlers[name];
      methods[name] = method;
      if (handler === undefined) continue;
      counted[name] = handler;
      if (!isUnary(method, handler)) continue;
      methods[name] = { ...method, responseSerialize: asItIs };
      counted[name] = this.countedHandler(handler, method.responseSerialize);
    }
    return { definition: methods, handlers: counted };
  }

  private countedHandler(
    handler: handleUnaryCall<unknown, unknown>,
    encode: (value: unknown) => Buffer,
  ): handleUnaryCall<unknown, Buffer> {
    return (call, callback) => {
      const refused = this.refusal(call);
      if (refused !== undefined) callback(refused);
      else
        handler(call, (error, value) => {
          if (error !== null || value === undefined || value === null) callback(error, null);
          // Who is gone reads nothing.
          else if (!call.cancelled) this.answer(call, () => encode(value), callback);
        });
    };
  }

  private answer(call: Call, encode: () => Buffer, callback: sendUnaryData<Buffer>): void {
    try {
      const refused = this.refusal(call);
      if (refused !== undefined) {
        callback(refused);
        return;
      }
      const bytes = encode();
      if (bytes.length > SMALL_BYTES) this.count(call, bytes.length);
      callback(null, bytes);
    } catch (error) {
      callback(toServiceError(error, this.logger, call.getPath()));
    }
  }

  /** Until the call is over, which grpc-js calls cancelled also where the answer was taken. */
  private count(call: Call, bytes: number): void {
    const connection = connectionOfCall(call);
    this.unread.set(connection, (this.unread.get(connection) ?? 0) + bytes);
    const late = setTimeout(() => this.cut(connection), this.limits.readWithinMs);
    call.once('cancelled', () => {
      clearTimeout(late);
      const left = (this.unread.get(connection) ?? 0) - bytes;
      if (left > 0) this.unread.set(connection, left);
      else this.unread.delete(connection);
    });
  }

  private refusal(call: Call) {
    const { unreadBytes } = this.limits;
    if (this.unread.size === 0 || (this.unread.get(connectionOfCall(call)) ?? 0) < unreadBytes)
      return undefined;
    const full = new OwlError(
      'retryable',
      `${unreadBytes} bytes of answers are unread on this connection; read them, then ask again`,
    );
    return toServiceError(full, this.logger, call.getPath());
  }
}

function asItIs(value: unknown): Buffer {
  if (Buffer.isBuffer(value)) return value;
  throw new TypeError('an answer was not encoded');
}
