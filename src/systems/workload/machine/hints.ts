/** Hints that wait until they are asked for, and what becomes of each: whoever brought it may have to know. */

import type { Hint } from '../wire/pilot-messages.js';

/**
 * - `granted`, `refused`: it was asked for, and answered;
 * - `unknown`: there is no such job, or the hint names none;
 * - `released`: it was not asked for, or not answered, and others may have it.
 */
export type HintOutcome = 'granted' | 'refused' | 'unknown' | 'released';

/** Called once or more often; the first time counts. */
export type HintOver = (outcome: HintOutcome) => void;

export interface HeldHint {
  readonly hint: Hint;
  readonly over: HintOver;
}

/** More than a node sends; it sends again what is forgotten. */
const MOST_HINTS = 10_000;

/** By job; of one job the newest. */
export class Hints implements Iterable<readonly [string, HeldHint]> {
  private readonly held = new Map<string, HeldHint>();

  get size(): number {
    return this.held.size;
  }

  add(hint: Hint, over: HintOver): void {
    const { job } = hint;
    if (job === undefined) {
      over('unknown');
      return;
    }
    const before = this.held.get(job);
    if (before === undefined && this.held.size >= MOST_HINTS) {
      over('released');
      return;
    }
    this.held.set(job, { hint, over });
    before?.over('refused');
  }

  /** It is asked for. */
  take(job: string): void {
    this.held.delete(job);
  }

  /** Those of which somebody hears, unlike that one. */
  releaseAnswered(nobody: HintOver): void {
    for (const [job, { over }] of [...this.held])
      if (over !== nobody) {
        this.held.delete(job);
        over('released');
      }
  }

  releaseAll(): void {
    const all = [...this.held.values()];
    this.held.clear();
    for (const { over } of all) over('released');
  }

  [Symbol.iterator](): IterableIterator<readonly [string, HeldHint]> {
    return this.held.entries();
  }
}
