/** How long a subscription leaves an event that is known of before it looks whether it should have come. Milliseconds. */

import { Backoff } from '../../../../base/backoff.js';
import type { Clock } from '../../../../base/clock.js';

/** How long it may be on its way. */
const SETTLE_MS = 20;
/** Where others write and nothing of that matches, looks become as seldom as this, until some time nobody has written. */
const LONGEST_SETTLE_MS = 500;
/** While what was stored before is still coming; it grows with every look. */
const CATCH_UP_MS = { firstMs: 100, longestMs: 2_000 };

export class LookPauses {
  private readonly clock: Clock;
  private readonly catchUp = new Backoff(CATCH_UP_MS);
  private settleMs = SETTLE_MS;
  private lookedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** @param live what was stored before the subscription began has come */
  next(live: boolean): number {
    if (!live) return this.catchUp.next();
    if (this.clock.monotonic() - this.lookedAt > LONGEST_SETTLE_MS) this.settleMs = SETTLE_MS;
    return this.settleMs;
  }

  /** Something has come by itself. */
  heard(): void {
    this.settleMs = SETTLE_MS;
  }

  /** @param inVain nothing was to come */
  looked(inVain: boolean): void {
    this.lookedAt = this.clock.monotonic();
    if (inVain) this.settleMs = Math.min(2 * this.settleMs, LONGEST_SETTLE_MS);
  }
}
