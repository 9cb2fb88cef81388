/**
 * Sizes of files as this node sees them, where it does: storage may be another machine's.
 *
 * Guarantee: storage that does not answer holds up no report for longer than a moment, and is left alone for a while then.
 */

import { stat } from 'node:fs/promises';
import type { Clock } from '../../../../base/clock.js';
import { limitConcurrency } from '../../../../base/limit-concurrency.js';

/** Node has four threads for this and much else. */
const AT_THE_SAME_TIME = 2;
const ANSWERS_WITHIN_MS = 1_000;
const LEFT_ALONE_MS = 60_000;

export class SeenSizes {
  private readonly clock: Clock;
  private readonly look = limitConcurrency(AT_THE_SAME_TIME);
  /** Monotonic milliseconds. */
  private leftAloneUntil = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** In bytes; undefined where there is no such file to be seen. */
  async of(path: string): Promise<number | undefined> {
    if (this.clock.monotonic() < this.leftAloneUntil) return undefined;
    return await new Promise((resolve) => {
      const cancel = this.clock.after(ANSWERS_WITHIN_MS, () => {
        this.leftAloneUntil = this.clock.monotonic() + LEFT_ALONE_MS;
        resolve(undefined);
      });
      const settle = (size: number | undefined): void => {
        cancel();
        resolve(size);
      };
      this.look(() => stat(path)).then(
        (found) => settle(found.isFile() ? found.size : undefined),
        () => settle(undefined),
      );
    });
  }
}
