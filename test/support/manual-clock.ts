/**
 * A clock that stands still until a test moves it. Guarantees that what is due runs in order of its time, each at its
 * time, also what is set while the clock moves.
 */

import type { Clock } from '../../src/runtime/clock.js';

interface Alarm {
  readonly at: number;
  readonly run: () => void;
}

export class ManualClock implements Clock {
  private time: number;
  private readonly alarms = new Set<Alarm>();

  /** @param startsAt milliseconds since the Unix epoch */
  constructor(startsAt = Date.UTC(2024, 0, 1)) {
    this.time = startsAt;
  }

  now(): number {
    return this.time;
  }

  after(delayMs: number, run: () => void): () => void {
    const alarm = { at: this.time + Math.max(delayMs, 0), run };
    this.alarms.add(alarm);
    return () => this.alarms.delete(alarm);
  }

  /** How many alarms are set. */
  get pending(): number {
    return this.alarms.size;
  }

  /** Moves the clock on and runs what is due. */
  advance(ms: number): void {
    const end = this.time + ms;
    for (let next = this.first(end); next !== undefined; next = this.first(end)) {
      this.alarms.delete(next);
      this.time = Math.max(this.time, next.at);
      next.run();
    }
    this.time = end;
  }

  private first(end: number): Alarm | undefined {
    let first: Alarm | undefined;
    for (const alarm of this.alarms) {
      if (alarm.at <= end && (first === undefined || alarm.at < first.at)) first = alarm;
    }
    return first;
  }
}
