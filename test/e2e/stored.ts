/** What a talent has stored, as its database holds it: to be compared before and after another version has opened it. */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Database, SqlRow } from '../../src/base/sql.js';
import { openDatabase } from '../../src/base/sqlite.js';

/** Of a database that another process may have open. */
export function withDatabase<T>(data: string, work: (db: Database) => T): T {
  const db = openDatabase(join(data, 'owl.db'));
  try {
    return work(db);
  } finally {
    db.close();
  }
}

/** The read models. */
const TABLES = ['plot_tasks', 'supervisors', 'timers'] as const;

/** Puts an index on each read model that goes with the table when another takes its place, as after a rebuild. */
export function markReadModels(data: string): void {
  withDatabase(data, (db) => {
    for (const table of TABLES)
      db.exec(`CREATE INDEX not_rebuilt_${table} ON ${table} (${firstColumn(db, table)})`);
  });
}

/**
 * How each table and index was made, the marks among them, by its name, and the page it begins at, which another one of the
 * same name would not have. The table of events is given columns by a newer version.
 */
export function schemaOf(data: string): Map<string, string> {
  return withDatabase(data, (db) => {
    const made = db.prepare('SELECT name, sql, rootpage FROM sqlite_schema ORDER BY name').all();
    return new Map(
      made.map(({ name, sql, rootpage }) => [
        String(name),
        `${rootpage}: ${name === 'events' ? '' : String(sql)}`,
      ]),
    );
  });
}

/** Where each reader of the events stands, by its name. */
export function checkpointsOf(data: string): Map<string, SqlRow> {
  const rows = withDatabase(data, (db) => db.prepare('SELECT * FROM checkpoints ORDER BY reader').all());
  return new Map(rows.map((row) => [String(row['reader']), row]));
}

/** All rows of what is made from events. */
export function readModelsOf(data: string): Record<string, SqlRow[]> {
  const tables = [...TABLES, 'actor_snapshots', 'parked_events'];
  return withDatabase(data, (db) =>
    Object.fromEntries(
      tables.map((table) => [table, db.prepare(`SELECT * FROM ${table} ORDER BY 1, 2`).all()]),
    ),
  );
}

export interface StoredEvents {
  readonly count: number;
  /** Of every byte of every column, in the order of their positions. */
  readonly digest: string;
}

/**
 * The columns that every version has.
 * @param count how many of them; default: all
 */
export function storedEvents(data: string, count = -1): StoredEvents {
  return withDatabase(data, (db) => {
    const digest = createHash('sha256');
    const rows = db
      .prepare(
        `SELECT position, stream_no, e.revision, id, type, version, data, metadata, s.name, s.category
         FROM events e JOIN streams s ON s.no = e.stream_no ORDER BY position LIMIT ?`,
      )
      .all(count);
    for (const row of rows)
      digest.update(
        JSON.stringify(row, (_key, value: unknown) =>
          value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
        ),
      );
    return { count: rows.length, digest: digest.digest('hex') };
  });
}

function firstColumn(db: Database, table: string): string {
  return String(db.prepare(`SELECT name FROM pragma_table_info('${table}') LIMIT 1`).get()?.['name']);
}
