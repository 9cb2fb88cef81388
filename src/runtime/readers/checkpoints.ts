/**
 * How far each reader of the event store got, in the database of its read models, so that rows and checkpoint move in
 * one transaction.
 *
 * Guarantees: a checkpoint moves only from the position its reader believes it to be at. Of two readers with one name
 * exactly one moves it; the other gets a `CheckpointMovedError`, reads it again and goes on from there. With the position
 * moves the last event that was taken, by which `KnownHistory` finds out whether the store still is the one that was read.
 */

import { OwlError } from '../../base/errors.js';
import {
  type Database,
  missingColumns,
  numberIn,
  type SqlRow,
  type SqlValue,
  textIn,
} from '../../base/sql.js';
import {
  CUT_OFF,
  type EventPlace,
  type Position,
  type RecordedEvent,
  START,
} from '../event-store/event-store.js';

export interface Checkpoint {
  /** Version of the logic that came this far; `LOST` when what it has taken is no longer in the store. */
  readonly version: number;
  readonly position: Position;
  /** The last event that was taken; undefined when it isn't known. */
  readonly last?: EventPlace | 'none' | undefined;
  /** Everything behind here was taken. Undefined where that is not known, or of no account. */
  readonly began?: Position | undefined;
  /** Categories of what was taken since it began, sorted. Undefined where that is not known, or of no account. */
  readonly categories?: readonly string[] | undefined;
}

/** No logic has this version, so whatever stands at it is made anew. */
export const LOST = -1;

/** Another reader of the same name was faster. Whatever the transaction did must be rolled back. */
export class CheckpointMovedError extends OwlError {
  override readonly name = 'CheckpointMovedError';

  constructor(reader: string, expected: Position) {
    super(
      'conflict',
      `checkpoint ${reader} is no longer at '${expected}': another reader moved it; read it again`,
    );
  }
}

/** What the reader has taken is no longer in the store: it has to begin anew. */
export class LostHistoryError extends OwlError {
  override readonly name = 'LostHistoryError';

  constructor(reader: string) {
    super(
      'unavailable',
      `the event store no longer holds what ${reader} rests on; it begins anew, ask again later`,
    );
  }
}

export class Checkpoints {
  private readonly selectOne;
  private readonly selectNewest;
  private readonly upsert;
  private readonly insert;
  private readonly update;
  private readonly updateWithLast;
  private readonly updateVersions;
  private readonly updateBeginning;
  private readonly deleteOne;

  constructor(db: Database) {
    createTable(db);
    this.selectOne = db.prepare('SELECT * FROM checkpoints WHERE reader = ?');
    this.selectNewest = db.prepare(
      `SELECT * FROM checkpoints WHERE version <> ${LOST} AND last_position > ''
       ORDER BY last_position DESC LIMIT 1`,
    );
    this.upsert = db.prepare(
      `${INSERT} ON CONFLICT (reader) DO UPDATE SET
         version = excluded.version, position = excluded.position, last_position = excluded.last_position,
         last_stream = excluded.last_stream, last_revision = excluded.last_revision, last_id = excluded.last_id`,
    );
    this.insert = db.prepare(`${INSERT} ON CONFLICT (reader) DO NOTHING`);
    this.update = db.prepare(`UPDATE checkpoints SET position = ? ${WHERE_IT_STANDS}`);
    this.updateWithLast = db.prepare(
      `UPDATE checkpoints SET position = ?, last_position = ?, last_stream = ?, last_revision = ?, last_id = ?
       ${WHERE_IT_STANDS}`,
    );
    this.updateVersions = db.prepare(`UPDATE checkpoints SET version = ${LOST}`);
    this.updateBeginning = db.prepare('UPDATE checkpoints SET began = ?, categories = ? WHERE reader = ?');
    this.deleteOne = db.prepare('DELETE FROM checkpoints WHERE reader = ?');
  }

  read(reader: string): Checkpoint | undefined {
    const row = this.selectOne.get(reader);
    return row === undefined ? undefined : checkpointOf(row);
  }

