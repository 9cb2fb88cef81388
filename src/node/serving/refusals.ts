/**
 * The old contract's in-band refusals, made from the one error taxonomy: peers in the field expect `is_success = false`
 * with a reason, not a gRPC error. What may succeed when it is sent again unchanged stays a gRPC error, because an in-band
 * refusal reads as final to them.
 */

import { type ErrorKind, OwlError } from '../../base/errors.js';

const IN_BAND: ReadonlySet<ErrorKind> = new Set<ErrorKind>(['refused', 'exists', 'invalid', 'not_found']);

/** Answers the reason of a refusal; throws on whatever is none. */
export function refusalOf(error: unknown): string {
  if (error instanceof OwlError && IN_BAND.has(error.kind)) return error.message;
  throw error;
}
