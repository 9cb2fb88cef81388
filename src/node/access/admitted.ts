/**
 * A call that was admitted and goes on: who made it may be taken back meanwhile.
 *
 * Guarantee: each look is at who is known at that moment; as long as nothing changed there, it costs a look at the file.
 */

import type { Admission } from '../serving/callers.js';
import type { Access, Caller } from './access.js';
import type { MethodAccess } from './roles.js';

export class Admitted implements Admission {
  private readonly operation: string;
  private readonly access: Access;
  private readonly declared: MethodAccess;
  private readonly identify: () => Caller;
  private mark: string;
  private caller: Caller;

  /** @throws OwlError kind `unavailable` while who is known can't be read */
  constructor(operation: string, access: Access, declared: MethodAccess, identify: () => Caller) {
    this.operation = operation;
    this.access = access;
    this.declared = declared;
    this.identify = identify;
    this.mark = access.mark;
    this.caller = identify();
  }

  get name(): string | undefined {
    return this.caller.name;
  }

  get identity(): string | undefined {
    return this.caller.identity;
  }

  /** @throws OwlError kind `unauthenticated`, `forbidden` or `unavailable` */
  check(request: unknown): void {
    this.lookAtCaller();
    const { access, operation, declared, caller } = this;
    access.authorise(operation, declared, caller, () => workerIn(declared, request));
  }

  /** The same where whom the messages speak for is seen as they come. */
  checkCaller(): void {
    this.lookAtCaller();
    const { access, operation, declared, caller } = this;
    access.authorise(operation, declared, caller, () => caller.workerId);
  }

  private lookAtCaller(): void {
    const { mark } = this.access;
    if (mark === this.mark) return;
    this.caller = this.identify();
    this.mark = mark;
  }
}

function workerIn(declared: MethodAccess, request: unknown): string | undefined {
  return typeof request === 'object' && request !== null ? declared.workerIn?.(request) : undefined;
}
