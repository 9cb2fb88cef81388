/**
 * A read model for the projector's tests that shows every fault: the total of what was added per stream, how many events
 * were applied and the revision of the last. An event applied twice, left out or out of order makes a wrong row.
 */

import { randomUUID } from 'node:crypto';
import type { Database, SqlRow } from '../../../src/base/sql.js';
import type {
  AppendResult,
  EventStore,
  RecordedEvent,
} from '../../../src/runtime/event-store/event-store.js';
import type { Projection } from '../../../src/runtime/read-models/projection.js';

export interface TalliesOptions {
  readonly version?: number;
  /** Called before an event is applied; what it throws is the projection's error. */
  readonly before?: (event: RecordedEvent, table: string) => void;
}

export function talliesProjection({ version = 1, before }: TalliesOptions = {}): Projection {
  return {
    name: 'tallies',
    version,
    categories: ['tally'],
    table: 'tallies',
    createTable: (table) => `CREATE TABLE ${table} (
      stream TEXT PRIMARY KEY,
      total INTEGER NOT NULL,
      applied INTEGER NOT NULL,
      revision INTEGER NOT NULL CHECK (revision = applied - 1),
      note TEXT
    ) STRICT`,
    indexes: ['CREATE INDEX tallies_by_total ON tallies (total)'],
    writer: (db, table) => {
      const update = db.prepare(
        `UPDATE ${table} SET total = total + ?, applied = applied + 1, revision = ?, note = ? WHERE stream = ?`,
      );
      const insert = db.prepare(
        `INSERT INTO ${table} (stream, total, applied, revision, note) VALUES (?, ?, 1, ?, ?)`,
      );
      const applyOne = (event: RecordedEvent) => {
        before?.(event, table);
        const { amount, note } = event.data;
        if (typeof amount !== 'number') throw new Error(`amount is ${JSON.stringify(amount)}`);
        const text = typeof note === 'string' ? note : null;
        const { changes } = update.run(amount, event.revision, text, event.stream);
        if (changes === 0) insert.run(event.stream, amount, event.revision, text);
      };
      return { apply: (events) => events.forEach(applyOne) };
    },
  };
}

export function rowsOf(db: Database, table = 'tallies'): SqlRow[] {
  return db
    .prepare(`SELECT * FROM ${table} ORDER BY stream`)
    .all()
    .map((row) => ({ ...row }));
}

/** Appends one event per amount to `tally-<id>`. */
export function add(store: EventStore, id: string, ...amounts: number[]): Promise<AppendResult> {
  return appendTo(store, `tally-${id}`, amounts);
}

export function appendTo(
  store: EventStore,
  stream: string,
  amounts: readonly (number | string)[],
  note?: string,
): Promise<AppendResult> {
  return store.append(
    stream,
    'any',
    amounts.map((amount) => ({
      id: randomUUID(),
      type: 'Added',
      version: 1,
      data: { amount, ...(note === undefined ? {} : { note }) },
      metadata: { time: 1_700_000_000_000, $correlationId: 'test', $causationId: 'test' },
    })),
  );
}
