/**
 * The one file that imports the SQLite driver.
 *
 * Guarantees: a transaction is committed as a whole or not at all, and survives the death of the process once committed;
 * it survives power loss once a `sync` that began after it has resolved. The log of a file is sequential and so are its
 * checksums: what is lost with the power is the newest transactions, never one in the middle. Whatever file system, lock
 * or disk do wrong arrives as a StoreUnavailableError that says what to do. After an I/O error of one connection, or a
 * flush that failed, no connection of this process to the same file answers or writes anything (database-file.ts), and
 * closing it does not touch the file. Everything but `sync` is synchronous: a call that returns is done. From `waitNoMore`
 * on none blocks for another process's lock.
 *
 * Why `sync` and not `synchronous = FULL`: the same flush of the same file, but the event loop does not stand still for it
 * (docs/decisions/0008-flushing-off-the-event-loop.md).
 */

import {
  backup,
  DatabaseSync,
  type DatabaseSyncInstance,
  type StatementSyncInstance,
} from '@photostructure/sqlite';
import { DatabaseFile } from './database-file.js';
import { messageOf, StoreUnavailableError } from './errors.js';
import type { Database, SqlRow, SqlValue, Statement } from './sql.js';
import { explainFailure, isLocked } from './sqlite-failures.js';

/** A connection to a file, or to memory. */
export interface SqliteDatabase extends Database {
  readonly path: string;
  /** What all connections of this process to the same file share. */
  readonly file: DatabaseFile;
  /**
   * Resolves when everything committed before the call survives power loss.
   * @throws StoreUnavailableError outcome `unknown`: what was written since the last good `sync` may be lost
   */
  sync(): Promise<void>;
  /**
   * The same, blocking, and also for what a process before this one has left behind, whatever its own flush came to.
   * @throws StoreUnavailableError also when another process has the write lock
   */
  syncAnew(): void;
  /**
   * Copies the whole database into the file at `path`, which is made or overwritten. What is copied is what was committed when
   * the transaction began in which the caller reads; it has to begin one before and end it afterwards. Others may write meanwhile.
   * @param onProgress hears of every slice; what it throws ends the copy
   */
  copyTo(path: string, onProgress: (pages: CopiedPages) => void): Promise<void>;
  /** From now on another process's lock makes a write fail at once, outcome `refused`: who writes tries again later. */
  waitNoMore(): void;
  /**
   * Brings everything from the log into the file, so that the file alone is the database once the last connection is
   * closed. The driver gives the operating system's handles back when the statements have been garbage collected.
   */
  close(): void;
}

export interface CopiedPages {
  readonly done: number;
  readonly total: number;
}

export interface OpenDatabaseOptions {
  /**
   * How long a write waits, blocking, for another process's transaction, until `waitNoMore`. Default 5000 ms. Connections
   * of one process never wait for each other, because no transaction outlives a turn of the event loop.
   */
  readonly busyTimeoutMs?: number;
}

const BUSY_TIMEOUT_MS = 5_000;
/** Of a copy, before other work has its turn. */
const PAGES_AT_ONCE = 256;
/** Four times the default of 1000 pages: a page that changes in many groups is copied into the database less often. */
const WAL_PAGES_BEFORE_CHECKPOINT = 4_000;
const LARGEST_IDLE_WAL_BYTES = 64 * 1024 * 1024;

