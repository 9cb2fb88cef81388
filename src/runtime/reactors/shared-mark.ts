/**
 * How far a reactor is on a store, for all nodes of it: the last event below which all is done (docs/decisions/0039-marks.md).
 *
 * Guarantees: a mark is gone by only where the store holds its event at its place and it is of the same categories; it says from where
 * on all is done, so nobody goes over what its writer never saw. One of other categories is a place to begin for who would begin at
 * the end, and nothing else. One that can be gone by is never replaced by one before it; what the
 * two say together is written. With it go the events that are parked below it, so that whoever begins behind them takes them over. It
 * is written when so many events or so long lie behind it, and at the end; nothing waits for that but the end, nothing fails
 * with it, and what could not be written is tried again after that time, however many events come meanwhile.
 */

import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import { messageOf, StoreUnavailableError } from '../../base/errors.js';
import type { EventPlace, EventStore, Mark, Marks, Position } from '../event-store/event-store.js';
import type { ParkedEvent } from '../readers/parked-events.js';
import { decodeMark, encodeMark, joined, type MarkValue, placeOnly } from './mark-value.js';

export interface SharedMarkOptions {
  readonly store: Pick<EventStore, 'marks' | 'holds'>;
  /** Of the mark. */
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Sorted. */
  readonly categories: readonly string[];
  /** Behind here all is done, up to `done`. */
  readonly began: () => Position;
  /** The last event below which all is done in this process; undefined where there is none yet. */
  readonly done: () => EventPlace | undefined;
  /** The newest event that any reader of this node has taken: as long as the store holds it, it is the store that was read. */
  readonly newest: () => EventPlace | undefined;
  /** The first parked events. */
  readonly parked: (limit: number) => readonly ParkedEvent[];
}

/** Written when so much lies behind the one before. */
const EVENTS = 1_000;
const AFTER_MS = 60_000;
/** A mark holds no more: with more parked events it stays where it is. */
const MOST_PARKED = 200;
/** Another node may be faster so many times. */
const TRIES = 3;

export class SharedMark {
  private readonly options: SharedMarkOptions;
  private behind = 0;
  /** What is behind could not be written, and waits for its time. */
  private isPutOff = false;
  private cancelTimer: (() => void) | undefined;
  private writing: Promise<void> = Promise.resolve();
  private isWriting = false;
  private closed = false;

  constructor(options: SharedMarkOptions) {
    this.options = options;
  }

  /**
   * The mark, if it is one to go by. One of other categories says only where its writer was: that nothing is done.
   * @throws StoreUnavailableError
   */
  async read(): Promise<MarkValue | undefined> {
    const { store, name, logger, categories } = this.options;
    try {
      const mark = await store.marks?.read(name);
      const value = mark && (await this.whole(mark));
      return value === undefined || this.isOfSame(value) ? value : placeOnly(value, categories);
    } catch (error) {
      if (error instanceof StoreUnavailableError) throw error;
      logger.warn({ mark: name, reason: messageOf(error) }, 'the mark of other nodes can not be read');
      return undefined;
    }
  }

  /** So many more events are done. */
  moved(events: number): void {
    if (this.options.store.marks === undefined || this.closed || events === 0) return;
    this.behind += events;
    if (this.behind >= EVENTS && !this.isPutOff) this.writeSoon();
    else this.cancelTimer ??= this.options.clock.after(AFTER_MS, () => this.writeSoon());
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    this.closed = true;
    this.cancelTimer?.();
    await this.writing;
    if (this.behind > 0) await this.write();
  }

  private writeSoon(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    if (this.isWriting || this.closed) return;
    this.isWriting = true;
    this.writing = this.write().finally(() => {
      this.isWriting = false;
      // What came meanwhile, or could not be written, has its time again.
      if (this.behind > 0) this.cancelTimer ??= this.options.clock.after(AFTER_MS, () => this.writeSoon());
      if (this.closed) this.cancelTimer?.();
    });
  }

  /** Never throws. What could not be written stays behind. */
  private async write(): Promise<void> {
    const { store, name, logger } = this.options;
    const { behind } = this;
    this.isPutOff = true;
    try {
      if (store.marks === undefined || !(await this.writeTo(store.marks))) return;
      this.behind -= behind;
      this.isPutOff = false;
    } catch (error) {
      logger.warn(
        { mark: name, reason: messageOf(error) },
        'the mark for other nodes could not be written; it is tried again later',
      );
    }
  }

  /** False when it can't be written now. */
  private async writeTo(marks: Marks): Promise<boolean> {
    const value = await this.current();
    if (value === undefined) return false;
    for (let tries = 0; tries < TRIES; tries++) {
      const there = await marks.read(this.options.name);
      const found = there && (await this.whole(there));
      const trusted = found && this.isOfSame(found) ? found : undefined;
      const both = trusted === undefined ? value : joined(trusted, value);
      if (both === trusted) return true;
      if (both.parked.length > MOST_PARKED) return false;
      if (await marks.write(this.options.name, encodeMark(both), there)) return true;
    }
    return false;
  }

  /** What is to be written; undefined where there is nothing, or it is better left. */
  private async current(): Promise<MarkValue | undefined> {
    const { store, began, categories, done, newest, parked } = this.options;
    const last = done();
    if (last === undefined) return undefined;
    const below = parked(MOST_PARKED + 1).filter(({ position }) => position <= last.position);
    if (below.length > MOST_PARKED) return undefined;
    for (const event of [last, newest()]) {
      if (event !== undefined && !(await store.holds(event))) return undefined;
    }
    return { began: began(), last, categories, parked: below };
  }

  /** Of this history, whatever its categories. */
  private async whole(mark: Mark): Promise<MarkValue | undefined> {
    const { store, name, logger } = this.options;
    const value = decodeMark(mark.value);
    if (value !== undefined && (await store.holds(value.last))) return value;
    const why = value === undefined ? 'it can not be read' : 'the store does not hold its event';
    logger.warn({ mark: name, why }, 'the mark of other nodes is not gone by');
    return undefined;
  }

  private isOfSame({ categories }: MarkValue): boolean {
    return categories.join() === this.options.categories.join();
  }
}
