/**
 * What a failed command means to a sender that nobody waits for. Guarantees that a failure is at most one of the two:
 * worth sending again, or an answer that is final. What is neither is a fault of the program, or came from somebody who may not
 * ask: that says nothing of the command, and nothing that was to be told is lost for it.
 */

import { type ErrorKind, OwlError } from './errors.js';

const TRANSIENT: ReadonlySet<ErrorKind> = new Set<ErrorKind>(['unavailable', 'conflict', 'retryable']);

/** Nobody is known to ask, or who asks may not: it was not looked at. It succeeds once that one may. */
const DENIED: ReadonlySet<ErrorKind> = new Set<ErrorKind>(['unauthenticated', 'forbidden']);

export function isDenial(error: unknown): error is OwlError {
  return error instanceof OwlError && DENIED.has(error.kind);
}

/** It passes by itself: the same command sent again later may succeed, unchanged. */
export function isTransient(error: unknown): boolean {
  return error instanceof OwlError && TRANSIENT.has(error.kind);
}

/** The command was understood and declined; sending it again changes nothing. */
export function isRefusal(error: unknown): error is OwlError {
  return error instanceof OwlError && !TRANSIENT.has(error.kind) && !DENIED.has(error.kind);
}