/** @throws StoreUnavailableError when the file can't be opened, is no database, or lies where WAL does not work */
export function openDatabase(path: string, options: OpenDatabaseOptions = {}): SqliteDatabase {
  const db = openConnection(path, options.busyTimeoutMs ?? BUSY_TIMEOUT_MS);
  try {
    const journal = db.prepare('PRAGMA journal_mode = WAL').get();
    if (journal?.['journal_mode'] !== 'wal' && !db.file.isInMemory) {
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
    // The first look into a file in WAL mode makes the log.
    db.prepare('SELECT count(*) FROM sqlite_schema').get();
    db.file.openLog();
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
export function lockFile(path: string): (() => void) | undefined {
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

function openDriver(path: string, timeout: number): DatabaseSyncInstance {
  try {
    return new DatabaseSync(path, { timeout, enableForeignKeyConstraints: true });
  } catch (error) {
    throw explainFailure(error, path);
  }
}

function openConnection(path: string, busyTimeoutMs: number): Connection {
  const file = DatabaseFile.of(path);
  try {
    return new Connection(file, openDriver(path, busyTimeoutMs));
  } catch (error) {
    file.release();
    throw error;
  }
}

/**
 * Connections to broken files. Closing the last one would bring a log into the database of which the disk may lack the
 * middle, so they are kept, and the process ends without closing them.
 */
const abandoned = new Set<DatabaseSyncInstance>();

function abandon(driver: DatabaseSyncInstance): void {
  if (abandoned.size === 0) process.once('exit', (code) => process.exit(code));
  abandoned.add(driver);
}

class Connection implements SqliteDatabase {
  readonly path: string;
  readonly file: DatabaseFile;
  private readonly driver: DatabaseSyncInstance;
  private readonly begin: Statement;
  private readonly commit: Statement;
  private closed = false;

  constructor(file: DatabaseFile, driver: DatabaseSyncInstance) {
    this.path = file.path;
    this.file = file;
    this.driver = driver;
    this.begin = this.prepare('BEGIN IMMEDIATE');
    this.commit = this.prepare('COMMIT');
  }

  exec(sql: string): void {
    attempt(this.file, () => this.driver.exec(sql));
  }

  prepare(sql: string): Statement {
    return attempt(this.file, () => new SqliteStatement(this.file, this.driver.prepare(sql)));
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
    await this.file.flush();
  }

  syncAnew(): void {
    if (this.file.isInMemory) return;
    this.begin.run();
    try {
      this.file.flushAnew();
    } finally {
      this.driver.exec('ROLLBACK');
    }
  }

  async copyTo(path: string, onProgress: (pages: CopiedPages) => void): Promise<void> {
    this.file.assertWhole();
    try {
      await backup(this.driver, path, {
        rate: PAGES_AT_ONCE,
        progress: ({ totalPages, remainingPages }) =>
          onProgress({ done: totalPages - remainingPages, total: totalPages }),
      });
    } catch (error) {
      throw explainFailure(error, this.path);
    }
  }

  waitNoMore(): void {
    this.exec('PRAGMA busy_timeout = 0');
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.file.isBroken) abandon(this.driver);
    else this.bringHome();
    this.file.release();
  }

  private bringHome(): void {
    try {
      this.driver.exec('PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // Then the log stays as it is, and whoever opens the file next reads it.
    }
    this.driver.close();
  }

  /** Also of a broken file, so that it is left without a lock. */
  private rollBack(reason: unknown): void {
    // SQLite has already rolled back by itself after some errors, a full disk for one.
    if (!this.driver.isTransaction) return;
    try {
      this.driver.exec('ROLLBACK');
    } catch (error) {
      const failure = new StoreUnavailableError(
        `${this.path} could not roll back a failed transaction (${messageOf(reason)}); start again to open it anew`,
        'unknown',
        { cause: error },
      );
      this.file.break(failure);
      throw failure;
    }
  }
}

/** @throws StoreUnavailableError where file system, lock or disk failed; a failure of unknown outcome breaks the file */
function attempt<T>(file: DatabaseFile, work: () => T): T {
  file.assertWhole();
  try {
    return work();
  } catch (error) {
    throw explained(file, error);
  }
}

function explained(file: DatabaseFile, error: unknown): unknown {
  const failure = explainFailure(error, file.path);
  if (failure instanceof StoreUnavailableError && failure.outcome === 'unknown') file.break(failure);
  return failure;
}

class SqliteStatement implements Statement {
  private readonly file: DatabaseFile;
  private readonly statement: StatementSyncInstance;

  constructor(file: DatabaseFile, statement: StatementSyncInstance) {
    this.file = file;
    this.statement = statement;
  }

  run(...parameters: SqlValue[]): { changes: number; lastInsertRowid: number | bigint } {
    return attempt(this.file, () => this.statement.run(...parameters));
  }

  get(...parameters: SqlValue[]): SqlRow | undefined {
    return attempt(this.file, () => this.statement.get(...parameters));
  }

  all(...parameters: SqlValue[]): SqlRow[] {
    return attempt(this.file, () => this.statement.all(...parameters));
  }

  *iterate(...parameters: SqlValue[]): IterableIterator<SqlRow> {
    this.file.assertWhole();
    try {
      yield* this.statement.iterate(...parameters);
    } catch (error) {
      throw explained(this.file, error);
    }
  }
}
