/** The generated clients' callbacks and events as promises that always settle, with CallError for whatever fails. */

import type { ClientReadableStream, ClientUnaryCall, ServiceError } from '@grpc/grpc-js';
import { CallError, callErrorOf } from './call-error.js';

type Answer<T> = (error: ServiceError | null, response: T) => void;

/** Runs a unary call; cancels it when the signal aborts. */
export function ask<T>(start: (answer: Answer<T>) => ClientUnaryCall, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = () => {
      call.cancel();
      reject(calledOff(signal));
    };
    const call = start((error, response) => {
      signal.removeEventListener('abort', cancel);
      if (error === null) resolve(response);
      else reject(callErrorOf(error));
    });
    if (signal.aborted) cancel();
    else signal.addEventListener('abort', cancel, { once: true });
  });
}

/**
 * Hands every message to `take` until it answers false, which ends the call, or the server ends it. Rejects when the
 * call fails, when `take` throws, or when the signal aborts.
 */
export function consume<T>(
  call: ClientReadableStream<T>,
  signal: AbortSignal,
  take: (message: T) => boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let settled = false;
    const settle = (settlement: () => void) => {
      if (settled) return;
      settled = true;
      signal.removeEventListener('abort', cancel);
      settlement();
    };
    const cancel = () => {
      call.cancel();
      settle(() => reject(calledOff(signal)));
    };
    call.on('data', (message: T) => {
      if (settled) return;
      try {
        if (take(message)) return;
        settle(resolve);
      } catch (error) {
        settle(() => reject(error));
      }
      call.cancel();
    });
    // Stays after the end: a cancelled call reports its cancellation as an error, which is of no interest any more.
    call.on('error', (error) => settle(() => reject(callErrorOf(error))));
    call.on('end', () => settle(resolve));
    if (signal.aborted) cancel();
    else signal.addEventListener('abort', cancel, { once: true });
  });
}

function calledOff({ reason }: AbortSignal): CallError {
  if (reason instanceof CallError) return reason;
  return new CallError('cancelled', 'the event store is closed, or the caller has given up');
}
