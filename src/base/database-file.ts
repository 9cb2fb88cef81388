/**
 * One SQLite file as this process has it open: what all its connections to that file share.
 *
 * Guarantees:
 * - the descriptor that flushes the log is opened with the file. The kernel tells of a page that could not be written to
 *   those who have the file open by then, and only once: who opens it later would never hear of it;
 * - each flush looks whether database and log still are the files at their paths. What is flushed into a file that was
 *   deleted or replaced is kept by nobody;
 * - when a flush fails, a file is gone or any connection meets an I/O error, the file is broken for all of them: nothing is
 *   read from it or written to it any more, for nobody knows what of it the disk holds, and a later flush that succeeds
 *   would not tell. Whoever listens hears of it once. It ends with the process;
 * - database and log are readable and writable for their owner only.
 */

import {
  chmodSync,
  closeSync,
  existsSync,
  fdatasync,
  fdatasyncSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { syncDirectory } from './durable-file.js';
import { messageOf, StoreUnavailableError } from './errors.js';
import { FilePlace } from './file-place.js';
import { systemErrorCode } from './system-error.js';

/** SQLite's name for a database that lives in no file; it knows no log. */
const IN_MEMORY = ':memory:';
const CHUNK_BYTES = 1024 * 1024;

const open = new Map<string, DatabaseFile>();

/** The log, from when SQLite has made it. */
interface Log {
  readonly descriptor: number;
  /** Database and log: what a flush rests on. */
  readonly places: readonly FilePlace[];
  /**
   * The index, by which connections of several processes know of each other; of no interest to a flush. It is elsewhere when
   * this process has had the file open under another name.
   */
  readonly index: readonly FilePlace[];
}

export class DatabaseFile {
  readonly path: string;
  private readonly listeners = new Set<(error: StoreUnavailableError) => void>();
  private connections = 1;
  private log: Log | undefined;
  private broken: StoreUnavailableError | undefined;

  /** For one more connection to the file, which is made if it isn't there. Each has to be given back by `release`. */
  static of(path: string): DatabaseFile {
    if (path === IN_MEMORY) return new DatabaseFile(path);
    const key = resolve(path);
    const found = open.get(key);
    if (found?.isOfPath() === true) {
      found.connections++;
      return found;
    }
    makePrivate(path);
    const file = new DatabaseFile(path);
    open.set(key, file);
    return file;
  }

  private constructor(path: string) {
    this.path = path;
  }

  get isInMemory(): boolean {
    return this.path === IN_MEMORY;
  }

  get isBroken(): boolean {
    return this.broken !== undefined;
  }

  /** Once a connection has made the log. @throws StoreUnavailableError when it can't be opened */
  openLog(): void {
    if (this.isInMemory || this.log !== undefined) return;
    try {
      const log = `${this.path}-wal`;
      const places = [new FilePlace(this.path), new FilePlace(log)];
      const index = existsSync(`${this.path}-shm`) ? [new FilePlace(`${this.path}-shm`)] : [];
      this.log = { descriptor: openSync(log, 'r+'), places, index };
    } catch (error) {
      throw new StoreUnavailableError(
        `the log of ${this.path} can't be opened (${messageOf(error)}); check the permissions of its directory`,
        'refused',
        { cause: error },
      );
    }
  }

  /** @throws StoreUnavailableError once the file is broken */
  assertWhole(): void {
    if (this.broken === undefined) return;
    throw new StoreUnavailableError(
      `nothing is read from ${this.path} or written to it any more: ${this.broken.message}`,
      'refused',
      { cause: this.broken },
    );
  }

  /** From now on nothing is read or written. Only the first reason counts. */
  break(error: StoreUnavailableError): void {
    if (this.broken !== undefined) return;
    this.broken = error;
    for (const listener of this.listeners) listener(error);
  }

  /**
   * Hears of it once, at once if it has happened.
   * @returns takes the listener away again
   */
  onBroken(listener: (error: StoreUnavailableError) => void): () => void {
    if (this.broken === undefined) this.listeners.add(listener);
    else listener(this.broken);
    return () => this.listeners.delete(listener);
  }

  /**
   * Resolves when everything that is in the log by now survives power loss.
   * @throws StoreUnavailableError outcome `unknown`; the file is broken then
   */
  async flush(): Promise<void> {
    if (this.isInMemory) return;
    this.assertNotLost();
    const { log } = this;
    if (log === undefined) throw new TypeError(`the log of ${this.path} was not opened`);
    const [flushed] = await Promise.allSettled([flush(log.descriptor)]);
    this.assertKept(log.places);
    if (flushed.status === 'rejected') throw this.breakWith(flushed.reason);
    // Another connection may have met an error meanwhile.
    this.assertNotLost();
  }

  /**
   * The same, blocking, for what another process has left: one that could not flush leaves pages behind which the kernel
   * takes as written, so the log is written again before it is flushed. The caller has SQLite's write lock, so that nobody
   * else writes it meanwhile.
   * @throws StoreUnavailableError outcome `unknown`; the file is broken then
   */
  flushAnew(): void {
    if (this.isInMemory) return;
    this.assertWhole();
    const { log } = this;
    if (log === undefined) throw new TypeError(`the log of ${this.path} was not opened`);
    try {
      rewrite(log.descriptor);
      fdatasyncSync(log.descriptor);
      // The log was made a moment ago, perhaps, and the database too.
      syncDirectory(dirname(this.path));
    } catch (error) {
      throw this.breakWith(error);
    }
  }

  /** @throws StoreUnavailableError outcome `unknown` when a file is no longer at its path; the file is broken then */
  assertInPlace(): void {
    if (this.log !== undefined) this.assertKept([...this.log.places, ...this.log.index]);
  }

  /** A connection is closed. With the last one the file is forgotten: who opens it later opens it anew. */
  release(): void {
    this.connections--;
    if (this.connections > 0) return;
    if (this.log !== undefined) closeSync(this.log.descriptor);
    this.log = undefined;
    if (open.get(resolve(this.path)) === this) open.delete(resolve(this.path));
  }

  /** False for one that was deleted or replaced: what is at its path now is another one. */
  private isOfPath(): boolean {
    return this.log === undefined || this.log.places.every((place) => place.isKeptNow());
  }

  /** What is to be flushed has been committed, so it may be stored all the same. */
  private assertNotLost(): void {
    if (this.broken === undefined) return;
    throw new StoreUnavailableError(this.broken.message, 'unknown', { cause: this.broken });
  }

  private assertKept(places: readonly FilePlace[]): void {
    // Closed meanwhile, SQLite has removed the log itself.
    if (this.log === undefined) return;
    let gone: FilePlace | undefined;
    try {
      gone = places.find((place) => !place.isKeptNow());
    } catch (error) {
      throw this.breakWith(error);
    }
    if (gone === undefined) return;
    const error = new StoreUnavailableError(
      `${gone.path} was deleted, moved or replaced while this process had it open, and what was written to it is kept in no file; put it back or restore ${this.path} from a backup, and start again`,
      'unknown',
    );
    this.break(error);
    throw error;
  }

  private breakWith(reason: unknown): StoreUnavailableError {
    const error = new StoreUnavailableError(
      `${this.path} could not be flushed to the disk (${messageOf(reason)}), so the newest of what was written may be lost; check the disk and start again`,
      'unknown',
      { cause: reason },
    );
    this.break(error);
    return error;
  }
}

/** SQLite gives its log and its index the permissions of the database. What can't be done here, opening it tells. */
function makePrivate(path: string): void {
  try {
    // Nobody has a file open that isn't there, so closing this one drops no lock of SQLite's.
    closeSync(openSync(path, 'wx', 0o600));
    return;
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') return;
  }
  for (const file of [path, `${path}-wal`, `${path}-shm`]) {
    const found = statSync(file, { throwIfNoEntry: false });
    if (found?.isFile() !== true || (found.mode & 0o077) === 0) continue;
    try {
      chmodSync(file, 0o600);
    } catch (error) {
      // Another user's file, which this one may use all the same.
      if (systemErrorCode(error) !== 'EPERM') throw error;
    }
  }
}

function flush(descriptor: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(descriptor, (error) => (error === null ? resolve() : reject(error)));
  });
}

function rewrite(file: number): void {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let at = 0; ; ) {
    const length = readSync(file, chunk, 0, chunk.length, at);
    if (length === 0) return;
    for (let written = 0; written < length; ) {
      written += writeSync(file, chunk, written, length - written, at + written);
    }
    at += length;
  }
}
