/** How late timers were carried out in the last minute or two: the most of the minute under way and of the one before. */

import type { Clock } from '../../base/clock.js';

const MINUTE_MS = 60_000;

export class Lateness {
  private readonly clock: Clock;
  private minute: number;
  private mostMs = 0;
  private mostBeforeMs = 0;

  constructor(clock: Clock) {
    this.clock = clock;
    this.minute = this.now();
  }

  /** Milliseconds; 0 when none was late. */
  get mostLateMs(): number {
    this.turn();
    return Math.max(this.mostMs, this.mostBeforeMs);
  }

  /** A timer that was due then is carried out now. */
  note(dueAt: number): void {
    this.turn();
    this.mostMs = Math.max(this.mostMs, this.clock.now() - dueAt);
  }

  private turn(): void {
    const minute = this.now();
    if (minute === this.minute) return;
    this.mostBeforeMs = minute === this.minute + 1 ? this.mostMs : 0;
    this.mostMs = 0;
    this.minute = minute;
  }

  private now(): number {
    return Math.floor(this.clock.monotonic() / MINUTE_MS);
  }
}
