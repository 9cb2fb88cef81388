/** A storage that is away, or full, may be well again in a moment: what needs it is tried again in place before anybody hears of it. */

import { Backoff, wait } from '../../../base/backoff.js';
import type { Clock } from '../../../base/clock.js';
import { messageOf } from '../../../base/errors.js';
import { AttemptError } from './failure.js';

export interface StoragePatience {
  readonly clock: Clock;
  readonly logger: { warn(fields: object, message: string): void };
  /** How long. */
  readonly storagePatienceMs: number;
}

/** @throws AttemptError, or the signal's reason */
export async function whileStorageIsAway<T>(
  { clock, logger, storagePatienceMs }: StoragePatience,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const until = clock.monotonic() + storagePatienceMs;
  const backoff = new Backoff({ firstMs: 100, longestMs: 5_000 });
  let isTold = false;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      const isAway = error instanceof AttemptError && error.failureClass === 'storage_unavailable';
      if (!isAway || clock.monotonic() >= until) throw error;
      if (!isTold) logger.warn({ reason: messageOf(error) }, 'the storage is away; trying again');
      isTold = true;
    }
    await wait(clock, backoff.next(), signal);
  }
}
