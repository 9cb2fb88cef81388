/**
 * Who may ask for what: each operation and stream names its roles where it is declared (rule 19 of the architecture).
 *
 * Guarantee: what is declared without roles is not served; a node with such a method does not start (grpc-guard.ts).
 */

/** Auditor, overlord, who carries work out, who reports of it, who keeps the node. None holds another. */
export const ROLES = ['reader', 'submitter', 'worker', 'reporter', 'operator'] as const;

export type Role = (typeof ROLES)[number];

/** Who has others beside these is limited to no worker: what they allow names none. */
export const ROLES_OF_A_WORKER: ReadonlySet<Role> = new Set(['worker', 'reporter']);

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
  /** It changes nothing, so a caller that is limited to a worker may ask for it as well. */
  readonly isQuery?: boolean;
  /** Default: `where-open`. */
  readonly withoutCredentials?: WithoutCredentials;
}

/** Of a method that is served by gRPC. */
export interface MethodAccess extends OperationAccess {
  /**
   * The worker whom a request speaks for; undefined when it names none. Asked only of callers that are limited to a worker:
   * they change nothing where this is missing. A method, as each has requests of its own.
   */
  workerIn?(request: object): string | undefined;
}

/** By method, as the proto file names it. */
export type ServiceAccess = Readonly<Record<string, MethodAccess>>;

/** The worker as a field of the request names it. */
export function workerInField(field: string): (request: object) => string | undefined {
  return (request) => {
    const worker: unknown = Reflect.get(request, field);
    return typeof worker === 'string' ? worker : undefined;
  };
}

/** The same, for a service that peers called before there were credentials. */
export function asBefore(access: ServiceAccess): ServiceAccess {
  return Object.fromEntries(
    Object.entries(access).map(([name, method]) => [name, { withoutCredentials: 'as-before', ...method }]),
  );
}
