/**
 * One reader's own view of its checkpoint (checkpoints.ts).
 *
 * Guarantees: it moves only from where the database has it, inside the transaction of what was taken; moves over events of no
 * interest are written now and then, so that they cost no transaction for each batch.
 */

import type { Clock } from '../../base/clock.js';
import { OwlError } from '../../base/errors.js';
import { type EventPlace, type Position, START } from '../event-store/event-store.js';
import {
  type Checkpoint,
  CheckpointMovedError,
  type Checkpoints,
  LOST,
  LostHistoryError,
} from './checkpoints.js';

export interface CursorOptions {
  readonly checkpoints: Checkpoints;
  readonly reader: string;
  readonly version: number;
  readonly clock: Clock;
  /** A checkpoint that moves over nothing of interest is written at most this often. Milliseconds, default 5000. */
  readonly restMs?: number | undefined;
}

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
    this.restedAt = options.clock.monotonic();
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
    if (saved.version === LOST) throw new LostHistoryError(this.reader);
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
   * @param last the last event that was taken on the way, if there was one
   * @throws CheckpointMovedError when another reader was faster: roll back and `load`
   */
  move(to: Position, last?: EventPlace): void {
    this.checkpoints.move(this.reader, this.at, to, last);
  }

  confirm(to: Position): void {
    this.at = { version: this.at.version, position: to };
  }

  /** Writes a move over events of no interest now and then only: it must not cost a transaction per batch. */
  rest(reached: Position): void {
    if (reached <= this.at.position) return;
    const now = this.clock.monotonic();
    if (now - this.restedAt < this.restMs) return;
    this.restedAt = now;
    this.settle(reached);
  }

  /**
   * Writes where the reader got to, if that is further than what the database says.
   * @param last the last event that was taken on the way, if there was one
   */
  settle(reached: Position, last?: EventPlace): void {
    if (reached <= this.at.position) return;
    try {
      this.move(reached, last);
      this.confirm(reached);
    } catch (error) {
      if (!(error instanceof CheckpointMovedError)) throw error;
      this.load();
    }
  }
}
