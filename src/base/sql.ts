/**
 * What readers and writers of tables see of a database: statements, rows, transactions. Which driver is behind it, and what
 * it does with files, only who opens one knows (sqlite.ts).
 */

export type SqlValue = null | number | bigint | string | Uint8Array;
export type SqlRow = Record<string, SqlValue>;

export interface Statement {
  run(...parameters: SqlValue[]): { changes: number; lastInsertRowid: number | bigint };
  get(...parameters: SqlValue[]): SqlRow | undefined;
  all(...parameters: SqlValue[]): SqlRow[];
  /** Row by row. Finish or leave the loop within the same turn of the event loop: an open one holds a read snapshot. */
  iterate(...parameters: SqlValue[]): IterableIterator<SqlRow>;
}

/** Everything is synchronous: a call that returns is done. Throws StoreUnavailableError where the database fails. */
export interface Database {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  /** Runs `work` in one immediate transaction: committed when it returns, rolled back when it throws. Not nested. */
  transaction<T>(work: () => T): T;
}

/** The number in a column. @throws TypeError when it holds anything else: then table and query don't belong together */
export function numberIn(row: SqlRow, column: string): number {
  const value = row[column];
  if (typeof value === 'number') return value;
  throw new TypeError(`column ${column} holds ${describe(value)} where a number was expected`);
}

/** The text in a column. @throws TypeError when it holds anything else: then table and query don't belong together */
export function textIn(row: SqlRow, column: string): string {
  const value = row[column];
  if (typeof value === 'string') return value;
  throw new TypeError(`column ${column} holds ${describe(value)} where text was expected`);
}

/** Those of the columns that the table lacks, by their names. @param columns as a definition has them: `name TEXT` */
export function missingColumns(db: Database, table: string, columns: readonly string[]): string[] {
  const there = db.prepare(`PRAGMA table_info(${table})`).all();
  return columns.filter((column) => !there.some(({ name }) => name === column.split(' ')[0]));
}

function describe(value: SqlValue | undefined): string {
  return value === null ? 'NULL' : value === undefined ? 'nothing' : `a ${typeof value}`;
}
