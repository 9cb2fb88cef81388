/**
 * Who may ask for an operation over HTTP: the hook that decides it.
 *
 * Guarantee: as long as nothing says who is known, nothing that changes anything is done for anybody, and only who is on this
 * machine may look.
 */

import { OwlError } from '../../base/errors.js';
import type { Operation } from './operation.js';

/** What a caller shows. */
export interface Shown {
  /** Without its port. */
  readonly address: string;
  readonly isLoopback: boolean;
  /** The header `authorization`. */
  readonly authorization: string | undefined;
}

/** Who was let in. */
export interface Admitted {
  /** Undefined when nobody had to be known. */
  readonly name: string | undefined;
  /** Of a stream: to be asked before each of its answers. @throws OwlError kind `unauthenticated` or `forbidden` */
  check(): void;
}

/** @throws OwlError kind `unauthenticated` or `forbidden` */
export type Authorise = (operation: Operation, shown: Shown, request: object) => Admitted;

export const untilSomebodyIsKnown: Authorise = ({ kind, name }, { isLoopback }) => {
  if (kind === 'query' && isLoopback) return { name: undefined, check: () => undefined };
  throw new OwlError('unauthenticated', `${name} is done for nobody yet: this node knows no credentials`);
};
