/**
 * A read model: a table, or several that change together, and how events change them. Plain data and prepared statements; when
 * it runs, how far it got and what happens to an event it can't take is the projector's business.
 */

import type { Database } from '../../base/sql.js';
import type { RecordedEvent } from '../event-store/event-store.js';

export interface ProjectionTable {
  readonly table: string;
  /** The CREATE TABLE statement for the given table name (a rebuild fills a table of another name). */
  createTable(table: string): string;
  /** CREATE INDEX statements for the canonical table, run once it is filled. */
  readonly indexes: readonly string[];
}

export interface Projection extends ProjectionTable {
  /** Names the checkpoint, and the read model to operators. */
  readonly name: string;
  /** Raise it when table or logic change: the read model is rebuilt from the events at the next start. */
  readonly version: number;
  /** Only events of these categories reach `apply`. */
  readonly categories: readonly string[];
  /** Tables that change with the first in one transaction, under one checkpoint, and are rebuilt and swapped in with it. */
  readonly otherTables?: readonly ProjectionTable[];
  /** Prepares the statements for the given tables: the first, and the others as they are listed. */
  writer(db: Database, table: string, ...otherTables: string[]): ProjectionWriter;
}

/** What has these names in the database of the read models is the runtime's, or the embedded store's where both are one file. */
export const RUNTIME_TABLES: readonly string[] = [
  ...['streams', 'events', 'event_shapes', 'event_sources', 'stored_events', 'marks', 'write_probe'],
  ...['checkpoints', 'parked_events', 'reactor_progress', 'timers', 'actor_snapshots'],
];

/** Its tables, the first one first. */
export function tablesOf(projection: Projection): readonly ProjectionTable[] {
  return [projection, ...(projection.otherTables ?? [])];
}

export interface ProjectionWriter {
  /**
   * Changes rows for these events, in their order, inside the projector's transaction. They are all the events of it, so what is
   * counted over them is counted once. Everything in a row comes from the events and the rows: no clock, nothing kept from one
   * call to the next but what each writing by it makes sure of, so that a rebuild gives the same tables. Throwing rolls all of them
   * back; they are then given one by one, each in a transaction of its own, and the one that throws again is parked. `ORDER_ACCEPTED`
   * is given too, where orders have ids: it changes nothing but the revision.
   */
  apply(events: readonly RecordedEvent[]): void;
  /** Somebody else may have written the rows: nothing that is kept of them counts. */
  forget?(): void;
  /**
   * The stream of this `CUT_OFF` was deleted or cut off by hand, so nothing more comes of it: a row must not say for ever that
   * something is under way. Runs as `apply` does; may be told again.
   */
  cutOff?(event: RecordedEvent): void;
}
