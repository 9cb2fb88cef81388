/** Who may ask for an operation over HTTP: the hook that decides it (access/http-access.ts). */

import type { ShownCertificate } from '../access/access.js';
import type { Operation } from './operation.js';

/** What a caller shows. */
export interface Shown {
  /** Without its port. */
  readonly address: string;
  readonly isLoopback: boolean;
  /** The header `authorization`. */
  readonly authorization: string | undefined;
  /** Of the client, where TLS asked for it. */
  readonly certificate?: ShownCertificate | undefined;
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