  /** The newest event that any reader has taken, and which one. */
  newest(): { readonly reader: string; readonly last: EventPlace } | undefined {
    const row = this.selectNewest.get();
    return row === undefined ? undefined : { reader: textIn(row, 'reader'), last: knownEventOf(row) };
  }

  /** Leaves alone what is said of its beginning. */
  put(reader: string, checkpoint: Checkpoint): void {
    this.upsert.run(...valuesOf(reader, checkpoint));
  }

  /** Leaves a checkpoint alone that is already there. */
  putFirst(reader: string, checkpoint: Checkpoint): void {
    this.insert.run(...valuesOf(reader, checkpoint));
  }

  /** @param categories sorted */
  putBeginning(reader: string, began: Position, categories: readonly string[]): void {
    this.updateBeginning.run(began, categories.join(' '), reader);
  }

  /**
   * @param last the last event that was taken on the way, if there was one
   * @throws CheckpointMovedError unless it stands at `from`
   */
  move(reader: string, from: Checkpoint, to: Position, last?: EventPlace): void {
    const standing = [reader, from.version, from.position];
    const { changes } =
      last === undefined
        ? this.update.run(to, ...standing)
        : this.updateWithLast.run(to, last.position, last.stream, last.revision, last.id, ...standing);
    if (changes !== 1) throw new CheckpointMovedError(reader, from.position);
  }

  /** Every reader has to begin anew: none of them can `move` any more. */
  loseAll(): void {
    this.updateVersions.run();
  }

  remove(reader: string): void {
    this.deleteOne.run(reader);
  }
}

/** The last of these events that a store can be asked for. */
export function lastOf(events: readonly RecordedEvent[]): EventPlace | undefined {
  return events.findLast(({ type }) => type !== CUT_OFF);
}

/** Everything that the reader has taken lies up to here; behind it nothing was of interest. */
export function takenUpTo({ last, position }: Checkpoint): Position {
  if (last === undefined) return position;
  return last === 'none' ? START : last.position;
}

const INSERT = `INSERT INTO checkpoints
  (reader, version, position, last_position, last_stream, last_revision, last_id, began) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
const WHERE_IT_STANDS = 'WHERE reader = ? AND version = ? AND position = ?';
/** Those that older databases lack. */
const LATER_COLUMNS = [
  'last_position TEXT',
  'last_stream TEXT',
  'last_revision INTEGER',
  'last_id TEXT',
  'began TEXT',
  'categories TEXT',
];

function createTable(db: Database): void {
  const missing = () => missingColumns(db, 'checkpoints', LATER_COLUMNS);
  if (missing().length === 0) return;
  db.transaction(() => {
    db.exec(
      `CREATE TABLE IF NOT EXISTS checkpoints (
         reader TEXT PRIMARY KEY,
         version INTEGER NOT NULL,
         position TEXT NOT NULL
       ) STRICT, WITHOUT ROWID`,
    );
    for (const column of missing()) db.exec(`ALTER TABLE checkpoints ADD COLUMN ${column}`);
  });
}

/** The start stands for no event, NULL for one that isn't known. */
function valuesOf(reader: string, { version, position, last, began }: Checkpoint): SqlValue[] {
  const known = typeof last === 'object' ? last : undefined;
  const lastPosition = last === 'none' ? START : (known?.position ?? null);
  return [
    reader,
    version,
    position,
    lastPosition,
    known?.stream ?? null,
    known?.revision ?? null,
    known?.id ?? null,
    began ?? null,
  ];
}

function checkpointOf(row: SqlRow): Checkpoint {
  const lastPosition = row['last_position'];
  return {
    version: numberIn(row, 'version'),
    position: textIn(row, 'position'),
    last: lastPosition === null ? undefined : lastPosition === START ? 'none' : knownEventOf(row),
    began: row['began'] === null ? undefined : textIn(row, 'began'),
    categories: row['categories'] === null ? undefined : textIn(row, 'categories').split(' '),
  };
}

function knownEventOf(row: SqlRow): EventPlace {
  return {
    position: textIn(row, 'last_position'),
    stream: textIn(row, 'last_stream'),
    revision: numberIn(row, 'last_revision'),
    id: textIn(row, 'last_id'),
  };
}
