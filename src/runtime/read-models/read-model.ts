/**
 * Applies events to the tables of one projection.
 *
 * Guarantees: the rows of a batch and the checkpoint move in one transaction, guarded by the old checkpoint, so every
 * event is applied exactly once however many projectors work on the database; an event that can't be applied is tried a
 * bounded number of times and then parked, and so is what follows it in its stream, while other streams go on; one that
 * nobody can read is parked at once, and where a stream was deleted or cut off by hand its rows say so; a failing
 * database parks nothing: its error is thrown, and the same batch can be given again.
 */

import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import { messageOf, StoreUnavailableError } from '../../base/errors.js';
import {
  CUT_OFF,
  type Position,
  type RecordedEvent,
  type StreamName,
  type SubscriptionBatch,
} from '../event-store/event-store.js';
import type { LifeCycle } from '../life-cycle/life-cycle.js';
import { CheckpointMovedError, lastOf } from '../readers/checkpoints.js';
import { Cursor } from '../readers/cursor.js';
import type { ParkedEvent } from '../readers/parked-events.js';
import { Parking } from '../readers/parking.js';
import type { Projection, ProjectionWriter } from './projection.js';
import type { ReadModelDatabase } from './read-model-tables.js';

export interface ReadModelOptions {
  readonly at: ReadModelDatabase;
  readonly projection: Projection;
  /** Names checkpoint and parked events. */
  readonly reader: string;
  /** The projection's own, or their shadows. */
  readonly tables: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lifeCycle?: LifeCycle | undefined;
  /** How often an event is tried before it is parked. */
  readonly attempts: number;
  /** Why this event can't be read, if so: it is parked without being tried. */
  readonly problemOf?: ((event: RecordedEvent) => string | undefined) | undefined;
  /** See `CursorOptions.restMs`. */
  readonly restMs?: number | undefined;
}

/** Only `apply` of the projection makes it, so whatever else fails in a transaction is the database. */
class UnappliedEventError extends Error {
  override readonly name = 'UnappliedEventError';
}

export class ReadModel {
  private readonly options: ReadModelOptions;
  private readonly cursor: Cursor;
  private readonly writer: ProjectionWriter;
  private readonly parking: Parking;

  /** The tables must exist. @throws whatever the database throws */
  constructor(options: ReadModelOptions) {
    const { at, projection, reader, tables, clock, logger, problemOf, restMs } = options;
    const [table = projection.table, ...otherTables] = tables;
    this.options = options;
    this.cursor = new Cursor({
      checkpoints: at.checkpoints,
      reader,
      version: projection.version,
      clock,
      restMs,
    });
    this.writer = projection.writer(at.db, table, ...otherTables);
    this.parking = new Parking({
      events: at.parked,
      ...{ reader, named: { projection: reader }, clock, logger, problemOf },
      lifeCycle: options.lifeCycle,
    });
    this.load();
  }

  /** The checkpoint in the database, as far as known here. */
  get position(): Position {
    return this.cursor.position;
  }

  /** Reads anew what other processes may have changed: the checkpoint, and which streams are blocked. */
  load(): void {
    this.writer.forget?.();
    this.cursor.load();
    this.parking.load();
  }

  /**
   * Applies those events of the batch that are not applied yet.
   * @throws whatever a failing database throws; nothing is lost then, `load` and give the batch again
   */
  apply(batch: SubscriptionBatch): void {
    let events = this.notYetApplied(batch.events);
    while (events.length > 0) {
      try {
        this.applyAll(events, batch.checkpoint);
      } catch (error) {
        if (!(error instanceof CheckpointMovedError)) throw error;
        this.load();
      }
      events = this.notYetApplied(events);
    }
    this.cursor.rest(batch.checkpoint);
  }

  /**
   * Applies a parked event and removes it from those. False when it is no longer parked, which changes nothing.
   * @throws why it can't be applied
   */
  applyParked(event: RecordedEvent): boolean {
    const problem = this.parking.problemOf(event);
    if (problem !== undefined) throw new UnappliedEventError(problem);
    return this.options.at.db.transaction(() => {
      const parked = this.parking.remove(event);
      if (parked) this.writer.apply([event]);
      return parked;
    });
  }

  /** Its rows say so where a stream was cut off, which only a rebuild takes back. */
  get tellsCutOffs(): boolean {
    return this.writer.cutOff !== undefined;
  }

  /** What is parked of a stream and keeps everything behind it from being applied. */
  firstParked(stream: StreamName): ParkedEvent | undefined {
    return this.parking.first(stream);
  }

  /** Writes the checkpoint where it only moved over events of no interest. */
  settle(reached: Position): void {
    this.cursor.settle(reached);
  }

  private notYetApplied(events: readonly RecordedEvent[]): readonly RecordedEvent[] {
    const first = events[0];
    if (first === undefined || first.position > this.cursor.position) return events;
    return events.filter((event) => event.position > this.cursor.position);
  }

  private applyAll(events: readonly RecordedEvent[], checkpoint: Position): void {
    try {
      this.commit(events, checkpoint);
    } catch (error) {
      if (!(error instanceof UnappliedEventError)) throw error;
      for (const event of events) this.applyOne(event);
    }
  }

  private applyOne(event: RecordedEvent): void {
    const { attempts } = this.options;
    for (let attempt = 1; ; attempt++) {
      try {
        this.commit([event], event.position);
        return;
      } catch (error) {
        if (!(error instanceof UnappliedEventError)) throw error;
        if (attempt < attempts) continue;
        this.commitParked(event, messageOf(error));
        return;
      }
    }
  }

  private commit(events: readonly RecordedEvent[], checkpoint: Position): void {
    this.options.at.db.transaction(() => {
      this.cursor.move(checkpoint, lastOf(events));
      this.applyOrPark(events);
    });
    this.cursor.confirm(checkpoint);
  }

  private commitParked(event: RecordedEvent, error: string): void {
    this.options.at.db.transaction(() => {
      this.cursor.move(event.position, lastOf([event]));
      this.parking.park(event, error, this.options.attempts);
    });
    this.cursor.confirm(event.position);
  }

  private applyOrPark(events: readonly RecordedEvent[]): void {
    const good = events.filter((event) => !this.parking.parkUntried(event));
    try {
      if (good.length > 0) this.writer.apply(good);
      // What is behind it in its stream is parked, so it comes last.
      for (const event of events) if (event.type === CUT_OFF) this.writer.cutOff?.(event);
    } catch (error) {
      if (error instanceof StoreUnavailableError) throw error;
      throw new UnappliedEventError(messageOf(error), { cause: error });
    }
  }
}
