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

/** How each table and index was made, the marks among them, by its name; and the version of the store's own tables. */
export function schemaOf(data: string): Map<string, string> {
  return withDatabase(data, (db) => {
    const made = db.prepare('SELECT name, sql FROM sqlite_schema ORDER BY name').all();
    const version = db.prepare('PRAGMA user_version').get();
    return new Map([
      ['the version of the store', String(version?.['user_version'])],
      ...made.map(({ name, sql }): [string, string] => [String(name), String(sql)]),
    ]);
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

/** @param count how many of them; default: all */
export function storedEvents(data: string, count = -1): StoredEvents {
  return withDatabase(data, (db) => {
    const digest = createHash('sha256');
    const rows = db
      .prepare(
        'SELECT e.*, s.name, s.category FROM events e JOIN streams s ON s.no = e.stream_no ORDER BY position LIMIT ?',
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
