/**
 * Looks for appends in their streams as long as the server says nothing of them: it drops an append whose events it has written
 * and not yet indexed, when another one appends them at the same time.
 *
 * Guarantee: while answers come, an append costs an entry in a list; no timer, and nothing to read.
 */

import { Backoff } from '../../../../base/backoff.js';
import type { TimeLimit, TimeLimits } from '../../../../base/time-limits.js';

/** So long, or half as long, an append goes without an answer before it is looked for; most have one within milliseconds. */
const FIRST_LOOK_MS = 400;
const LONGEST_PAUSE_MS = 2_000;

export class LateAnswer<Found> {
  private readonly limits: TimeLimits;
  private readonly look: () => Promise<Found | undefined>;
  private readonly found: (found: Found) => void;
  private backoff: Backoff | undefined;
  private next: TimeLimit | undefined;
  private ended = false;

  /**
   * @param look undefined when it is not there; may reject
   * @param found told at most once, and not after the end
   */
  constructor(limits: TimeLimits, look: () => Promise<Found | undefined>, found: (found: Found) => void) {
    this.limits = limits;
    this.look = look;
    this.found = found;
    this.lookIn((FIRST_LOOK_MS / 2) * (1 + Math.random()));
  }

  /** Nobody needs the answer any more. */
  get isEnded(): boolean {
    return this.ended;
  }

  end(): void {
    this.ended = true;
    if (this.next !== undefined) this.limits.end(this.next);
  }

  private lookIn(delayMs: number): void {
    this.next = this.limits.set(delayMs, () => void this.lookNow());
  }

  private async lookNow(): Promise<void> {
    // Whatever keeps it from being found, the answer is still to come.
    const found = await this.look().catch(() => undefined);
    if (this.ended) return;
    if (found !== undefined) {
      this.end();
      this.found(found);
      return;
    }
    this.backoff ??= new Backoff({ firstMs: 2 * FIRST_LOOK_MS, longestMs: LONGEST_PAUSE_MS });
    this.lookIn(this.backoff.next());
  }
}
