/**
 * Who may ask for an operation over HTTP.
 *
 * Guarantees: what changes something is done for nobody without credentials, however the node is configured, since any page in a
 * browser on this machine reaches it; what peers of before ask for is shown without them on this machine alone, where nothing
 * says otherwise; what a stream tells is looked at again with each answer, and as soon as somebody is taken back; who may not ask
 * at all is told so before a body is read.
 */

import { methodAccessOf } from '../operations/grpc-handlers.js';
import type { Operation } from '../operations/operation.js';
import type { Access, ShownCertificate } from './access.js';
import { Admitted } from './admitted.js';
import type { MethodAccess } from './roles.js';

/** What it says of itself: an operation, or a page of the node's own. */
export type AskedFor = Pick<Operation, 'service' | 'name' | 'kind' | 'roles' | 'choosesProgram' | 'worker'>;

/** What was asked for. */
export interface AskedOverHttp {
  readonly operation: AskedFor;
  /** Of a system that peers called before there were credentials. */
  readonly servedAsBefore: boolean;
  /** Undefined before its body was read: then whom it speaks for is asked later. */
  readonly request: object | undefined;
  /** Of the caller, without its port. */
  readonly address: string;
  /** Both ends of its connection are on this machine. */
  readonly isLocal: boolean;
  /** The header of that name. */
  readonly authorization: string | undefined;
  readonly certificate?: ShownCertificate | undefined;
}

/** Who was let in. */
export interface LetIn {
  /** Undefined when nobody had to be known. */
  readonly name: string | undefined;
  /** To whom its keys belong: whoever gets the name later is somebody else. */
  readonly identity?: string | undefined;
  /** Of a stream: may it go on? @throws OwlError kind `unauthenticated` or `forbidden` */
  check(): void;
}

/** @throws OwlError kind `unauthenticated`, `forbidden` or `unavailable` */
export type Authorise = (asked: AskedOverHttp) => LetIn;

export function authoriseBy(access: Access): Authorise {
  return (asked) => {
    const declared = httpAccessOf(asked);
    if (access.isOpenTo(declared)) return ANYBODY;
    const { operation, request } = asked;
    const name = `${operation.service}/${operation.name} over HTTP`;
    const admitted = new Admitted(name, access, declared, () => access.identify(asked));
    const check = () => (request === undefined ? admitted.checkCaller() : admitted.check(request));
    check();
    return { name: admitted.name, identity: admitted.identity, check };
  };
}

const ANYBODY: LetIn = { name: undefined, check: () => undefined };

function httpAccessOf({ operation, servedAsBefore, isLocal }: AskedOverHttp): MethodAccess {
  const { kind } = operation;
  const declared = methodAccessOf(operation);
  if (kind === 'decision') return { ...declared, withoutCredentials: 'never' };
  return servedAsBefore && isLocal ? { withoutCredentials: 'as-before', ...declared } : declared;
}
