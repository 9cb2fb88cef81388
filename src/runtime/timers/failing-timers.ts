/**
 * Timers whose command has failed, and where each of them waits to be tried again.
 *
 * Guarantee: those that fail for a reason of their own (a stream that nobody can read, a fault of the program) take up no more than
 * `MOST_HELD` of the places that timers are fired in: the others of them wait in the table, and of these only so many come again
 * within a second, however many they are. What fails because the store does is everyone's matter and no reason to wait so long.
 */

import type { Clock } from '../../base/clock.js';
import { messageOf, OwlError } from '../../base/errors.js';
import { keyOf, type Timer, type TimerTable } from './timer-table.js';

const MOST_HELD = 256;
const PUT_OFF_MS = 60_000;
/** From one that was put off to the next. */
const APART_MS = 5;
const LOOKS_APART_MS = 1000;

export class FailingTimers {
  private readonly clock: Clock;
  /** By key: why it failed last. */
  private readonly reasons = new Map<string, string>();
  /** Of these, those that failed for a reason of their own. */
  private readonly own = new Set<string>();
  /** Until when the last one was put off, in running time: the wall's may be set. Milliseconds. */
  private lastUntil = 0;
  private lastPutOff = '';

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Those that wait in memory. */
  get size(): number {
    return this.reasons.size;
  }

  has(key: string): boolean {
    return this.reasons.has(key);
  }

  /** It is to be tried again from memory. */
  add(key: string, error: unknown): void {
    this.reasons.set(key, messageOf(error));
    if (isEveryones(error)) this.own.delete(key);
    else this.own.add(key);
  }

  delete(key: string): void {
    this.reasons.delete(key);
    this.own.delete(key);
  }

  /**
   * Keeps one that has failed, or leaves it to the table where there is no more room.
   * @returns true when it is to be tried again from memory
   * @throws what the database throws
   */
  keep(table: TimerTable, timer: Timer, error: unknown): boolean {
    const { own } = this;
    const key = keyOf(timer);
    const others = own.has(key) ? own.size - 1 : own.size;
    if (isEveryones(error) || others < MOST_HELD) {
      this.add(key, error);
      return true;
    }
    const now = this.clock.monotonic();
    this.lastUntil = Math.max(now + PUT_OFF_MS, this.lastUntil + APART_MS);
    const until = this.clock.now() + this.lastUntil - now;
    // Many come again with one look.
    table.putOff(timer, Math.ceil(until / LOOKS_APART_MS) * LOOKS_APART_MS);
    this.lastPutOff = messageOf(error);
    return false;
  }

  /** @param putOff how many wait in the table */
  lastError(putOff: number): string | undefined {
    return [...this.reasons.values()].at(-1) ?? (putOff > 0 ? this.lastPutOff : undefined);
  }
}

function isEveryones(error: unknown): boolean {
  return error instanceof OwlError && error.kind === 'unavailable';
}
