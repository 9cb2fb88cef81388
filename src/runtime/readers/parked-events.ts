/** The table of events that readers could not take, with the reason, until they are driven again (parking.ts, redrive.ts). */

import { messageOf } from '../../base/errors.js';
import { type Database, numberIn, type SqlRow, textIn } from '../../base/sql.js';
import type { Position, RecordedEvent, StreamName } from '../event-store/event-store.js';

export interface ParkedEvent {
  /** Name of the projection or reactor. */
  readonly reader: string;
  readonly position: Position;
  readonly stream: StreamName;
  readonly revision: number;
  readonly type: string;
  /** The event as JSON, as it was when it was parked. */
  readonly event: string;
  readonly error: string;
  /** How often it was tried; 0 for one that only waits behind another of its stream. */
  readonly attempts: number;
  /** Milliseconds since the Unix epoch. */
  readonly parkedAt: number;
}

export interface ParkReason {
  readonly error: string;
  readonly attempts: number;
  readonly parkedAt: number;
}

export class ParkedEvents {
  private readonly insert;
  private readonly selectAll;
  private readonly selectFirst;
  private readonly selectStreams;
  private readonly selectCount;
  private readonly updateOne;
  private readonly deleteOne;
  private readonly deleteAll;
  private readonly renameAll;

  constructor(db: Database) {
    db.exec(
      `CREATE TABLE IF NOT EXISTS parked_events (
         projection TEXT NOT NULL,
         position TEXT NOT NULL,
         stream TEXT NOT NULL,
         revision INTEGER NOT NULL,
         type TEXT NOT NULL,
         event TEXT NOT NULL,
         error TEXT NOT NULL,
         attempts INTEGER NOT NULL,
         parked_at INTEGER NOT NULL,
         PRIMARY KEY (projection, position)
       ) STRICT;
       CREATE INDEX IF NOT EXISTS parked_events_of_stream ON parked_events (projection, stream, revision)`,
    );
    this.insert = db.prepare(
      `INSERT OR IGNORE INTO parked_events
         (projection, position, stream, revision, type, event, error, attempts, parked_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.selectAll = db.prepare('SELECT * FROM parked_events WHERE projection = ? ORDER BY position LIMIT ?');
    this.selectFirst = db.prepare(
      'SELECT * FROM parked_events WHERE projection = ? AND stream = ? ORDER BY revision LIMIT 1',
    );
    this.selectStreams = db.prepare(
      'SELECT stream FROM parked_events WHERE projection = ? GROUP BY stream ORDER BY min(position)',
    );
    this.selectCount = db.prepare('SELECT count(*) AS parked FROM parked_events WHERE projection = ?');
    this.updateOne = db.prepare(
      'UPDATE parked_events SET error = ?, attempts = attempts + 1 WHERE projection = ? AND position = ?',
    );
    this.deleteOne = db.prepare('DELETE FROM parked_events WHERE projection = ? AND position = ?');
    this.deleteAll = db.prepare('DELETE FROM parked_events WHERE projection = ?');
    this.renameAll = db.prepare('UPDATE parked_events SET projection = ? WHERE projection = ?');
  }

  /** False when it was parked already, which changes nothing. */
  add(reader: string, event: RecordedEvent, reason: ParkReason): boolean {
    const { position, stream, revision, type } = event;
    const { error, attempts, parkedAt } = reason;
    const json = JSON.stringify(event);
    return (
      this.insert.run(reader, position, stream, revision, type, json, error, attempts, parkedAt).changes === 1
    );
  }

  /** In order of position. */
  list(reader: string, limit: number): ParkedEvent[] {
    return this.selectAll.all(reader, limit).map(parkedEventOf);
  }

  count(reader: string): number {
    const row = this.selectCount.get(reader);
    return row === undefined ? 0 : numberIn(row, 'parked');
  }

  /** The one of this stream that has to succeed before all others of it. */
  first(reader: string, stream: StreamName): ParkedEvent | undefined {
    const row = this.selectFirst.get(reader, stream);
    return row === undefined ? undefined : parkedEventOf(row);
  }

  streams(reader: string): StreamName[] {
    return this.selectStreams.all(reader).map((row) => textIn(row, 'stream'));
  }

  /** False when it was no longer there. */
  remove(reader: string, position: Position): boolean {
    return this.deleteOne.run(reader, position).changes === 1;
  }

  failAgain(reader: string, position: Position, error: unknown): void {
    this.updateOne.run(messageOf(error), reader, position);
  }

  clear(reader: string): void {
    this.deleteAll.run(reader);
  }

  /** What one reader has parked takes the place of what another has. */
  replace(reader: string, by: string): void {
    this.clear(reader);
    this.renameAll.run(reader, by);
  }
}

function parkedEventOf(row: SqlRow): ParkedEvent {
  return {
    reader: textIn(row, 'projection'),
    position: textIn(row, 'position'),
    stream: textIn(row, 'stream'),
    revision: numberIn(row, 'revision'),
    type: textIn(row, 'type'),
    event: textIn(row, 'event'),
    error: textIn(row, 'error'),
    attempts: numberIn(row, 'attempts'),
    parkedAt: numberIn(row, 'parked_at'),
  };
}
