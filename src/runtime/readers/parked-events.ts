/**
 * Events that a reader (a projection or a reactor) could not take, kept with the reason until they are driven again.
 *
 * Guarantee: of each stream they are kept and driven again in order. As long as one event of a stream is parked, the
 * later ones of that stream are parked behind it, so nothing is ever built on a hole.
 */

import { messageOf, OwlError, StoreUnavailableError } from '../../base/errors.js';
import { isTransient } from '../../base/failure-kinds.js';
import { type Database, numberIn, type SqlRow, textIn } from '../../base/sqlite.js';
import {
  CUT_OFF,
  type EventStore,
  type Position,
  type RecordedEvent,
  type StreamName,
} from '../event-store/event-store.js';

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

/** Which streams of a reader have parked events, without a query for each event of the streams that have none. */
export class BlockedStreams {
  private readonly parked: ParkedEvents;
  private readonly reader: string;
  /** May name too many: the table decides, since events are driven again elsewhere. */
  private streams: Set<StreamName>;

  constructor(parked: ParkedEvents, reader: string) {
    this.parked = parked;
    this.reader = reader;
    this.streams = new Set();
  }

  load(): void {
    this.streams = new Set(this.parked.streams(this.reader));
  }

  add(stream: StreamName): void {
    this.streams.add(stream);
  }

  /** What the stream's next event has to wait for; undefined when it need not. */
  first(stream: StreamName): ParkedEvent | undefined {
    if (this.streams.size === 0 || !this.streams.has(stream)) return undefined;
    const first = this.parked.first(this.reader, stream);
    if (first === undefined) this.streams.delete(stream);
    return first;
  }

  /** Why the stream's next event has to wait; undefined when it need not. */
  reasonFor(stream: StreamName): string | undefined {
    const first = this.first(stream);
    return first && `waits behind revision ${first.revision} of its stream, which is parked: ${first.error}`;
  }
}

export interface RedriveResult {
  /** How many succeeded and are no longer parked. */
  readonly redriven: number;
  /** How many are still parked. */
  readonly remaining: number;
}

export interface RedriveOptions {
  readonly parked: ParkedEvents;
  readonly reader: string;
  readonly store: EventStore;
  /** Only this stream; default: all. */
  readonly stream?: StreamName | undefined;
  /** What was cut off shows in what the reader has made: once it is whole again, only filling that anew mends it. */
  readonly rebuildable?: boolean;
  /** Takes the event and removes it from what is parked; throws when it still can't be taken. */
  take(event: RecordedEvent): void | Promise<void>;
}

/**
 * Tries parked events again, stream by stream and in order; a stream ends at its first event that fails again. Events
 * are read from the store anew, so that one whose schema was missing is seen through the schemas of today.
 * @throws OwlError of a transient kind, when nothing was learnt about an event: what is left is as it was
 */
export async function redriveParked(options: RedriveOptions): Promise<RedriveResult> {
  const { parked, reader, store, stream } = options;
  let redriven = 0;
  for (const each of stream === undefined ? parked.streams(reader) : [stream]) {
    for (let first = parked.first(reader, each); first !== undefined; first = parked.first(reader, each)) {
      try {
        const event = await readAgain(store, first);
        if (first.type !== CUT_OFF) await options.take(event);
        else if (options.rebuildable === true) throw isWholeAgain(first);
        else parked.remove(reader, first.position);
      } catch (error) {
        if (isTransient(error)) throw error;
        parked.failAgain(reader, first.position, error);
        break;
      }
      redriven += 1;
    }
  }
  return { redriven, remaining: parked.count(reader) };
}

/** @throws OwlError `invalid` when this very event can't be read, which says nothing against the store or other events */
async function readAgain(store: EventStore, { stream, revision }: ParkedEvent): Promise<RecordedEvent> {
  try {
    for await (const event of store.readStream(stream, { from: revision, limit: 1 })) return event;
  } catch (error) {
    if (error instanceof StoreUnavailableError) throw error;
    throw new OwlError('invalid', messageOf(error), { cause: error });
  }
  throw new OwlError(
    'invalid',
    `the event store has no revision ${revision} of ${stream}; is it the right store?`,
  );
}

function isWholeAgain({ stream, reader }: ParkedEvent): OwlError {
  return new OwlError(
    'invalid',
    `stream ${stream} was cut off and is whole again; \`owl node rebuild ${reader}\` makes of it what its events say`,
  );
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
