/**
 * The read model of durable timers: one row per stream and name, fed by the `timers.on` of every actor type.
 *
 * Guarantee: a row says what the last event that spoke of the timer said. Beside that it holds one mark that is no
 * event's: when the timer was fired, or until when one that has failed is put off. A rebuild loses the marks, so that timers which were fired but neither set again nor
 * cancelled are fired once more; they change nothing, because their command id is the same and `due` decides from the state.
 */

import { hash } from 'node:crypto';
import { type Database, numberIn, type SqlRow, textIn } from '../../base/sql.js';
import type { ActorTimers, ActorType } from '../actors/actor-type.js';
import {
  categoryOf,
  ORDER_ACCEPTED,
  type RecordedEvent,
  type StreamName,
} from '../event-store/event-store.js';
import type { Projection } from '../read-models/projection.js';

const TABLE = 'timers';
/** Columns that tables of older nodes lack, by name. */
const LATER_COLUMNS = {
  priority: 'priority INTEGER NOT NULL DEFAULT 0',
  /** Milliseconds since the Unix epoch; of one that has failed and is not to be tried before. */
  put_off_until: 'put_off_until INTEGER NOT NULL DEFAULT 0',
};
/** When it is to be fired. */
const NEXT_AT = 'max(due_at, put_off_until)';
const NEXT_INDEX = `CREATE INDEX timers_next ON ${TABLE} (${NEXT_AT}) WHERE fired_at IS NULL`;
/** What is known of a stream with parked events is not what it says. */
const READABLE = `stream NOT IN (SELECT stream FROM parked_events WHERE projection = '${TABLE}')`;
/** Raise it when the table changes; a column that is only added does not need it (`addLaterColumns`). */
const TABLE_VERSION = 1;

export interface Timer {
  readonly stream: StreamName;
  readonly name: string;
  /** Milliseconds since the Unix epoch. */
  readonly dueAt: number;
  /** Id of the event that set it. */
  readonly setBy: string;
  readonly correlationId: string;
}

export function keyOf({ setBy, stream, name }: Timer): string {
  return `${setBy}/${stream}/${name}`;
}

/**
 * @param types those that have timers. A type more or less makes another version, since its history has to be read.
 * @param set called with the due time when an event has set a timer, before that is committed
 */
export function timersProjection(types: readonly ActorType[], set: (dueAt: number) => void): Projection {
  const categories = types.map(({ category }) => category).sort();
  return {
    name: TABLE,
    version: versionOf(categories),
    categories,
    table: TABLE,
    createTable: (table) => `CREATE TABLE ${table} (
      stream TEXT NOT NULL,
      name TEXT NOT NULL,
      due_at INTEGER NOT NULL,
      set_by TEXT NOT NULL,
      correlation_id TEXT NOT NULL,
      fired_at INTEGER,
      ${LATER_COLUMNS.priority},
      ${LATER_COLUMNS.put_off_until},
      PRIMARY KEY (stream, name)
    ) STRICT, WITHOUT ROWID`,
    indexes: [`CREATE INDEX timers_due ON ${TABLE} (due_at) WHERE fired_at IS NULL`, NEXT_INDEX],
    writer: (db, table) => new TimerWriter(db, table, types, set),
  };
}

/** What tables of older nodes lack: added where it is missing, so that their rows stay. */
export function addLaterColumns(db: Database): void {
  db.transaction(() => {
    for (const table of [TABLE, `${TABLE}__rebuild`]) {
      const columns = db.prepare(`PRAGMA table_info(${table})`).all();
      if (columns.length === 0) continue;
      const lacks = Object.entries(LATER_COLUMNS).filter(([column]) =>
        columns.every(({ name }) => name !== column),
      );
      for (const [, column] of lacks) db.exec(`ALTER TABLE ${table} ADD COLUMN ${column}`);
      // That of a table under way comes with the swap.
      if (table === TABLE && lacks.some(([column]) => column === 'put_off_until')) db.exec(NEXT_INDEX);
    }
  });
}

class TimerWriter {
  private readonly timersOf = new Map<string, ActorTimers>();
  private readonly set: (dueAt: number) => void;
  private readonly upsert;
  private readonly deleteOne;

  constructor(db: Database, table: string, types: readonly ActorType[], set: (dueAt: number) => void) {
    for (const { category, timers } of types) if (timers !== undefined) this.timersOf.set(category, timers);
    this.set = set;
    this.upsert = db.prepare(
      `INSERT INTO ${table} (stream, name, due_at, set_by, correlation_id, priority) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (stream, name) DO UPDATE SET
         due_at = excluded.due_at, set_by = excluded.set_by, correlation_id = excluded.correlation_id,
         priority = excluded.priority, fired_at = NULL, put_off_until = 0`,
    );
    this.deleteOne = db.prepare(`DELETE FROM ${table} WHERE stream = ? AND name = ?`);
  }

  apply(events: readonly RecordedEvent[]): void {
    for (const event of events) this.applyOne(event);
  }

