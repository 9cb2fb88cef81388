/**
 * Failures that come again and again, because whoever asked asks again: told once, and again when they change.
 *
 * Guarantee: bounded; of more things that fail at once than it remembers, some are told twice and none is left out.
 */

import type { Logger } from 'pino';
import { messageOf } from './errors.js';

const REMEMBERED = 1000;

export class ToldFailures {
  /** By what failed: the message that was told last. */
  private readonly told = new Map<string, string>();
  private readonly logger: Logger;

  constructor(logger: Logger) {
    this.logger = logger;
  }

  /** Logs the error unless it is the one that was told last of the same thing. */
  tell(what: string, error: unknown, message: string, fields: object = {}): void {
    const reason = messageOf(error);
    if (this.told.get(what) === reason) return;
    // Put in anew, it is the one that is forgotten last.
    this.told.delete(what);
    this.told.set(what, reason);
    for (const [oldest] of this.told) {
      if (this.told.size <= REMEMBERED) break;
      this.told.delete(oldest);
    }
    this.logger.error({ err: error, ...fields }, message);
  }

  /** It went well: when it fails again that is news. */
  forget(what: string): void {
    if (this.told.size > 0) this.told.delete(what);
  }
}
