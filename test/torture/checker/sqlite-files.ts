/**
 * The files of a node as the checker reads them: the embedded store's events and the rows of read models, with statements of its
 * own and the driver alone. The one place that knows how a row of the store is made up.
 */

import { DatabaseSync, type DatabaseSyncInstance } from '@photostructure/sqlite';
import { type Found, readEvent, type Value } from './stored-event.js';

export type Row = Readonly<Record<string, Value>>;

const EVENTS = `SELECT s.name AS stream, e.revision, e.position, lower(hex(e.id)) AS id, e.type, e.data, e.metadata, e.time,
  lower(hex(e.cause)) AS cause, h.text AS shape
  FROM events AS e JOIN streams AS s ON s.no = e.stream_no LEFT JOIN event_shapes AS h ON h.no = e.shape ORDER BY e.position`;

/** All events, in order of position. Nobody may have the file open. */
export function* eventsIn(file: string): Generator<Found> {
  const db = open(file);
  try {
    for (const row of db.prepare(EVENTS).iterate()) yield eventOf(valuesOf(row));
  } finally {
    db.close();
  }
}

/**
 * docs/decisions/0032: a shape is the list of type, version and names of fields; the data is the list of their values, or a whole object beside a shape without names.
 * What is in a column of its own is not in the metadata.
 */
function eventOf(row: Row): Found {
  const { stream, revision, position, id, data, metadata, shape } = row;
  const place = {
    stream: String(stream),
    revision: Number(revision),
    position: BigInt(position ?? 0),
    id: String(id),
    type: String(row['type']),
  };
  if (shape === null || shape === undefined) return readEvent(place, String(data), String(metadata));
  const [type, , ...names] = listOf(shape) ?? [];
  const values = listOf(data);
  if (type === undefined || (values?.length ?? 0) !== names.length)
    return { ...place, problem: 'its data does not fit its shape' };
  const fields =
    values === undefined
      ? String(data)
      : JSON.stringify(Object.fromEntries(names.map((name, index) => [String(name), values[index]])));
  const rest = metadata === '' ? '{}' : String(metadata);
  return readEvent({ ...place, type: String(type) }, fields, rest, inColumns(row));
}

/** The metadata that has columns of its own. */
function inColumns({ time, cause }: Row): Readonly<Record<string, Value>> {
  // 16 bytes in hex of what caused it, perhaps 16 of the conversation, and one more where the cause is the command's own id.
  const hex = typeof cause === 'string' ? cause : '';
  const named = hex.length % 32 === 2;
  const uuid = hex.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return { ...(typeof time === 'number' ? { time } : {}), ...(named ? { commandId: uuid } : {}) };
}

function listOf(json: Value | undefined): unknown[] | undefined {
  try {
    const list: unknown = JSON.parse(String(json));
    return Array.isArray(list) ? list : undefined;
  } catch {
    return undefined;
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
