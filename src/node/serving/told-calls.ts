/**
 * The calls of a service that have one answer, told to whoever listens to the node: how each ended, also one that was denied.
 * While nobody listens a call is handed on as it came.
 */

import {
  status as GrpcStatus,
  type handleUnaryCall,
  type ServiceDefinition,
  type UntypedHandleCall,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { LifeCycle } from '../../runtime/life-cycle/life-cycle.js';
import { isUnary } from './method-kinds.js';

export function toldCalls(
  definition: ServiceDefinition,
  handlers: UntypedServiceImplementation,
  lifeCycle: LifeCycle | undefined,
): UntypedServiceImplementation {
  if (lifeCycle === undefined) return handlers;
  const told: Record<string, UntypedHandleCall> = { ...handlers };
  for (const [name, method] of Object.entries(definition)) {
    const handler = told[name];
    if (handler !== undefined && isUnary(method, handler))
      told[name] = toldUnary(method.path, handler, lifeCycle);
  }
  return told;
}

function toldUnary(
  method: string,
  handle: handleUnaryCall<unknown, unknown>,
  lifeCycle: LifeCycle,
): handleUnaryCall<unknown, unknown> {
  return (call, callback) => {
    if (!lifeCycle.wants('call ended')) return handle(call, callback);
    const began = lifeCycle.now();
    return handle(call, (error, ...answer) => {
      const code = error === null ? GrpcStatus.OK : (error.code ?? GrpcStatus.UNKNOWN);
      lifeCycle.tell({ type: 'call ended', method, code, tookMs: lifeCycle.now() - began });
      callback(error, ...answer);
    });
  };
}
