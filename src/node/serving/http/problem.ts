/**
 * Errors as HTTP tells them: problem+json (RFC 9457), made from the one error taxonomy.
 *
 * Guarantees: whatever goes wrong, Fastify's own errors included, is told as a problem with the status of its kind, what is wrong
 * with each field, and whether asking again may help; what is no OwlError is told without its inner workings, and in the log with
 * them.
 */

import type { Logger } from 'pino';
import { type ErrorKind, type FieldProblem, InvalidFieldError, OwlError } from '../../../base/errors.js';
import { isTransient } from '../../../base/failure-kinds.js';

export const PROBLEM_TYPE = 'application/problem+json';

export const HTTP_STATUS_OF: Readonly<Record<ErrorKind, number>> = {
  invalid: 422,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  exists: 409,
  refused: 409,
  conflict: 409,
  outdated: 412,
  retryable: 429,
  unavailable: 503,
};

export const TITLE_OF: Readonly<Record<ErrorKind | 'internal', string>> = {
  invalid: 'The request is wrong',
  unauthenticated: 'Nobody is known to ask for this',
  forbidden: 'This may not be asked for',
  not_found: 'There is no such thing',
  exists: 'It exists, and is something else',
  refused: 'The state does not allow it',
  conflict: 'Others were faster',
  outdated: 'It has changed since',
  retryable: 'There is too much to do',
  unavailable: 'The node can not answer now',
  internal: 'It failed inside the service',
};

/** Seconds after which asking again is worth it. */
const RETRY_AFTER_SECONDS: Partial<Record<ErrorKind, number>> = { retryable: 1, unavailable: 2 };

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly kind: ErrorKind | 'internal';
  /** A word of the system's own, `stale_claim`, where the kind says too little for a program. */
  readonly reason?: string;
  /** Asking again, unchanged, may succeed. */
  readonly retryable: boolean;
  readonly field?: string;
  readonly rule?: string;
  readonly problems?: readonly (FieldProblem & { readonly detail: string })[];
}

/** What HTTP itself has a status for. */
export class HttpError extends OwlError {
  override readonly name = 'HttpError';
  readonly status: number;
  /** Beside those that every answer has. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    message: string,
    { kind = 'invalid', headers = {} }: { kind?: ErrorKind; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(kind, message);
    this.status = status;
    this.headers = headers;
  }
}

/** @param what was asked for, for the log */
export function problemOf(error: unknown, logger: Logger, what: string): Problem {
  const known = error instanceof OwlError ? error : ofFastify(error);
  if (known === undefined) {
    logger.error({ err: error, request: what }, 'a request failed');
    return problem('internal', 500, `${what} failed inside the service; its log says why`, false);
  }
  return problemIn(known);
}

export function problemIn(known: OwlError): Problem {
  const status = known instanceof HttpError ? known.status : HTTP_STATUS_OF[known.kind];
  const { reason } = known;
  const told = {
    ...problem(known.kind, status, known.message, isTransient(known)),
    ...(reason === undefined ? {} : { reason }),
  };
  if (!(known instanceof InvalidFieldError)) return told;
  const { field, rule } = known;
  const problems = known.problems.map((one) => ({ ...one, detail: `${one.field}: ${one.rule}` }));
  return { ...told, field, rule, problems };
}

/** Beside `Content-Type`. */
export function headersOf(error: unknown): Readonly<Record<string, string>> {
  if (!(error instanceof OwlError)) return {};
  const seconds = RETRY_AFTER_SECONDS[error.kind];
  return {
    ...(seconds === undefined ? {} : { 'retry-after': String(seconds) }),
    ...(error.kind === 'unauthenticated' ? { 'www-authenticate': 'Bearer realm="owl"' } : {}),
    ...(error instanceof HttpError ? error.headers : {}),
  };
}

function problem(kind: Problem['kind'], status: number, detail: string, retryable: boolean): Problem {
  return { type: `/docs#${kind}`, title: TITLE_OF[kind], status, detail, kind, retryable };
}

export const TOO_LARGE = 'the body is larger than this route takes';
const TEXT_OF_FASTIFY: Readonly<Record<string, string>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: TOO_LARGE,
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'the body is not as long as Content-Length says',
  FST_ERR_BAD_URL: 'the address can not be decoded',
};

/** Those of Fastify that are the caller's. */
function ofFastify(error: unknown): OwlError | undefined {
  if (!(error instanceof Error) || !('statusCode' in error) || !('code' in error)) return undefined;
  const { statusCode: status, code } = error;
  if (typeof status !== 'number' || status < 400 || status > 499 || typeof code !== 'string')
    return undefined;
  return new HttpError(status, TEXT_OF_FASTIFY[code] ?? error.message);
}
