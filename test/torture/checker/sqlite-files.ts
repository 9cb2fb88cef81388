/**
 * The files of a node as the checker reads them: the embedded store's events and the rows of read models, with statements of its
 * own and the driver alone. The one place that knows how a row of the store is made up.
 */

import { DatabaseSync, type DatabaseSyncInstance } from '@photostructure/sqlite';
import { type Found, readEvent, type Value } from './stored-event.js';

export type Row = Readonly<Record<string, Value>>;

const EVENTS = `SELECT s.name AS stream, e.revision, e.position, lower(hex(e.id)) AS id, e.type, e.data, e.metadata
  FROM events AS e JOIN streams AS s ON s.no = e.stream_no ORDER BY e.position`;

/** All events, in order of position. Nobody may have the file open. */
export function* eventsIn(file: string): Generator<Found> {
  const db = open(file);
  try {
    for (const row of db.prepare(EVENTS).iterate()) {
      const { stream, revision, position, id, type, data, metadata } = valuesOf(row);
      const place = {
        stream: String(stream),
        revision: Number(revision),
        position: BigInt(position ?? 0),
        id: String(id),
        type: String(type),
      };
      yield readEvent(place, String(data), String(metadata));
    }
  } finally {
    db.close();
  }
}

/** What SQLite itself finds wrong with a file; empty when nothing is. */
export function damageOf(file: string): string[] {
  const db = open(file);
  try {
    const found = db.prepare('PRAGMA integrity_check').all();
    return found.flatMap((row) => Object.values(valuesOf(row)).map(String)).filter((line) => line !== 'ok');
  } finally {
    db.close();
  }
}

/** All rows of a table with all their columns, computed ones too. */
export function rowsIn(file: string, table: string): Row[] {
  const db = open(file);
  try {
    return db.prepare(`SELECT * FROM ${table}`).all().map(valuesOf);
  } finally {
    db.close();
  }
}

/** Makes the newest event of a stream one that nobody can read, as a faulty disk does. Nobody may have the file open. */
export function poison(file: string, stream: string): void {
  const db = new DatabaseSync(file);
  try {
    db.prepare(
      `UPDATE events SET data = 'poison' WHERE position =
        (SELECT max(position) FROM events WHERE stream_no = (SELECT no FROM streams WHERE name = ?))`,
    ).run(stream);
  } finally {
    db.close();
  }
}

function open(file: string): DatabaseSyncInstance {
  return new DatabaseSync(file, { readOnly: true });
}

function valuesOf(row: unknown): Row {
  const values: Record<string, Value> = {};
  if (typeof row !== 'object' || row === null) return values;
  for (const [name, value] of Object.entries(row)) {
    if (typeof value === 'bigint') values[name] = Number(value);
    else if (typeof value === 'string' || typeof value === 'number') values[name] = value;
    else values[name] = null;
  }
  return values;
}