  private applyOne(event: RecordedEvent): void {
    if (event.type === ORDER_ACCEPTED) return;
    const { stream, id, metadata } = event;
    for (const change of this.timersOf.get(categoryOf(stream))?.on(event) ?? []) {
      if ('cancel' in change) this.deleteOne.run(stream, change.cancel);
      else {
        const dueAt = Math.ceil(change.dueAt);
        const { set: name, priority = 0 } = change;
        this.upsert.run(stream, name, dueAt, id, metadata.$correlationId, Math.trunc(priority));
        this.set(dueAt);
      }
    }
  }
}

/** What the scheduler asks of the table and marks in it. The table must exist, and that of parked events. */
export class TimerTable {
  private readonly selectDue;
  private readonly selectNext;
  private readonly selectOldest;
  private readonly selectPending;
  private readonly selectCount;
  private readonly updateFired;
  private readonly updatePutOff;
  private readonly selectPutOff;
  private readonly endPuttingOff;

  constructor(db: Database) {
    this.selectDue = db.prepare(
      `SELECT stream, name, due_at, set_by, correlation_id FROM ${TABLE}
       WHERE fired_at IS NULL AND ${NEXT_AT} <= ? AND ${READABLE} ORDER BY priority DESC, due_at LIMIT ?`,
    );
    this.selectOldest = db.prepare(
      `SELECT due_at FROM ${TABLE} WHERE fired_at IS NULL AND ${READABLE} ORDER BY due_at LIMIT 1`,
    );
    this.selectNext = db.prepare(
      `SELECT ${NEXT_AT} AS next_at FROM ${TABLE}
       WHERE fired_at IS NULL AND ${NEXT_AT} > ? AND ${READABLE} ORDER BY ${NEXT_AT} LIMIT 1`,
    );
    this.selectPending = db.prepare(
      `SELECT 1 FROM ${TABLE} WHERE stream = ? AND name = ? AND set_by = ? AND fired_at IS NULL AND ${READABLE}`,
    );
    this.selectCount = db.prepare(`SELECT count(*) AS pending FROM ${TABLE} WHERE fired_at IS NULL`);
    this.updateFired = db.prepare(
      `UPDATE ${TABLE} SET fired_at = ? WHERE stream = ? AND name = ? AND set_by = ?`,
    );
    this.updatePutOff = db.prepare(
      `UPDATE ${TABLE} SET put_off_until = ? WHERE stream = ? AND name = ? AND set_by = ?`,
    );
    this.selectPutOff = db.prepare(
      `SELECT count(*) AS put_off FROM ${TABLE} WHERE fired_at IS NULL AND put_off_until > ?`,
    );
    this.endPuttingOff = db.prepare(`UPDATE ${TABLE} SET put_off_until = 0 WHERE put_off_until > 0`);
  }

  /**
   * Those not fired yet, of higher priority first and then the earliest; without those that are put off, or of streams that can't be
   * read on.
   */
  due(now: number, limit: number): Timer[] {
    return this.selectDue.all(now, limit).map(timerOf);
  }

  /** When the first timer after `now` is due, or to be tried again. */
  nextAfter(now: number): number | undefined {
    const row = this.selectNext.get(now);
    return row === undefined ? undefined : numberIn(row, 'next_at');
  }

  /** When the earliest of all that are not fired was or will be due. */
  earliest(): number | undefined {
    const row = this.selectOldest.get();
    return row === undefined ? undefined : numberIn(row, 'due_at');
  }

  /** True while it is neither fired nor cancelled nor set anew by another event. */
  isPending(timer: Timer): boolean {
    return this.selectPending.get(timer.stream, timer.name, timer.setBy) !== undefined;
  }

  /** Leaves alone what another event has set meanwhile. */
  markFired(timer: Timer, now: number): void {
    this.updateFired.run(now, timer.stream, timer.name, timer.setBy);
  }

  /** It is not found before, unless another event sets it anew. @param until milliseconds since the Unix epoch */
  putOff(timer: Timer, until: number): void {
    this.updatePutOff.run(until, timer.stream, timer.name, timer.setBy);
  }

  /** How many have failed and wait here to be tried again. */
  countPutOff(now: number): number {
    const row = this.selectPutOff.get(now);
    return row === undefined ? 0 : numberIn(row, 'put_off');
  }

  /** What kept them from being fired may be over. */
  tryAllAgain(): void {
    this.endPuttingOff.run();
  }

  pending(): number {
    const row = this.selectCount.get();
    return row === undefined ? 0 : numberIn(row, 'pending');
  }
}

function timerOf(row: SqlRow): Timer {
  return {
    stream: textIn(row, 'stream'),
    name: textIn(row, 'name'),
    dueAt: numberIn(row, 'due_at'),
    setBy: textIn(row, 'set_by'),
    correlationId: textIn(row, 'correlation_id'),
  };
}

/** 48 bits, which a number holds exactly. */
function versionOf(categories: readonly string[]): number {
  return Number.parseInt(hash('sha1', `${TABLE_VERSION}/${categories.join('/')}`, 'hex').slice(0, 12), 16);
}
