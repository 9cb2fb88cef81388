/**
 * How far the commands of an event are that a reactor gives lazily, kept in the database of the checkpoint.
 *
 * Guarantees: it is written after each so many that were settled, and at an orderly stop, so that a restart repeats no more than those;
 * it never tells more than was settled, and is there until the checkpoint has passed the event and it is not parked; what a crash
 * leaves beyond that goes at the next start. When it can't be written now, nothing stops for it: then more is repeated.
 */

import type { Logger } from 'pino';
import { type Database, missingColumns, numberIn } from '../../base/sql.js';
import type { Position, RecordedEvent } from '../event-store/event-store.js';
import { Progress } from './progress.js';
import type { ProgressKeeper } from './reaction.js';

export interface ExpansionsOptions {
  /** With the table of parked events. */
  readonly db: Database;
  /** Whose they are. */
  readonly reader: string;
  readonly logger: Logger;
  /** Written after so many commands. */
  readonly every: number;
}

interface Expansion {
  readonly position: Position;
  readonly progress: Progress;
  /** Settled since it was written. */
  unwritten: number;
  written: boolean;
}

export class Expansions implements ProgressKeeper {
  private readonly options: ExpansionsOptions;
  /** By event id: those that are under way. */
  private readonly underWay = new Map<string, Expansion>();
  /** Events of which all is settled, and something is written. */
  private readonly finished = new Map<string, Position>();
  private readonly select;
  private readonly upsert;
  private readonly deleteOne;
  private readonly deletePassed;
  private readonly deleteAll;

  constructor(options: ExpansionsOptions) {
    const { db } = options;
    this.options = options;
    createTable(db);
    this.select = db.prepare('SELECT settled FROM reactor_progress WHERE reader = ? AND event = ?');
    this.upsert = db.prepare(
      `INSERT INTO reactor_progress (reader, event, settled, position) VALUES (?, ?, ?, ?)
       ON CONFLICT (reader, event) DO UPDATE SET
         settled = max(settled, excluded.settled), position = excluded.position`,
    );
    this.deleteOne = db.prepare('DELETE FROM reactor_progress WHERE reader = ? AND event = ?');
    this.deletePassed = db.prepare(
      `DELETE FROM reactor_progress WHERE reader = ? AND position <= ? AND NOT EXISTS (
         SELECT 1 FROM parked_events AS parked
         WHERE parked.projection = reactor_progress.reader AND parked.position = reactor_progress.position)`,
    );
    this.deleteAll = db.prepare('DELETE FROM reactor_progress WHERE reader = ?');
  }

  of({ id, position }: RecordedEvent): Progress {
    const known = this.underWay.get(id);
    if (known !== undefined) return known.progress;
    const row = this.select.get(this.options.reader, id);
    const progress = new Progress(row === undefined ? 0 : numberIn(row, 'settled'));
    this.underWay.set(id, { position, progress, unwritten: 0, written: row !== undefined });
    return progress;
  }

  moved({ id }: RecordedEvent): void {
    const expansion = this.underWay.get(id);
    if (expansion === undefined) return;
    expansion.unwritten += 1;
    if (expansion.unwritten >= this.options.every) this.keep(id, expansion);
  }

  /** All commands of the event are settled. */
  done({ id, position }: RecordedEvent): void {
    const expansion = this.underWay.get(id);
    if (expansion === undefined) return;
    this.underWay.delete(id);
    if (!expansion.written) return;
    this.keep(id, expansion);
    this.finished.set(id, position);
  }

  /** The checkpoint has come to this position. */
  passed(checkpoint: Position): void {
    for (const [id, position] of this.finished) {
      if (position > checkpoint) continue;
      this.deleteOne.run(this.options.reader, id);
      this.finished.delete(id);
    }
  }

  /** Forgets what is below the checkpoint and nobody goes on with any more. */
  begin(checkpoint: Position): void {
    this.deletePassed.run(this.options.reader, checkpoint);
  }

  /** It is not gone on with for now. */
  leave({ id }: RecordedEvent): void {
    const expansion = this.underWay.get(id);
    if (expansion !== undefined) this.keep(id, expansion);
    this.underWay.delete(id);
  }

  leaveAll(): void {
    for (const [id, expansion] of this.underWay) this.keep(id, expansion);
    this.underWay.clear();
  }

  /** What was settled may be lost. */
  clear(): void {
    this.underWay.clear();
    this.finished.clear();
    this.deleteAll.run(this.options.reader);
  }

  private keep(id: string, expansion: Expansion): void {
    const { reader, logger } = this.options;
    expansion.unwritten = 0;
    expansion.written = true;
    try {
      this.upsert.run(reader, id, expansion.progress.settled, expansion.position);
    } catch (error) {
      logger.warn({ err: error, reader, event: id }, 'progress with the commands of an event not written');
    }
  }
}

/** Tables of before lack the position. */
const LATER_COLUMNS = ['position TEXT'];

function createTable(db: Database): void {
  const missing = () => missingColumns(db, 'reactor_progress', LATER_COLUMNS);
  if (missing().length === 0) return;
  db.transaction(() => {
    db.exec(
      `CREATE TABLE IF NOT EXISTS reactor_progress (
         reader TEXT NOT NULL,
         event TEXT NOT NULL,
         settled INTEGER NOT NULL,
         PRIMARY KEY (reader, event)
       ) STRICT, WITHOUT ROWID`,
    );
    for (const column of missing()) db.exec(`ALTER TABLE reactor_progress ADD COLUMN ${column}`);
  });
}
