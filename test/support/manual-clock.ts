/**
 * A clock that stands still until a test moves it. Guarantees that what is due runs in order of its time, each at its
 * time, also what is set while the clock moves; only a pause lets it run late, as a process does that was stopped.
 */

import type { Clock } from '../../src/base/clock.js';

interface Alarm {
  readonly at: number;
  readonly run: () => void;
}

export class ManualClock implements Clock {
  private wallTime: number;
  private running = 0;
  private boot: number;
  private readonly alarms = new Set<Alarm>();

  /**
   * @param startsAt milliseconds since the Unix epoch
   * @param bootedMs how long the machine is up already
   */
  constructor(startsAt = Date.UTC(2024, 0, 1), bootedMs = 86_400_000) {
    this.wallTime = startsAt;
    this.boot = bootedMs;
  }

  now(): number {
    return this.wallTime;
  }

  monotonic(): number {
    return this.running;
  }

  sinceBoot(): number {
    return this.boot;
  }

  after(delayMs: number, run: () => void): () => void {
    const alarm = { at: this.running + Math.max(delayMs, 0), run };
    this.alarms.add(alarm);
    return () => this.alarms.delete(alarm);
  }

  /** How many alarms are set. */
  get pending(): number {
    return this.alarms.size;
  }

  /** Moves the clock on and runs what is due. */
  advance(ms: number): void {
    const end = this.running + ms;
    for (let next = this.first(end); next !== undefined; next = this.first(end)) {
      this.alarms.delete(next);
      this.pass(Math.max(next.at - this.running, 0));
      next.run();
    }
    this.pass(end - this.running);
  }

  /** Nothing runs for that long, and then everything that has become due. */
  pause(ms: number): void {
    this.pass(ms);
    this.advance(0);
  }

  /** The machine sleeps: what measures running time stands still. */
  sleep(ms: number): void {
    this.wallTime += ms;
    this.boot += ms;
  }

  /** Somebody sets the wall clock, forward or back. */
  step(ms: number): void {
    this.wallTime += ms;
  }

  private pass(ms: number): void {
    this.running += ms;
    this.wallTime += ms;
    this.boot += ms;
  }

  private first(end: number): Alarm | undefined {
    let first: Alarm | undefined;
    for (const alarm of this.alarms) {
      if (alarm.at <= end && (first === undefined || alarm.at < first.at)) first = alarm;
    }
    return first;
  }
}
