/**
 * What went wrong with a call to a node, as one of the kinds of the one error taxonomy.
 *
 * Guarantee: what a node says of the kind decides, and its code only where it says nothing of it, as one of before or a peer that
 * is none of ours; what is wrong with each field comes along.
 */

import { status as GrpcStatus, type ServiceError } from '@grpc/grpc-js';
import {
  type ErrorKind,
  type FieldProblem,
  GRPC_CODE_OF,
  InvalidFieldError,
  isErrorKind,
  KIND_TRAILER,
  messageOf,
  OwlError,
  PROBLEMS_TRAILER,
  REASON_TRAILER,
} from '../base/errors.js';
import { isAboutCertificate, reasonOfNoConnection } from '../base/grpc-connections.js';

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

/** What grpc-js says of a connection that was reset in the middle of a call, as of a node that was killed. */
const BROKEN_OFF = /^Received RST_STREAM with code \d+/;

/** @param server HOST:PORT as it was called, for the message */
export function explainCallError(error: unknown, server: string, called: Called = ANY_NODE): OwlError {
  if (error instanceof OwlError) return error;
  if (!isServiceError(error)) return new OwlError('unavailable', messageOf(error), { cause: error });
  const { code, details } = error;
  const { noun } = called;
  const told = toldKind(error);
  if (told !== undefined) return refusalOf(told, details, error);
  if (code === GrpcStatus.UNAVAILABLE && NO_CONNECTION.test(details))
    return noAnswer(server, details, called);
  if (BROKEN_OFF.test(details)) {
    return new UnreachableError(`${server} broke the call off; is the ${noun} there stopping?`, true);
  }
  if (code === GrpcStatus.DEADLINE_EXCEEDED) {
    return new UnreachableError(`${server} did not answer in time; is it a ${noun}, and is it well?`, true);
  }
  if (code === GrpcStatus.UNIMPLEMENTED) {
    return new OwlError(
      'unavailable',
      `what answers at ${server} does not know this call; an older ${noun}? (${details})`,
    );
  }
  const kind = KINDS_BY_CODE.find((known) => GRPC_CODE_OF[known] === code);
  return kind === undefined
    ? new OwlError('unavailable', `the ${noun} at ${server} failed: ${details}`)
    : new OwlError(kind, details);
}

/** What the node itself says of it. An error of the channel says nothing. */
function toldKind({ metadata }: ServiceError): ErrorKind | undefined {
  const [told] = metadata?.get(KIND_TRAILER) ?? [];
  return isErrorKind(told) ? told : undefined;
}

function refusalOf(kind: ErrorKind, details: string, { metadata }: ServiceError): OwlError {
  const [first, ...others] = problemsIn(metadata.get(PROBLEMS_TRAILER)[0]);
  const [reason] = metadata.get(REASON_TRAILER);
  if (kind !== 'invalid' || first === undefined)
    return new OwlError(kind, details, typeof reason === 'string' ? { reason } : {});
  const problems = new InvalidFieldError(first.field, first.rule, others);
  // Of very many not all are told.
  return problems.message === details ? problems : new OwlError(kind, details);
}

function problemsIn(json: unknown): FieldProblem[] {
  if (typeof json !== 'string') return [];
  try {
    const problems: unknown = JSON.parse(json);
    return Array.isArray(problems) ? problems.filter(isProblem) : [];
  } catch {
    return [];
  }
}

function isProblem(value: unknown): value is FieldProblem {
  if (typeof value !== 'object' || value === null || !('field' in value && 'rule' in value)) return false;
  return typeof value.field === 'string' && typeof value.rule === 'string';
}

function noAnswer(server: string, details: string, { noun, start }: Called): UnreachableError {
  const arrived =
    !details.startsWith('No connection established') && !details.startsWith('Name resolution failed');
  if (isAboutCertificate(details)) {
    const why = reasonOfNoConnection(details);
    return new UnreachableError(
      `${server} shows a certificate that is not believed (${why}): name its authority in tls.ca, and the ${noun} as its certificate does`,
      false,
    );
  }
  const code = /\b(E[A-Z]{4,})\b/.exec(details)?.[1];
  let reason = '';
  if (details.startsWith('Name resolution failed')) reason = ' (this name has no address)';
  else if (code !== undefined && code !== 'ECONNREFUSED') reason = ` (${code})`;
  // It took the connection, and ended it at the first word.
  else if (details.includes('Failed to connect'))
    reason = ' (what is there ended the connection: does it ask for TLS? Then set tls.ca)';
  return new UnreachableError(
    `no ${noun} answers at ${server}${reason}: start one with \`${start}\`, or name another with --server`,
    arrived,
  );
}

/** Where two kinds have one code, the one that nodes of before meant. */
const KINDS_BY_CODE: readonly ErrorKind[] = [
  'exists',
  'refused',
  'conflict',
  'retryable',
  'unavailable',
  'invalid',
  'not_found',
  'unauthenticated',
  'forbidden',
];

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'details' in error && typeof error.details === 'string';
}
