/** Of which kind a method of a service is, for what wraps its handler. */

import type { handleUnaryCall, MethodDefinition, UntypedHandleCall } from '@grpc/grpc-js';

/** One request and one answer, so that its handler is given what takes the answer. */
export function isUnary<Request = unknown>(
  {
    requestStream,
    responseStream,
  }: Pick<MethodDefinition<unknown, unknown>, 'requestStream' | 'responseStream'>,
  handler: UntypedHandleCall,
): handler is handleUnaryCall<Request, unknown> {
  return typeof handler === 'function' && !requestStream && !responseStream;
}
