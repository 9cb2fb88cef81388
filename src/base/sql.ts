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

/** Filters come in so many shapes that not all of them are kept. */
const MOST_KEPT = 256;

/**
 * Statements by their text, prepared when they are first needed: to prepare one costs more than to ask it. One that is being
 * iterated is not asked again meanwhile.
 */
export class KeptStatements {
  private readonly db: Pick<Database, 'prepare'>;
  private readonly kept = new Map<string, Statement>();

  constructor(db: Pick<Database, 'prepare'>) {
    this.db = db;
  }

  of(sql: string): Statement {
    const known = this.kept.get(sql);
    if (known !== undefined) return known;
    if (this.kept.size >= MOST_KEPT) this.kept.clear();
    const statement = this.db.prepare(sql);
    this.kept.set(sql, statement);
    return statement;
  }
}

/** The same database, for who asks it the same again and again: its statements are kept. */
export function keepingStatements(db: Database): Database {
  const statements = new KeptStatements(db);
  return {
    exec: (sql) => db.exec(sql),
    prepare: (sql) => statements.of(sql),
    transaction: (work) => db.transaction(work),
  };
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
