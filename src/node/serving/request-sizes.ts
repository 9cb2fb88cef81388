/**
 * How large the messages of a service may be that its peers send.
 *
 * Guarantees: one that is larger than its service says is refused before it is decoded, as `invalid` and with the limit; what the
 * server takes of a message at all is what the service with the largest ones allows.
 */

import type {
  handleUnaryCall,
  MethodDefinition,
  ServiceDefinition,
  UntypedHandleCall,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { OwlError } from '../../base/errors.js';
import { toServiceError } from './calls.js';
import { TooLargeRequest } from './too-large-request.js';

/** The largest honest request of most names 1,000 tasks, in less than 70 kB. */
export const USUAL_REQUEST_BYTES = 256 * 1024;
export const MOST_REQUEST_BYTES = 16 * 1024 * 1024;

type Method = MethodDefinition<unknown, unknown>;

/** The service with the sizes of its requests looked at. */
export function withRequestSizes(
  definition: ServiceDefinition,
  handlers: UntypedServiceImplementation,
  limitBytes: number,
  logger: Logger,
) {
  const sized: Record<string, Method> = {};
  const looked: UntypedServiceImplementation = { ...handlers };
  for (const [name, method] of Object.entries<Method>(definition)) {
    const decode = method.requestDeserialize;
    sized[name] = {
      ...method,
      requestDeserialize: (bytes) =>
        bytes.length <= limitBytes ? decode(bytes) : tooLarge(bytes, limitBytes),
    };
    const handler = handlers[name];
    // Who takes a stream of requests looks at each of them itself.
    if (handler !== undefined && isOfOneRequest(method, handler)) looked[name] = look(handler, logger);
  }
  return { definition: sized, handlers: looked };
}

function look(handler: handleUnaryCall<unknown, unknown>, logger: Logger): handleUnaryCall<unknown, unknown> {
  return (call, callback) => {
    const { request } = call;
    if (!(request instanceof TooLargeRequest)) return handler(call, callback);
    const error = toServiceError(request.error, logger, call.getPath());
    if (callback === undefined) call.emit('error', error);
    else callback(error);
  };
}

function tooLarge({ length }: Buffer, limitBytes: number): TooLargeRequest {
  return new TooLargeRequest(
    new OwlError('invalid', `a message of ${length} bytes is too large: ${limitBytes} are taken here`),
  );
}

/** A stream of answers is given a call and no callback. */
function isOfOneRequest(
  method: Method,
  handler: UntypedHandleCall,
): handler is handleUnaryCall<unknown, unknown> {
  return typeof handler === 'function' && !method.requestStream;
}
