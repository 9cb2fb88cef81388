/**
 * The memory that the jobs of a pilot may take in all, by what each asks for.
 *
 * Guarantee: the sum of those that were let in is never more than there is; who waits is let in in order.
 */

import { AttemptError } from './failure.js';

export class MemoryBook {
  /** MiB; 0: nothing is counted. */
  readonly all: number;
  private taken = 0;
  private readonly waiting: { readonly mib: number; readonly letIn: () => void }[] = [];

  constructor(all: number) {
    this.all = all;
  }

  /** Whether one that asks for so much could ever be let in. */
  hasRoomFor(mib: number): boolean {
    return this.all === 0 || mib <= this.all;
  }

  /** @throws AttemptError when there never is that much */
  assertRoomFor(mib: number): void {
    if (this.hasRoomFor(mib)) return;
    throw new AttemptError('start_failed', `it asks for ${mib} MiB, and this pilot has ${this.all} MiB`);
  }

  /** One that runs already. */
  note(mib: number): void {
    this.taken += mib;
  }

  /** Resolves once there is room. @throws the signal's reason: then it has taken nothing */
  async take(mib: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.isFree(mib)) return this.note(mib);
    await new Promise<void>((resolve, reject) => {
      const one = {
        mib,
        letIn: () => {
          signal.removeEventListener('abort', leave);
          resolve();
        },
      };
      const leave = (): void => {
        this.waiting.splice(this.waiting.indexOf(one), 1);
        reject(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.waiting.push(one);
    });
  }

  giveBack(mib: number): void {
    this.taken -= mib;
    for (let next = this.waiting[0]; next !== undefined; next = this.waiting[0]) {
      if (this.all !== 0 && this.taken + next.mib > this.all) return;
      this.waiting.shift();
      this.note(next.mib);
      next.letIn();
    }
  }

  private isFree(mib: number): boolean {
    return this.all === 0 || (this.waiting.length === 0 && this.taken + mib <= this.all);
  }
}
