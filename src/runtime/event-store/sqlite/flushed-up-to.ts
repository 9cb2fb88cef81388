/**
 * Up to where the events of a SQLite file survive power loss: the one notion that all who read obey.
 *
 * Guarantees: a position counts as flushed only after a flush that began when its event was committed, by whomever;
 * nothing beyond it is given to a reader, and no answer (a duplicate, a conflict) rests on more. What was committed before
 * this process opened the file, by one that died before its flush or could not flush, is flushed when the file is opened.
 * After a flush that failed nothing is told any more (database-file.ts).
 */

import type { SqliteDatabase } from '../../../base/sqlite.js';
import type { SqliteEventLog } from './sqlite-event-log.js';

export class FlushedUpTo {
  private readonly db: SqliteDatabase;
  private readonly log: SqliteEventLog;
  private upTo: number;
  private running: Promise<void> | undefined;

  /** Blocks for one flush. @throws StoreUnavailableError */
  constructor(db: SqliteDatabase, log: SqliteEventLog) {
    this.db = db;
    this.log = log;
    const committed = log.head();
    db.syncAnew();
    this.upTo = committed;
  }

  /** Everything up to here is flushed. @throws StoreUnavailableError once nothing may be told any more */
  get position(): number {
    this.db.file.assertWhole();
    return this.upTo;
  }

  /**
   * Flushes what is committed by now and is not flushed yet, by other processes too.
   * @returns the position of the last flushed event
   * @throws StoreUnavailableError
   */
  async catchUp(): Promise<number> {
    await this.reach(this.log.head());
    return this.position;
  }

  /**
   * Resolves once this position, which must be committed, is flushed.
   * @throws StoreUnavailableError outcome `unknown` when the flush failed
   */
  async reach(position: number): Promise<void> {
    while (position > this.upTo) await (this.running ?? this.flush(position));
  }

  private flush(committed: number): Promise<void> {
    this.running = this.db.sync().then(
      () => {
        this.running = undefined;
        this.upTo = committed;
      },
      (error: unknown) => {
        this.running = undefined;
        throw error;
      },
    );
    return this.running;
  }
}
