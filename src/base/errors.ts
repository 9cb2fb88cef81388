/**
 * The one error taxonomy of owl. Guarantees: whatever a caller gets back is one of a few kinds, each kind has exactly one
 * gRPC status code, and the message says what was wrong and what to do next. Two kinds may share a code, so who knows owl goes
 * by the kind, which goes with each error (`owl-kind`).
 */

import type { status as GrpcStatus } from '@grpc/grpc-js';

export type ErrorKind =
  | 'refused'
  | 'exists'
  | 'outdated'
  | 'conflict'
  | 'retryable'
  | 'unavailable'
  | 'invalid'
  | 'not_found'
  | 'unauthenticated'
  | 'forbidden';

type CodeName =
  | 'ABORTED'
  | 'ALREADY_EXISTS'
  | 'FAILED_PRECONDITION'
  | 'INVALID_ARGUMENT'
  | 'NOT_FOUND'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'UNAUTHENTICATED'
  | 'UNAVAILABLE';

/** As gRPC has them, said again here: a keeper knows errors, and would load all of grpc-js for nine numbers. */
const CODE: { readonly [Name in CodeName]: (typeof GrpcStatus)[Name] } = {
  INVALID_ARGUMENT: 3,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
};

/** How a kind reads on the wire. Where a contract refuses in-band, its peers get the same message there (src/node/serving/refusals.ts). */
export const GRPC_CODE_OF: Readonly<Record<ErrorKind, GrpcStatus>> = {
  /** The actor's state does not allow it; asking again changes nothing. */
  refused: CODE.FAILED_PRECONDITION,
  /** The name is taken, by something else than what was asked for; asking again changes nothing. */
  exists: CODE.ALREADY_EXISTS,
  /** What was asked for rests on a revision that is not the newest; look again, then ask anew. */
  outdated: CODE.ABORTED,
  /** Others kept winning the race for the stream; ask again. */
  conflict: CODE.ABORTED,
  /** This node has too much to do right now; ask again later. */
  retryable: CODE.RESOURCE_EXHAUSTED,
  /** The store did not answer, or its answer was lost: nothing is promised. Ask again with the same command id. */
  unavailable: CODE.UNAVAILABLE,
  /** The request itself is wrong. */
  invalid: CODE.INVALID_ARGUMENT,
  /** There is no such thing. */
  not_found: CODE.NOT_FOUND,
  /** Nobody is known to ask for it; ask with credentials. */
  unauthenticated: CODE.UNAUTHENTICATED,
  /** Who asks is known, or comes from where nobody may ask, and may not do this. */
  forbidden: CODE.PERMISSION_DENIED,
};

export function isErrorKind(text: unknown): text is ErrorKind {
  return typeof text === 'string' && Object.hasOwn(GRPC_CODE_OF, text);
}

/** How a kind, a reason, and what is wrong with each field go with a gRPC error. */
export const KIND_TRAILER = 'owl-kind';
export const REASON_TRAILER = 'owl-reason';
export const PROBLEMS_TRAILER = 'owl-problems';

export interface OwlErrorOptions extends ErrorOptions {
  /** A word of a system's own that programs go by where the kind says too little, `stale_claim`: letters, digits, underscores. */
  readonly reason?: string | undefined;
}

export class OwlError extends Error {
  override readonly name: string = 'OwlError';
  readonly kind: ErrorKind;
  readonly reason: string | undefined;

  constructor(kind: ErrorKind, message: string, options: OwlErrorOptions = {}) {
    super(message, options);
    this.kind = kind;
    this.reason = options.reason;
  }
}

/** What is wrong with one field of a request. */
export interface FieldProblem {
  /** Its path as the sender knows it. */
  readonly field: string;
  /** What it must be. */
  readonly rule: string;
}

const MOST_PROBLEMS = 100;
/** Who sends a field that is not there chooses its name. */
const LONGEST_FIELD = 100;

function shortened({ field, rule }: FieldProblem): FieldProblem {
  return field.length <= LONGEST_FIELD
    ? { field, rule }
    : { field: `${field.slice(0, LONGEST_FIELD)}…`, rule };
}

/** A field of a request breaks a rule, or several do. `field` is the path of the first as the sender knows it. */
export class InvalidFieldError extends OwlError {
  override readonly name = 'InvalidFieldError';
  readonly field: string;
  readonly rule: string;
  /** All that are known to, the first as well; a hundred at the most. */
  readonly problems: readonly FieldProblem[];

  constructor(field: string, rule: string, others: readonly FieldProblem[] = []) {
    const problems = [{ field, rule }, ...others].slice(0, MOST_PROBLEMS).map(shortened);
    const left = others.length + 1 - problems.length;
    const all = problems.map((one) => `${one.field}: ${one.rule}`).join('; ');
    super('invalid', left === 0 ? all : `${all}; and ${left} more`);
    this.field = problems[0]?.field ?? field;
    this.rule = rule;
    this.problems = problems;
  }
}

/** The stream was not at the expected revision. `actual` is null when the stream holds nothing. Nothing was stored. */
export class RevisionConflictError extends OwlError {
  override readonly name = 'RevisionConflictError';
  readonly stream: string;
  readonly expected: number | 'noStream' | 'streamExists';
  readonly actual: number | null;

  constructor(stream: string, expected: number | 'noStream' | 'streamExists', actual: number | null) {
    super(
      'conflict',
      `stream ${stream} was expected at ${expected} but is at ${actual ?? 'no revision (it is empty)'}; read it and decide again`,
    );
    this.stream = stream;
    this.expected = expected;
    this.actual = actual;
  }
}

/** An id of a command stands for another one already. */
export class IdTakenError extends OwlError {
  override readonly name = 'IdTakenError';
  readonly what: string;
  readonly now: string;

  /** @param what it was carried out as: `stop`, `another retry` @param now what it is sent with now */
  constructor(id: string, what: string, now: string) {
    super('exists', `command ${id} was ${what} and is not carried out as ${now}; give it an id of its own`);
    this.what = what;
    this.now = now;
  }
}

/**
 * The store failed. `outcome` says what is known of the write: `refused` was certainly not stored; `unknown` may have
 * been (the answer was lost), so whoever wrote must read the stream again before it says anything.
 */
export class StoreUnavailableError extends OwlError {
  override readonly name = 'StoreUnavailableError';
  readonly outcome: 'refused' | 'unknown';

  constructor(message: string, outcome: 'refused' | 'unknown', options?: ErrorOptions) {
    super('unavailable', message, options);
    this.outcome = outcome;
  }
}

/**
 * A stream can't be read whole: an event in it is none that this code understands, or a part of it was deleted. It stays so
 * until somebody mends it, so asking again changes nothing; nothing behind `revision` is relied on by anybody.
 */
export class DamagedStreamError extends OwlError {
  override readonly name = 'DamagedStreamError';
  readonly stream: string;
  /** The first one that can't be read. */
  readonly revision: number;

  /** @param problem what is wrong and what to do, as a whole sentence that names the stream */
  constructor(stream: string, revision: number, problem: string, options?: ErrorOptions) {
    super('refused', problem, options);
    this.stream = stream;
    this.revision = revision;
  }
}

/** The message of anything thrown, for logs and parked events. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Who has to hear of it was told already, by the process that it happened in. */
export class ToldError extends OwlError {
  override readonly name: string = 'ToldError';
}
