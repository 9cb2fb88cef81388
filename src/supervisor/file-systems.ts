/**
 * The directories of an order, looked at for real: are they there, which file systems are they on, how much is free.
 *
 * Guarantee: a file system that does not answer (a dead NFS server blocks whoever asks) is a reason to wait, and blocks
 * nobody.
 */

import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { wait } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { messageOf, OwlError } from '../runtime/errors.js';
import { systemErrorCode } from '../runtime/system-error.js';

const ANSWERS_WITHIN_MS = 5_000;

export interface DirectoryState {
  /** Equal numbers: the same file system. */
  readonly fileSystem: number;
  /** Bytes that this user can still write. */
  readonly free: number;
}

/** How a directory is looked at. Injected, so that tests have disks of any size. */
export type LookAtDirectory = (path: string) => Promise<DirectoryState>;

export const lookAtDirectory: LookAtDirectory = async (path) => {
  const directory = await stat(path);
  if (!directory.isDirectory()) throw new OwlError('invalid', 'is no directory');
  await access(path, constants.W_OK | constants.X_OK);
  const { bavail, bsize } = await statfs(path);
  return { fileSystem: directory.dev, free: bavail * bsize };
};

/**
 * @throws OwlError kind `invalid` when the directory can't be used, so that waiting helps nobody; `unavailable` when it
 *   does not answer, so that it may later
 */
export async function examineDirectory(
  look: LookAtDirectory,
  place: string,
  path: string,
  clock: Clock,
): Promise<DirectoryState> {
  const answered = new AbortController();
  const late = wait(clock, ANSWERS_WITHIN_MS, answered.signal).then(() => undefined);
  try {
    const state = await Promise.race([look(path), late]);
    if (state !== undefined) return state;
  } catch (error) {
    throw new OwlError('invalid', `${place} ${path} ${problemOf(error)}`, { cause: error });
  } finally {
    answered.abort();
  }
  throw new OwlError('unavailable', `${place} ${path} does not answer; is its server away?`);
}

function problemOf(error: unknown): string {
  switch (systemErrorCode(error)) {
    case 'ENOENT':
      return 'does not exist on this machine';
    case 'ENOTDIR':
      return 'is no directory';
    case 'EACCES':
    case 'EROFS':
      return 'may not be written by the supervisor';
    default:
      return error instanceof OwlError ? error.message : `can't be used: ${messageOf(error)}`;
  }
}
