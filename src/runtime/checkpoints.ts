/**
 * How far each reader of the event store got, in the database of its read models, so that rows and checkpoint move in
 * one transaction.
 *
 * Guarantee: a checkpoint moves only from the position its reader believes it to be at. Of two readers with one name
 * exactly one moves it; the other gets a `CheckpointMovedError`, reads it again and goes on from there.
 */

import type { Clock } from './clock.js';
import { OwlError } from './errors.js';
import { type Position, START } from './event-store/event-store.js';
import { type Database, numberIn, textIn } from './sqlite.js';

export interface Checkpoint {
  /** Version of the logic that came this far. */
  readonly version: number;
  readonly position: Position;
}

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

export class Checkpoints {
  private readonly selectOne;
  private readonly upsert;
  private readonly insert;
  private readonly update;
  private readonly deleteOne;

  constructor(db: Database) {
    db.exec(
      `CREATE TABLE IF NOT EXISTS checkpoints (
         reader TEXT PRIMARY KEY,
         version INTEGER NOT NULL,
         position TEXT NOT NULL
       ) STRICT, WITHOUT ROWID`,
    );
    this.selectOne = db.prepare('SELECT version, position FROM checkpoints WHERE reader = ?');
    this.upsert = db.prepare(
      `INSERT INTO checkpoints (reader, version, position) VALUES (?, ?, ?)
       ON CONFLICT (reader) DO UPDATE SET version = excluded.version, position = excluded.position`,
    );
    this.insert = db.prepare(
      'INSERT OR IGNORE INTO checkpoints (reader, version, position) VALUES (?, ?, ?)',
    );
    this.update = db.prepare(
      'UPDATE checkpoints SET position = ? WHERE reader = ? AND version = ? AND position = ?',
    );
    this.deleteOne = db.prepare('DELETE FROM checkpoints WHERE reader = ?');
  }

  read(reader: string): Checkpoint | undefined {
    const row = this.selectOne.get(reader);
    return row === undefined
      ? undefined
      : { version: numberIn(row, 'version'), position: textIn(row, 'position') };
  }

  put(reader: string, checkpoint: Checkpoint): void {
    this.upsert.run(reader, checkpoint.version, checkpoint.position);
  }

  /** Leaves a checkpoint alone that is already there. */
  putFirst(reader: string, checkpoint: Checkpoint): void {
    this.insert.run(reader, checkpoint.version, checkpoint.position);
  }

  /** @throws CheckpointMovedError unless it stands at `from` */
  move(reader: string, from: Checkpoint, to: Position): void {
    if (this.update.run(to, reader, from.version, from.position).changes !== 1) {
      throw new CheckpointMovedError(reader, from.position);
    }
  }

  remove(reader: string): void {
    this.deleteOne.run(reader);
  }
}

export interface CursorOptions {
  readonly checkpoints: Checkpoints;
  readonly reader: string;
  readonly version: number;
  readonly clock: Clock;
  /** A checkpoint that moves over nothing of interest is written at most this often. Milliseconds, default 5000. */
  readonly restMs?: number | undefined;
}

/** One reader's own view of its checkpoint. */
export class Cursor {
  private readonly checkpoints: Checkpoints;
  private readonly reader: string;
  private readonly clock: Clock;
  private readonly restMs: number;
  private at: Checkpoint;
  private restedAt: number;

  constructor(options: CursorOptions) {
    this.checkpoints = options.checkpoints;
    this.reader = options.reader;
    this.clock = options.clock;
    this.restMs = options.restMs ?? 5000;
    this.at = { version: options.version, position: START };
    this.restedAt = options.clock.now();
  }

  /** The position in the database, as this reader last wrote or read it. */
  get position(): Position {
    return this.at.position;
  }

  /** @throws OwlError kind `unavailable` when the checkpoint is gone or belongs to another version of the logic */
  load(): void {
    const saved = this.checkpoints.read(this.reader);
    if (saved === undefined) {
      throw new OwlError(
        'unavailable',
        `checkpoint ${this.reader} is gone from the database; start its reader again`,
      );
    }
    if (saved.version !== this.at.version) {
      throw new OwlError(
        'unavailable',
        `${this.reader} is at version ${saved.version} in the database and at ${this.at.version} here; run one version`,
      );
    }
    this.at = saved;
  }

  /**
   * Writes the new position, inside the caller's transaction; `confirm` follows once that is committed.
   * @throws CheckpointMovedError when another reader was faster: roll back and `load`
   */
  move(to: Position): void {
    this.checkpoints.move(this.reader, this.at, to);
  }

  confirm(to: Position): void {
    this.at = { version: this.at.version, position: to };
  }

  /** Writes a move over events of no interest now and then only: it must not cost a transaction per batch. */
  rest(reached: Position): void {
    if (reached <= this.at.position) return;
    const now = this.clock.now();
    if (now - this.restedAt < this.restMs) return;
    this.restedAt = now;
    this.settle(reached);
  }

  /** Writes where the reader got to, if that is further than what the database says. */
  settle(reached: Position): void {
    if (reached <= this.at.position) return;
    try {
      this.move(reached);
      this.confirm(reached);
    } catch (error) {
      if (!(error instanceof CheckpointMovedError)) throw error;
      this.load();
    }
  }
}
