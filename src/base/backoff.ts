/**
 * How long to wait before trying again: exponential, capped, with jitter so that many who failed together do not come
 * back together. The delay of attempt n lies between half and all of `min(firstMs * 2^n, longestMs)`.
 */

import type { Clock } from './clock.js';

export interface BackoffOptions {
  /** Milliseconds before the first retry. Default 50. */
  readonly firstMs?: number;
  /** No delay is longer. Milliseconds, default 10,000. */
  readonly longestMs?: number;
  /** From 0 (inclusive) to 1 (exclusive). Default `Math.random`. */
  readonly random?: () => number;
}

export class Backoff {
  private readonly firstMs: number;
  private readonly longestMs: number;
  private readonly random: () => number;
  private attempts = 0;

  constructor(options: BackoffOptions = {}) {
    this.firstMs = options.firstMs ?? 50;
    this.longestMs = options.longestMs ?? 10_000;
    this.random = options.random ?? Math.random;
  }

  /** Milliseconds to wait now; grows with every call until `reset`. */
  next(): number {
    const full = Math.min(this.firstMs * 2 ** this.attempts, this.longestMs);
    if (full < this.longestMs) this.attempts += 1;
    return full / 2 + (full / 2) * this.random();
  }

  reset(): void {
    this.attempts = 0;
  }
}

/** Resolves after `delayMs` of the given clock, or at once when the signal aborts. Never rejects. */
export function wait(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = () => {
      cancel();
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const cancel = clock.after(delayMs, finish);
    signal.addEventListener('abort', finish, { once: true });
  });
}

/** Whether the promise is settled, either way, within `withinMs` of the given clock. Never rejects: whoever wants what it comes to awaits it. */
export async function settlesWithin(
  clock: Clock,
  withinMs: number,
  promise: Promise<unknown>,
): Promise<boolean> {
  const over = new AbortController();
  const settled = promise.then(
    () => true,
    () => true,
  );
  const isSettled = await Promise.race([settled, wait(clock, withinMs, over.signal).then(() => false)]);
  over.abort();
  return isSettled;
}

/** Resolves when the signal aborts; at once when it has. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** What the promise comes to, unless the signal aborts before. @throws the signal's reason */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  // Nobody waits for it any more: a failure of it must not end the process.
  if (signal.aborted) promise.catch(() => undefined);
  signal.throwIfAborted();
  let giveUp = () => {};
  const aborted = new Promise<never>((_, reject) => {
    giveUp = () => reject(signal.reason);
    signal.addEventListener('abort', giveUp, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}
