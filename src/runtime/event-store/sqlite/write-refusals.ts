/**
 * Whether writes to a SQLite file are being refused lastingly: its disk is full or read-only, another program holds its lock.
 *
 * Guarantees: one refusal says nothing, a second one without a success in between is told, with its reason; from the first
 * refusal on it is tried every second, without anybody's events, whether a write works again, so that it is told too when
 * it does. Trying leaves nothing behind in the file.
 */

import type { Clock } from '../../../base/clock.js';
import { messageOf } from '../../../base/errors.js';
import type { SqliteDatabase } from '../../../base/sqlite.js';

export interface Availability {
  readonly available: boolean;
  /** For people. */
  readonly reason: string;
}

export interface WriteRefusalsOptions {
  readonly db: SqliteDatabase;
  readonly clock: Clock;
  /** Hears of every change. */
  tell(availability: Availability): void;
}

const TRY_AGAIN_MS = 1_000;
const REFUSALS_THAT_LAST = 2;

export class WriteRefusals {
  private readonly options: WriteRefusalsOptions;
  private refusals = 0;
  private lasting = false;
  private cancel: (() => void) | undefined;

  constructor(options: WriteRefusalsOptions) {
    this.options = options;
  }

  get areLasting(): boolean {
    return this.lasting;
  }

  succeeded(): void {
    if (this.refusals === 0) return;
    this.stop();
    this.refusals = 0;
    if (!this.lasting) return;
    this.lasting = false;
    this.options.tell({ available: true, reason: `${this.options.db.path} takes events again` });
  }

  refused(error: unknown): void {
    this.refusals++;
    if (this.refusals >= REFUSALS_THAT_LAST && !this.lasting) {
      this.lasting = true;
      this.options.tell({ available: false, reason: messageOf(error) });
    }
    this.cancel ??= this.options.clock.after(TRY_AGAIN_MS, () => this.tryAgain());
  }

  stop(): void {
    this.cancel?.();
    this.cancel = undefined;
  }

  private tryAgain(): void {
    this.cancel = undefined;
    const { db } = this.options;
    if (db.file.isBroken) return;
    try {
      // A table of its own needs new pages, as events do.
      db.transaction(() => db.exec('CREATE TABLE write_probe (n INTEGER); DROP TABLE write_probe'));
    } catch (error) {
      this.refused(error);
      return;
    }
    this.succeeded();
  }
}
