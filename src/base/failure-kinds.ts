/**
 * What a failed command means to a sender that nobody waits for. Guarantees that a failure is at most one of the two:
 * worth sending again, or an answer that is final. What is neither is a fault of the program.
 */

import { type ErrorKind, OwlError } from './errors.js';

const TRANSIENT: ReadonlySet<ErrorKind> = new Set<ErrorKind>(['unavailable', 'conflict', 'retryable']);

/** It passes by itself: the same command sent again later may succeed, unchanged. */
export function isTransient(error: unknown): boolean {
  return error instanceof OwlError && TRANSIENT.has(error.kind);
}

/** The command was understood and declined; sending it again changes nothing. */
export function isRefusal(error: unknown): error is OwlError {
  return error instanceof OwlError && !TRANSIENT.has(error.kind);
}
