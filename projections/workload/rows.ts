/** What the writers of the workload's tables have in common: values of events, and rows that show one revision after another. */

import type { KeptStatements, SqlRow, SqlValue } from '../../src/base/sql.js';
import { idOf, type JsonObject, type RecordedEvent } from '../../src/runtime/event-store/event-store.js';

/** A column's value. Bytes above 2^53 are refused where they are ordered. */
export function valueIn(data: JsonObject, name: string): SqlValue {
  const given = data[name];
  if (typeof given === 'boolean') return given ? 1 : 0;
  return typeof given === 'string' || typeof given === 'number' ? given : null;
}

/** An `int64` of an event. */
export function sizeIn(data: JsonObject, name: string): number | null {
  const given = data[name];
  return given === undefined ? null : Number(given);
}

export function timeOf({ metadata }: RecordedEvent): number {
  return metadata.time / 1000;
}

/** The records of a list. */
export function recordsIn(data: JsonObject, name: string): JsonObject[] {
  const given = data[name];
  return Array.isArray(given) ? given.filter(isRecord) : [];
}

export function recordIn(data: JsonObject, name: string): JsonObject {
  const given = data[name];
  if (isRecord(given)) return given;
  throw new Error(`the event has no ${name}`);
}

function isRecord(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The rows of a table, one for each stream: each says which revision of its stream it shows. An event that is in its row already
 * changes nothing, and one that would leave a hole is an error.
 */
export class StreamRows {
  private readonly statements: KeptStatements;
  private readonly table: string;
  private readonly key: string;

  /** @param key the column that holds the id of the stream */
  constructor(statements: KeptStatements, table: string, key: string) {
    this.statements = statements;
    this.table = table;
    this.key = key;
  }

  /** The row before the event; undefined where the event is in it already. @param columns that are asked for */
  before({ stream, revision, type }: RecordedEvent, columns: string): SqlRow | undefined {
    const row = this.statements
      .of(`SELECT revision, ${columns} FROM ${this.table} WHERE ${this.key} = ?`)
      .get(idOf(stream));
    if (row === undefined) throw new Error(`${stream} has no row for ${type}`);
    const shown = Number(row['revision']);
    if (revision <= shown) return undefined;
    if (revision === shown + 1) return row;
    throw new Error(`${stream} shows revision ${shown}, and ${type} is revision ${revision}`);
  }

  /** @param set column by column; its names are the program's own */
  update(event: RecordedEvent, set: Readonly<Record<string, SqlValue>>): void {
    const names = Object.keys(set);
    this.statements
      .of(
        `UPDATE ${this.table} SET ${names.map((name) => `${name} = ?, `).join('')}update_time = ?, revision = ?
         WHERE ${this.key} = ?`,
      )
      .run(...Object.values(set), timeOf(event), event.revision, idOf(event.stream));
  }

  /** Nothing where there is a row already. */
  insert(row: Readonly<Record<string, SqlValue>>): void {
    const names = Object.keys(row);
    this.statements
      .of(
        `INSERT INTO ${this.table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})
         ON CONFLICT DO NOTHING`,
      )
      .run(...Object.values(row));
  }

  has(stream: string): boolean {
    const found = this.statements.of(`SELECT 1 FROM ${this.table} WHERE ${this.key} = ?`).get(idOf(stream));
    return found !== undefined;
  }

  /** The next running number. */
  next(column: string): number {
    const row = this.statements.of(`SELECT coalesce(max(${column}), 0) + 1 AS next FROM ${this.table}`).get();
    return Number(row?.['next']);
  }
}

/** Counts that change by differences, each row of them written once for all events of a transaction. */
export class Differences {
  private readonly sums = new Map<string, Map<string, number>>();

  /** @param key of the row */
  add(key: string, column: string, by: number): void {
    if (by === 0) return;
    const row = this.sums.get(key) ?? new Map<string, number>();
    this.sums.set(key, row);
    row.set(column, (row.get(column) ?? 0) + by);
  }

  write(statements: KeptStatements, table: string, keyColumn: string): void {
    for (const [key, row] of this.sums) {
      const changed = [...row].filter(([, by]) => by !== 0);
      if (changed.length === 0) continue;
      const set = changed.map(([column]) => `${column} = ${column} + ?`).join(', ');
      statements
        .of(`UPDATE ${table} SET ${set} WHERE ${keyColumn} = ?`)
        .run(...changed.map(([, by]) => by), key);
    }
    this.sums.clear();
  }
}
