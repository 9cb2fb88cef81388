/**
 * Writes the marks of fired timers together: all that come within one turn of the event loop are one transaction.
 *
 * Guarantee: whoever waits for its mark hears when it is committed, or why it is not.
 */

import type { Database } from '../../base/sql.js';
import type { Timer, TimerTable } from './timer-table.js';

interface Waiting {
  readonly table: TimerTable;
  readonly timer: Timer;
  readonly firedAt: number;
  settle(error?: unknown): void;
}

export class FiredMarks {
  private readonly db: Database;
  private waiting: Waiting[] = [];

  constructor(db: Database) {
    this.db = db;
  }

  /** @throws what the database throws: then none of those written with it is marked */
  write(table: TimerTable, timer: Timer, firedAt: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: unknown) => (error === undefined ? resolve() : reject(error));
      this.waiting.push({ table, timer, firedAt, settle });
      if (this.waiting.length === 1) setImmediate(() => this.writeAll());
    });
  }

  private writeAll(): void {
    const marks = this.waiting;
    this.waiting = [];
    try {
      this.db.transaction(() => {
        for (const { table, timer, firedAt } of marks) table.markFired(timer, firedAt);
      });
    } catch (error) {
      for (const { settle } of marks) settle(error);
      return;
    }
    for (const { settle } of marks) settle();
  }
}
