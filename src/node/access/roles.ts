/**
 * Who may ask for what: each operation and stream names its roles where it is declared (rule 19 of the architecture).
 *
 * Guarantee: what is declared without roles is not served; a node with such a method does not start (grpc-guard.ts).
 */

/** Auditor, overlord, who carries work out, who reports of it, who keeps the node. None holds another. */
export const ROLES = ['reader', 'submitter', 'worker', 'reporter', 'operator'] as const;

export type Role = (typeof ROLES)[number];

/**
 * Where nobody is asked for credentials:
 * - `as-before`: what peers from before there were any ask for. On this machine, and wherever `access: open` says so;
 * - `where-open`: only where `access: open` says so;
 * - `never`: what makes a caller choose a program to run, and what changes something over HTTP, since any page in a browser
 *   on this machine reaches that.
 */
export type WithoutCredentials = 'as-before' | 'where-open' | 'never';

export interface OperationAccess {
  /** Each of them may ask. */
  readonly roles: readonly [Role, ...Role[]];
  /** Default: `where-open`. */
  readonly withoutCredentials?: WithoutCredentials;
}

/** Of a method that is served by gRPC. */
export interface MethodAccess<Request = never> extends OperationAccess {
  /**
   * The worker whom a request speaks for; undefined when that is nobody's. Asked only of callers that are limited to a
   * worker; they may not ask for what workers and reporters do where this is missing.
   */
  readonly workerIn?: (request: Request) => string | undefined;
}

/** By method, as the proto file names it. Methods, not function types: each has requests of its own. */
export type ServiceAccess = Readonly<Record<string, MethodAccess>>;

/** The worker of most requests. */
export function workerIdIn({ worker_id }: { readonly worker_id?: string }): string | undefined {
  return worker_id;
}
