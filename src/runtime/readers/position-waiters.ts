/**
 * Those who wait until a reader of the event store has reached a position. Kept in order of position, so that a batch
 * that nobody waits for costs one comparison.
 */

import { OwlError } from '../../base/errors.js';
import type { Position } from '../event-store/event-store.js';

interface Waiter {
  readonly position: Position;
  readonly settle: (error?: unknown) => void;
}

export class PositionWaiters {
  /** In order of position: most wait for the newest, so they are put in from the end. */
  private readonly waiting: Waiter[] = [];

  /** Resolves with `reach(position)` or later; rejects with `rejectAll` or, with its reason, when the signal aborts. */
  add(position: Position, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const settle = (error?: unknown) => {
        signal?.removeEventListener('abort', giveUp);
        if (error === undefined) resolve();
        else reject(error);
      };
      const waiter = { position, settle };
      const giveUp = () => {
        this.waiting.splice(this.waiting.indexOf(waiter), 1);
        settle(signal?.reason ?? new OwlError('unavailable', 'the wait was given up'));
      };
      signal?.addEventListener('abort', giveUp, { once: true });
      this.insert(waiter);
    });
  }

  reach(position: Position): void {
    const { waiting } = this;
    let reached = 0;
    for (const waiter of waiting) {
      if (waiter.position > position) break;
      reached += 1;
    }
    if (reached > 0) for (const waiter of waiting.splice(0, reached)) waiter.settle();
  }

  rejectAll(error: unknown): void {
    for (const waiter of this.waiting.splice(0)) waiter.settle(error);
  }

  private insert(waiter: Waiter): void {
    let index = this.waiting.length;
    for (let before = this.waiting[index - 1]; before !== undefined; before = this.waiting[index - 1]) {
      if (before.position <= waiter.position) break;
      index -= 1;
    }
    this.waiting.splice(index, 0, waiter);
  }
}
