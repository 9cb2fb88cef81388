/**
 * Work that is done again: at a beat, or until it succeeds. Both end with a signal, and neither begins anew after it.
 *
 * Guarantee: the next time comes a pause after the end of the one before, so that slow work never runs twice at once.
 */

import { type Backoff, wait } from './backoff.js';
import type { Clock } from './clock.js';

export interface EveryOptions {
  readonly clock: Clock;
  /** Milliseconds from the end of one time to the beginning of the next. */
  readonly pauseMs: number;
  readonly signal: AbortSignal;
}

/** Now, and then every so often until the signal aborts. @throws what `work` throws: then it is not done again */
export async function every(
  { clock, pauseMs, signal }: EveryOptions,
  work: () => void | Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    await work();
    await wait(clock, pauseMs, signal);
  }
}

export interface RetryOptions {
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly signal: AbortSignal;
  /** Told of each failure, before the pause. What it throws ends the trying. */
  failed(error: unknown): void;
}

/** What `work` answers the first time that it doesn't throw; undefined once the signal has aborted. Resets the backoff. */
export async function retry<T>(
  { clock, backoff, signal, failed }: RetryOptions,
  work: () => T | Promise<T>,
): Promise<T | undefined> {
  while (!signal.aborted) {
    try {
      const done = await work();
      backoff.reset();
      return done;
    } catch (error) {
      if (signal.aborted) return undefined;
      failed(error);
    }
    await wait(clock, backoff.next(), signal);
  }
  return undefined;
}
