/**
 * A machine that can't use the storage comes to an end with jobs sooner than all others: after some such attempts in a row its pilot takes
 * nothing for a while, so that others have them, and tries with one more then.
 */

import type { Clock } from '../../../base/clock.js';

const ATTEMPTS_IN_A_ROW = 3;
const REST_MS = 60_000;

export interface StorageRestOptions {
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly logger: { warn(fields: object, message: string): void };
}

export class StorageRest {
  private readonly options: StorageRestOptions;
  private inARow = 0;
  private untilMs = Number.NEGATIVE_INFINITY;
  private why = '';

  constructor(options: StorageRestOptions) {
    this.options = options;
  }

  /** Why nothing is taken for now; undefined where it is. */
  get reason(): string | undefined {
    return this.options.clock.monotonic() < this.untilMs ? this.why : undefined;
  }

  /** An attempt has come to an end that says that the storage can be used here. */
  noteUsed(): void {
    this.inARow = 0;
  }

  /** @param detail of an attempt that came to nothing for it @returns whether a rest begins with it */
  noteUnusable(detail: string): boolean {
    this.inARow += 1;
    if (this.inARow < ATTEMPTS_IN_A_ROW || this.reason !== undefined) return false;
    this.untilMs = this.options.clock.monotonic() + REST_MS;
    this.why = `takes nothing for a minute, for it could not use the storage ${this.inARow} times in a row: ${detail}`;
    this.options.logger.warn(
      { reason: detail, attempts: this.inARow },
      'the storage can not be used here; taking nothing for a minute',
    );
    return true;
  }
}
