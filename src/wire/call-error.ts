/** What went wrong with a call to a node, as one of the kinds of the one error taxonomy. */

import { status as GrpcStatus, type ServiceError } from '@grpc/grpc-js';
import { type ErrorKind, GRPC_CODE_OF, messageOf, OwlError } from '../base/errors.js';

/** How people call what answers: messages do so too. */
export interface Called {
  /** `node`; a word that `a` goes with. */
  readonly noun: string;
  /** A command that starts one. */
  readonly start: string;
}

/** Whichever systems it runs. */
export const ANY_NODE: Called = { noun: 'node', start: 'owl up' };

/** Nobody answers at the server's address, or not in time. */
export class UnreachableError extends OwlError {
  override readonly name = 'UnreachableError';
  /** True when the request may have been carried out all the same. */
  readonly mayHaveArrived: boolean;

  constructor(message: string, mayHaveArrived: boolean) {
    super('unavailable', message);
    this.mayHaveArrived = mayHaveArrived;
  }
}

/**
 * grpc-js itself says these; a node that answers UNAVAILABLE says something of its own, which names EventStoreDB where it
 * repeats what grpc-js said of the node's own connection.
 */
const NO_CONNECTION =
  /^(?!.*EventStoreDB)(No connection established|Name resolution failed|Connection dropped|Stream refused|.*\bE[A-Z]{4,}\b)/;

/** @param server HOST:PORT as it was called, for the message */
export function explainCallError(error: unknown, server: string, called: Called = ANY_NODE): OwlError {
  if (error instanceof OwlError) return error;
  if (!isServiceError(error)) return new OwlError('unavailable', messageOf(error), { cause: error });
  const { code, details } = error;
  const { noun } = called;
  if (code === GrpcStatus.UNAVAILABLE && NO_CONNECTION.test(details))
    return noAnswer(server, details, called);
  if (code === GrpcStatus.DEADLINE_EXCEEDED) {
    return new UnreachableError(`${server} did not answer in time; is it a ${noun}, and is it well?`, true);
  }
  if (code === GrpcStatus.UNIMPLEMENTED) {
    return new OwlError(
      'unavailable',
      `what answers at ${server} does not know this call; an older ${noun}? (${details})`,
    );
  }
  const kind = KINDS.find((known) => GRPC_CODE_OF[known] === code);
  return kind === undefined
    ? new OwlError('unavailable', `the ${noun} at ${server} failed: ${details}`)
    : new OwlError(kind, details);
}

function noAnswer(server: string, details: string, { noun, start }: Called): UnreachableError {
  const code = /\b(E[A-Z]{4,})\b/.exec(details)?.[1];
  let reason = '';
  if (details.startsWith('Name resolution failed')) reason = ' (this name has no address)';
  else if (code !== undefined && code !== 'ECONNREFUSED') reason = ` (${code})`;
  return new UnreachableError(
    `no ${noun} answers at ${server}${reason}: start one with \`${start}\`, or name another with --server`,
    !details.startsWith('No connection established') && !details.startsWith('Name resolution failed'),
  );
}

const KINDS: readonly ErrorKind[] = [
  'exists',
  'refused',
  'conflict',
  'retryable',
  'unavailable',
  'invalid',
  'not_found',
];

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'details' in error && typeof error.details === 'string';
}
