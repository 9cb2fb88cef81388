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

/** A statement has its shape, and a few of them are kept. */
const ROWS_OF_A_STATEMENT = 8;

/** What is looked up once in a transaction, by its name. */
export class LookedUp<T> {
  private readonly found = new Map<string, { readonly value: T }>();

  of(name: string, look: (name: string) => T): T {
    const known = this.found.get(name);
    if (known !== undefined) return known.value;
    const value = look(name);
    this.found.set(name, { value });
    return value;
  }

  /** A transaction begins. */
  begin(): void {
    this.found.clear();
  }
}

/**
 * The rows of a table, one for each stream: each says which revision of its stream it shows. An event that is in its row already
 * changes nothing, and one that would leave a hole is an error.
 */
export class StreamRows {
  private readonly statements: KeptStatements;
  private readonly table: string;
  private readonly key: string;
  /** By column, the next number, in the transaction under way. */
  private readonly numbers = new Map<string, number>();
  /** Texts of statements, by what they differ in: to make one costs as much as half of what it does. */
  private readonly texts = new Map<string, string>();

  /** @param key the column that holds the id of the stream */
  constructor(statements: KeptStatements, table: string, key: string) {
    this.statements = statements;
    this.table = table;
    this.key = key;
  }

  /** The row before the event; undefined where the event is in it already. @param columns that are asked for */
  before({ stream, revision, type }: RecordedEvent, columns: string): SqlRow | undefined {
    const sql = this.textOf(
      columns,
      () => `SELECT revision, ${columns} FROM ${this.table} WHERE ${this.key} = ?`,
    );
    const row = this.statements.of(sql).get(idOf(stream));
    if (row === undefined) throw new Error(`${stream} has no row for ${type}`);
    const shown = Number(row['revision']);
    if (revision <= shown) return undefined;
    if (revision === shown + 1) return row;
    throw new Error(`${stream} shows revision ${shown}, and ${type} is revision ${revision}`);
  }

  /** @param set column by column; its names are the program's own */
  update(event: RecordedEvent, set: Readonly<Record<string, SqlValue>>): void {
    const sql = this.updateOf(set, this.key);
    this.statements.of(sql).run(...Object.values(set), timeOf(event), event.revision, idOf(event.stream));
  }

  /**
   * The same for the row with that number, which is not looked for by its id. @returns false where it is not the stream's row, or does
   * not show the revision before the event: nothing is changed then
   */
  updateAt(
    event: RecordedEvent,
    set: Readonly<Record<string, SqlValue>>,
    [column, number]: readonly [column: string, number: number],
  ): boolean {
    const sql = this.updateOf(set, column, ` AND ${this.key} = ? AND revision = ?`);
    const { revision, stream } = event;
    const at = [number, idOf(stream), revision - 1];
    return this.statements.of(sql).run(...Object.values(set), timeOf(event), revision, ...at).changes > 0;
  }

  private updateOf(set: Readonly<Record<string, SqlValue>>, column: string, more = ''): string {
    const names = Object.keys(set);
    return this.textOf(
      `${column} ${names.join(' ')}`,
      () =>
        `UPDATE ${this.table} SET ${names.map((name) => `${name} = ?, `).join('')}update_time = ?, revision = ?
         WHERE ${column} = ?${more}`,
    );
  }

  /** A transaction begins: what was counted in the one before may have been rolled back. */
  begin(): void {
    this.numbers.clear();
  }

  /** Nothing where there is a row already. @returns whether it was inserted */
  insert(row: Readonly<Record<string, SqlValue>>): boolean {
    const names = Object.keys(row);
    const { changes } = this.statements
      .of(
        `INSERT INTO ${this.table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})
         ON CONFLICT DO NOTHING`,
      )
      .run(...Object.values(row));
    return changes > 0;
  }

  /** Rows, none of which is there, several with one statement. @param columns the same each time */
  insertAll(columns: readonly string[], rows: readonly (readonly SqlValue[])[]): void {
    for (let from = 0; from < rows.length; from += ROWS_OF_A_STATEMENT) {
      const some = rows.slice(from, from + ROWS_OF_A_STATEMENT);
      const sql = this.textOf(`${some.length}`, () => {
        const places = `(${columns.map(() => '?').join(', ')})`;
        return `INSERT INTO ${this.table} (${columns.join(', ')}) VALUES ${some.map(() => places).join(', ')}`;
      });
      this.statements.of(sql).run(...some.flat());
    }
  }

  /** @param shape what its text follows from; there are few of them */
  private textOf(shape: string, make: () => string): string {
    const known = this.texts.get(shape);
    if (known !== undefined) return known;
    const text = make();
    this.texts.set(shape, text);
    return text;
  }

  has(stream: string): boolean {
    const sql = this.textOf('has', () => `SELECT 1 FROM ${this.table} WHERE ${this.key} = ?`);
    return this.statements.of(sql).get(idOf(stream)) !== undefined;
  }

  /** The next running number. */
  next(column: string): number {
    const known = this.numbers.get(column);
    if (known !== undefined) return known;
    const row = this.statements.of(`SELECT coalesce(max(${column}), 0) + 1 AS next FROM ${this.table}`).get();
    return Number(row?.['next']);
  }

  /** All numbers before that one are those of rows now: until the transaction ends the table is not asked again. */
  goOn(column: string, next: number): void {
    this.numbers.set(column, next);
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
