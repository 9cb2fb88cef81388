/**
 * Decides who may ask for an operation: the one place for gRPC and HTTP.
 *
 * Guarantees: who shows nothing, or what does not count, is nobody; nobody is served only where the configuration and the
 * operation both allow it (`WithoutCredentials`); everybody else needs one of the operation's roles; who is limited to a worker
 * changes nothing but what is of that one, whatever his roles; each denial says which roles would do and where they come from,
 * is counted, and is told (denials.ts).
 */

import { OwlError } from '../../base/errors.js';
import type { Denials, DeniedCount } from './denials.js';
import type { Known, KnownCallers } from './known-callers.js';
import type { OperationAccess, Role, WithoutCredentials } from './roles.js';

/**
 * What the node asks for: `open`: credentials are asked for nowhere but where an operation says never; `as-before`: what peers
 * of before ask for needs none, all else does; `required`: everything does.
 */
export type AccessMode = 'open' | 'as-before' | 'required';

/** What a caller shows, over whichever road. */
export interface Evidence {
  /** Without its port. */
  readonly address: string;
  /** The header or metadata `authorization`. */
  readonly authorization?: string | undefined;
  readonly certificate?: ShownCertificate | undefined;
}

/** Of a client. Without `problem` it was signed by tls.client_ca and is valid now. */
export interface ShownCertificate {
  /** Its common name. */
  readonly name: string;
  readonly problem?: string | undefined;
}

/** Who asks. */
export interface Caller {
  /** As `owl access list` has it; undefined when nobody is known. */
  readonly name: string | undefined;
  /** Who of that name, where there was another before; undefined when nobody is known. */
  readonly identity: string | undefined;
  readonly roles: readonly Role[];
  /** Limited to it. */
  readonly workerId: string | undefined;
  /** Without its port. */
  readonly address: string;
  /** Why what was shown does not count. For people, as a sentence of its own. */
  readonly problem: string | undefined;
}

export interface AccessOptions {
  readonly mode: AccessMode;
  readonly known: KnownCallers;
  readonly denials: Denials;
}

const BEARER = /^Bearer +(\S+) *$/i;

export class Access {
  readonly mode: AccessMode;
  private readonly known: KnownCallers;
  private readonly denials: Denials;

  constructor({ mode, known, denials }: AccessOptions) {
    this.mode = mode;
    this.known = known;
    this.denials = denials;
  }

  /** Calls that were denied since the node began. */
  get denied(): readonly DeniedCount[] {
    return this.denials.all;
  }

  /** Resolves when all that is to be known of them is stored, or could not be. */
  ended(): Promise<void> {
    return this.denials.ended();
  }

  /** Whether nobody is asked for credentials, so that what they show is not looked at. */
  isOpenTo({ withoutCredentials = 'where-open' }: Pick<OperationAccess, 'withoutCredentials'>): boolean {
    return OPEN[this.mode].has(withoutCredentials);
  }

  /** @throws OwlError kind `unavailable` while who is known can't be read */
  identify({ address, authorization, certificate }: Evidence): Caller {
    if (authorization !== undefined && authorization !== '') return this.byToken(address, authorization);
    if (certificate !== undefined) return this.byCertificate(address, certificate);
    return nobody(address);
  }

  /**
   * @param operation its name as the log has it
   * @param worker whom the request speaks for; asked only of who is limited to a worker
   * @throws OwlError kind `unauthenticated` or `forbidden`
   */
  authorise(
    operation: string,
    access: OperationAccess,
    caller: Caller,
    worker?: () => string | undefined,
  ): void {
    if (this.isOpenTo(access)) return;
    const denied = denialOf(access, caller, worker);
    if (denied === undefined) return;
    this.denials.note(operation, caller, denied);
    throw denied;
  }

  /** Changes when somebody is added or taken back. @throws OwlError kind `unavailable` */
  get mark(): string {
    return this.known.mark;
  }

  private byToken(address: string, authorization: string): Caller {
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) return nobody(address, 'what it shows is no bearer token');
    const known = this.known.byToken(token);
    if (known === undefined) return nobody(address, 'its token is not known here');
    if ('revoked' in known) return takenBack(address, known.revoked, 'token');
    return callerOf(known, address);
  }

  private byCertificate(address: string, { name, problem }: ShownCertificate): Caller {
    if (problem !== undefined) return nobody(address, `its certificate does not count: ${problem}`);
    const known = this.known.byCertificate(name);
    if (known === undefined)
      return nobody(address, `no certificate of the name ${short(name)} is known here`);
    if ('revoked' in known) return takenBack(address, known.revoked, 'certificate');
    return callerOf(known, address);
  }
}

const OPEN: Readonly<Record<AccessMode, ReadonlySet<WithoutCredentials>>> = {
  open: new Set(['as-before', 'where-open']),
  'as-before': new Set(['as-before']),
  required: new Set(),
};

export function nobody(address: string, problem?: string): Caller {
  return { name: undefined, identity: undefined, roles: [], workerId: undefined, address, problem };
}

function callerOf({ entry, identity }: Extract<Known, { entry: unknown }>, address: string): Caller {
  const { name, roles, worker_id: workerId } = entry;
  return { name, identity, roles, workerId, address, problem: undefined };
}

function takenBack(
  address: string,
  { name, revoked }: { name: string; revoked: string },
  what: string,
): Caller {
  return { ...nobody(address, `the ${what} of ${name} was taken back on ${revoked}`), name };
}

function denialOf(
  { roles: wanted, isQuery = false }: OperationAccess,
  { name, roles, workerId, problem }: Caller,
  worker: (() => string | undefined) | undefined,
): OwlError | undefined {
  const which = wanted.join(' or ');
  if (name === undefined || problem !== undefined) {
    const why = problem ?? 'nothing was shown that says who asks';
    return new OwlError(
      'unauthenticated',
      `${why}; this needs a token with the role ${which} (owl access add)`,
    );
  }
  const had = wanted.filter((role) => roles.includes(role));
  if (had.length === 0)
    return new OwlError(
      'forbidden',
      `${name} may not do this: it has ${roles.join(', ')}, and this needs ${which}`,
    );
  if (workerId === undefined || isQuery) return undefined;
  const spokenFor = worker?.();
  if (spokenFor === workerId) return undefined;
  const whom =
    spokenFor === undefined || spokenFor === '' ? 'this names no worker' : `this is of ${short(spokenFor)}`;
  return new OwlError('forbidden', `${name} may speak for the worker ${workerId} alone, and ${whom}`);
}

/** What a caller says goes into logs and events: quoted, and no longer than a name may be. */
function short(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}
