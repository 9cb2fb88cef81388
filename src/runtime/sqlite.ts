/**
 * The one file that imports the SQLite driver.
 *
 * Guarantees: a transaction is committed as a whole or not at all, and survives the death of the process once committed;
 * it survives power loss once a `sync` that began after it has resolved. The log of a file is sequential and so are its
 * checksums: what is lost with the power is the newest transactions, never one in the middle. Whatever file system, lock
 * or disk do wrong arrives as a StoreUnavailableError that says what to do. Everything but `sync` is synchronous: a call
 * that returns is done.
 *
 * Why `sync` and not `synchronous = FULL`: the same flush of the same file, but the event loop does not stand still for it
 * (docs/decisions/0008-flushing-off-the-event-loop.md).
 */

import { closeSync, fdatasync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { DatabaseSync, type DatabaseSyncInstance, type StatementSyncInstance } from '@photostructure/sqlite';
import { messageOf, StoreUnavailableError } from './errors.js';
import { explainFailure, isLocked } from './sqlite-failures.js';

export type SqlValue = null | number | bigint | string | Uint8Array;
export type SqlRow = Record<string, SqlValue>;

export interface Statement {
  run(...parameters: SqlValue[]): { changes: number };
  get(...parameters: SqlValue[]): SqlRow | undefined;
  all(...parameters: SqlValue[]): SqlRow[];
  /** Row by row. Finish or leave the loop within the same turn of the event loop: an open one holds a read snapshot. */
  iterate(...parameters: SqlValue[]): IterableIterator<SqlRow>;
}

export interface Database {
  readonly path: string;
  exec(sql: string): void;
  prepare(sql: string): Statement;
  /** Runs `work` in one immediate transaction: committed when it returns, rolled back when it throws. Not nested. */
  transaction<T>(work: () => T): T;
  /**
   * Resolves when everything committed before the call survives power loss.
   * @throws StoreUnavailableError outcome `unknown`: what was written since the last good `sync` may be lost
   */
  sync(): Promise<void>;
  /**
   * Brings everything from the log into the file, so that the file alone is the database once the last connection is
   * closed. The driver gives the operating system's handles back when the statements have been garbage collected.
   */
  close(): void;
}

export interface OpenDatabaseOptions {
  /**
   * How long a write waits, blocking, for another process's transaction. Default 5000 ms. Connections of one process
   * never wait for each other, because no transaction outlives a turn of the event loop.
   */
  readonly busyTimeoutMs?: number;
}

const BUSY_TIMEOUT_MS = 5_000;
const flush = promisify(fdatasync);
/** SQLite's name for a database that lives in no file; it knows no WAL. */
const IN_MEMORY = ':memory:';
/** Four times the default of 1000 pages: a page that changes in many groups is copied into the database less often. */
const WAL_PAGES_BEFORE_CHECKPOINT = 4_000;
const LARGEST_IDLE_WAL_BYTES = 64 * 1024 * 1024;

/** @throws StoreUnavailableError when the file can't be opened, is no database, or lies where WAL does not work */
export function openDatabase(path: string, options: OpenDatabaseOptions = {}): Database {
  const db = new SqliteDatabase(path, openDriver(path, options.busyTimeoutMs ?? BUSY_TIMEOUT_MS));
  try {
    const journal = db.prepare('PRAGMA journal_mode = WAL').get();
    if (journal?.['journal_mode'] !== 'wal' && path !== IN_MEMORY) {
      throw new StoreUnavailableError(
        `${path} can't be opened in WAL mode; network file systems can't do it, put the file on a local disk`,
        'refused',
      );
    }
    db.exec(
      `PRAGMA synchronous = NORMAL;
       PRAGMA wal_autocheckpoint = ${WAL_PAGES_BEFORE_CHECKPOINT};
       PRAGMA journal_size_limit = ${LARGEST_IDLE_WAL_BYTES};`,
    );
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Takes the lock that a file at `path` stands for and answers how to give it back. The operating system gives it back
 * when this process dies, however it dies. Waits for nobody: undefined while someone else, or this process, holds it.
 * Nothing but this function may open the file: closing it elsewhere in the process would drop the lock on POSIX systems.
 */
export function tryLock(path: string): (() => void) | undefined {
  const driver = openDriver(path, 0);
  try {
    driver.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    driver.close();
    if (isLocked(error)) return undefined;
    throw explainFailure(error, path);
  }
  return () => {
    if (driver.isOpen) driver.close();
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

function describe(value: SqlValue | undefined): string {
  return value === null ? 'NULL' : value === undefined ? 'nothing' : `a ${typeof value}`;
}

function openDriver(path: string, timeout: number): DatabaseSyncInstance {
  try {
    return new DatabaseSync(path, { timeout, enableForeignKeyConstraints: true });
  } catch (error) {
    throw explainFailure(error, path);
  }
}

class SqliteDatabase implements Database {
  readonly path: string;
  private readonly driver: DatabaseSyncInstance;
  private readonly begin: Statement;
  private readonly commit: Statement;
  private readonly rollback: Statement;
  /** The log's file descriptor, from the first `sync` on. Its file stays as long as a connection is open. */
  private log: number | undefined;

  constructor(path: string, driver: DatabaseSyncInstance) {
    this.path = path;
    this.driver = driver;
    this.begin = this.prepare('BEGIN IMMEDIATE');
    this.commit = this.prepare('COMMIT');
    this.rollback = this.prepare('ROLLBACK');
  }

  exec(sql: string): void {
    try {
      this.driver.exec(sql);
    } catch (error) {
      throw explainFailure(error, this.path);
    }
  }

  prepare(sql: string): Statement {
    try {
      return new SqliteStatement(this.path, this.driver.prepare(sql));
    } catch (error) {
      throw explainFailure(error, this.path);
    }
  }

  transaction<T>(work: () => T): T {
    this.begin.run();
    try {
      const result = work();
      this.commit.run();
      return result;
    } catch (error) {
      this.rollBack(error);
      throw error;
    }
  }

  async sync(): Promise<void> {
    if (this.path === IN_MEMORY) return;
    try {
      this.log ??= openSync(`${this.path}-wal`, 'r+');
      await flush(this.log);
    } catch (error) {
      throw new StoreUnavailableError(
        `${this.path} could not be flushed to the disk (${messageOf(error)}); check the disk and restart the process`,
        'unknown',
        { cause: error },
      );
    }
  }

  close(): void {
    if (!this.driver.isOpen) return;
    if (this.log !== undefined) closeSync(this.log);
    this.log = undefined;
    try {
      this.driver.exec('PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // Then the log stays as it is, and whoever opens the file next reads it.
    }
    this.driver.close();
  }

  private rollBack(reason: unknown): void {
    // SQLite has already rolled back by itself after some errors, a full disk for one.
    if (!this.driver.isTransaction) return;
    try {
      this.rollback.run();
    } catch (error) {
      throw new StoreUnavailableError(
        `${this.path} could not roll back a failed transaction (${messageOf(reason)}); restart the process to open it anew`,
        'unknown',
        { cause: error },
      );
    }
  }
}

class SqliteStatement implements Statement {
  private readonly path: string;
  private readonly statement: StatementSyncInstance;

  constructor(path: string, statement: StatementSyncInstance) {
    this.path = path;
    this.statement = statement;
  }

  run(...parameters: SqlValue[]): { changes: number } {
    try {
      return this.statement.run(...parameters);
    } catch (error) {
      throw explainFailure(error, this.path);
    }
  }

  get(...parameters: SqlValue[]): SqlRow | undefined {
    try {
      return this.statement.get(...parameters);
    } catch (error) {
      throw explainFailure(error, this.path);
    }
  }

  all(...parameters: SqlValue[]): SqlRow[] {
    try {
      return this.statement.all(...parameters);
    } catch (error) {
      throw explainFailure(error, this.path);
    }
  }

  *iterate(...parameters: SqlValue[]): IterableIterator<SqlRow> {
    try {
      yield* this.statement.iterate(...parameters);
    } catch (error) {
      throw explainFailure(error, this.path);
    }
  }
}
