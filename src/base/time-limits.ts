/**
 * Limits of time for many things that hardly ever reach theirs, on one timer.
 *
 * Guarantee: what is not ended before runs once, when its time has come, and in a turn of its own. Setting and ending a limit
 * arm no timer as long as one is armed for an earlier moment, which is so nearly always where limits of a length follow each other.
 */

import type { Clock } from './clock.js';

export interface TimeLimit {
  /** In running time. */
  readonly at: number;
  readonly run: () => void;
}

export class TimeLimits {
  private readonly clock: Clock;
  private readonly limits = new Set<TimeLimit>();
  private armed: { readonly at: number; readonly cancel: () => void } | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Calls `run` once `delayMs` from now. It must not throw. */
  set(delayMs: number, run: () => void): TimeLimit {
    const limit = { at: this.clock.monotonic() + delayMs, run };
    this.limits.add(limit);
    this.armFor(limit.at);
    return limit;
  }

  end(limit: TimeLimit): void {
    this.limits.delete(limit);
  }

  private armFor(at: number): void {
    if (this.armed !== undefined && this.armed.at <= at) return;
    this.armed?.cancel();
    const cancel = this.clock.after(at - this.clock.monotonic(), () => {
      this.armed = undefined;
      this.runDue();
    });
    this.armed = { at, cancel };
  }

  private runDue(): void {
    const now = this.clock.monotonic();
    for (const limit of [...this.limits]) {
      if (limit.at > now || !this.limits.delete(limit)) continue;
      limit.run();
    }
    let first = Number.POSITIVE_INFINITY;
    for (const { at } of this.limits) if (at < first) first = at;
    if (this.limits.size > 0) this.armFor(first);
  }
}
