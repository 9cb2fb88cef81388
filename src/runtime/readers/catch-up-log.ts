/**
 * Says in the log how far a reader of the event store is while it catches up for the first time, which with a long history
 * takes minutes.
 *
 * Guarantees: nothing is said of what is over within the first interval; what was begun in the log is also ended there,
 * unless the reader is stopped before.
 */

import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';

export interface CatchUpLogOptions {
  readonly reader: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** 0 to 1; undefined while nobody knows. */
  share(): number | undefined;
}

const INTERVAL_MS = 5_000;

export class CatchUpLog {
  private readonly options: CatchUpLogOptions;
  private beganAt = 0;
  private told = false;
  private isOver = false;
  private cancelNext: () => void = () => undefined;

  constructor(options: CatchUpLogOptions) {
    this.options = options;
  }

  begin(): void {
    this.beganAt = this.options.clock.monotonic();
    this.tellLater();
  }

  /** Later calls change nothing: whoever has caught up once is live. */
  done(): void {
    if (this.isOver) return;
    this.stop();
    if (!this.told) return;
    const { reader, clock, logger } = this.options;
    const seconds = (clock.monotonic() - this.beganAt) / 1000;
    logger.info({ reader, seconds }, 'caught up with what is stored');
  }

  stop(): void {
    this.isOver = true;
    this.cancelNext();
  }

  private tellLater(): void {
    this.cancelNext = this.options.clock.after(INTERVAL_MS, () => {
      this.tell();
      this.tellLater();
    });
  }

  private tell(): void {
    const { reader, logger } = this.options;
    const share = this.options.share();
    // While the store has not been reached yet, that is what the log is full of.
    if (share === undefined) return;
    this.told = true;
    logger.info({ reader, share: Math.floor(share * 1000) / 1000 }, 'catching up with what is stored');
  }
}
