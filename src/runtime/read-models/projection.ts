/**
 * A read model: one table, and how events change it. Plain data and prepared statements; when it runs, how far it got
 * and what happens to an event it can't take is the projector's business.
 */

import type { Database } from '../../base/sql.js';
import type { RecordedEvent } from '../event-store/event-store.js';

export interface Projection {
  /** Names the checkpoint, and the read model to operators. */
  readonly name: string;
  /** Raise it when table or logic change: the read model is rebuilt from the events at the next start. */
  readonly version: number;
  /** Only events of these categories reach `apply`. */
  readonly categories: readonly string[];
  readonly table: string;
  /** The CREATE TABLE statement for the given table name (a rebuild fills a table of another name). */
  createTable(table: string): string;
  /** CREATE INDEX statements for the canonical table, run once it is filled. */
  readonly indexes: readonly string[];
  /** Prepares the statements for the given table. */
  writer(db: Database, table: string): ProjectionWriter;
}

export interface ProjectionWriter {
  /**
   * Changes rows for these events, in their order, inside the projector's transaction. Everything in a row comes from the
   * events: no clock, no counter of its own, so that a rebuild gives the same table. Throwing rolls all of them back; they
   * are then given one by one, and the one that throws again is parked. `ORDER_ACCEPTED` is given too, where orders have ids:
   * it changes nothing but the revision.
   */
  apply(events: readonly RecordedEvent[]): void;
  /**
   * The stream of this `CUT_OFF` was deleted or cut off by hand, so nothing more comes of it: a row must not say for ever that
   * something is under way. Runs as `apply` does; may be told again.
   */
  cutOff?(event: RecordedEvent): void;
}
