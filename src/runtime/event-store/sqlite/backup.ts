/**
 * A copy of a SQLite file, events and read models, while nodes write to it.
 *
 * Guarantees: the copy is the file as it was at one moment, the beginning of the call; under its name it is whole and on the disk, or
 * not there at all. A file that is there already is never touched. Writers and readers wait for nothing meanwhile; the log of
 * the file grows until the copy is done.
 */

import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncDirectory } from '../../../base/durable-file.js';
import { messageOf, OwlError, StoreUnavailableError } from '../../../base/errors.js';
import { numberIn } from '../../../base/sql.js';
import type { CopiedPages, SqliteDatabase } from '../../../base/sqlite.js';
import { tablesVersionOf } from './tables.js';

export interface BackupOptions {
  /** Ends it; then nothing is left of it. */
  readonly signal: AbortSignal;
  readonly onProgress: (pages: CopiedPages) => void;
}

export interface Backup {
  /** That are in it. */
  readonly events: number;
  readonly bytes: number;
}

/**
 * @throws OwlError kind `refused` when the target is there or can't be written, or the source holds no events of owl;
 * StoreUnavailableError when the source can't be read; what the signal was aborted with
 */
export async function backUp(db: SqliteDatabase, target: string, options: BackupOptions): Promise<Backup> {
  if (tablesVersionOf(db) === 0) throw new OwlError('refused', `${db.path} holds no events of owl`);
  assertFree(target);
  const temporary = `${target}.${process.pid}.tmp`;
  try {
    rmSync(temporary, { force: true });
    closeSync(openSync(temporary, 'wx', 0o600));
    const events = await copy(db, temporary, options);
    sync(temporary);
    assertFree(target);
    renameSync(temporary, target);
    syncDirectory(dirname(target));
    return { events, bytes: statSync(target).size };
  } catch (error) {
    for (const suffix of ['', '-journal', '-wal', '-shm']) rmSync(`${temporary}${suffix}`, { force: true });
    options.signal.throwIfAborted();
    if (error instanceof OwlError || error instanceof StoreUnavailableError) throw error;
    throw new OwlError(
      'refused',
      `the copy could not be written to ${target} (${messageOf(error)}); nothing is left of it`,
      { cause: error },
    );
  }
}

async function copy(db: SqliteDatabase, to: string, { signal, onProgress }: BackupOptions): Promise<number> {
  // What this transaction sees stays the same until it ends, whoever commits.
  db.exec('BEGIN');
  try {
    const row = db.prepare('SELECT count(*) AS events FROM events').get();
    await db.copyTo(to, (pages) => {
      signal.throwIfAborted();
      onProgress(pages);
    });
    signal.throwIfAborted();
    return row === undefined ? 0 : numberIn(row, 'events');
  } finally {
    db.exec('ROLLBACK');
  }
}

function assertFree(target: string): void {
  if (existsSync(target)) {
    throw new OwlError('refused', `${target} is there already and stays as it is; name another file`);
  }
}

function sync(path: string): void {
  const file = openSync(path, 'r+');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
