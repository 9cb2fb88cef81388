/**
 * What a payload has written, put into the storage.
 *
 * Guarantees: each attempt at a job writes files of its own names, created exclusively, so that none is ever overwritten; check sums
 * are those of what was written, taken while it was; files are flushed, and then their names, before anybody hears of them; of what
 * could not be stored as a whole nothing stays.
 */

import { constants } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Summed, sumsOf } from '../../../base/check-sums.js';
import { messageOf } from '../../../base/errors.js';
import { systemErrorCode } from '../../../base/system-error.js';
import type { WrittenFile } from '../wire/pilot-messages.js';
import type { DirectoryFlushes } from './directory-flushes.js';
import { AttemptError } from './failure.js';
import { type FilePlacing, JobFile, type OpenedFile } from './job-file.js';
import { unavailable } from './storage.js';

/** What is to be stored, and where. */
export interface ToStore {
  readonly uid: string;
  /** As the order names it. */
  readonly fileName: string;
  /** Where it lies now, absolute. */
  readonly source: string;
  /** Of the largest that is taken. */
  readonly largestBytes?: number | undefined;
  /** Below the directory of the task. */
  readonly storedName: string;
}

export interface StoreOptions extends FilePlacing {
  /** Absolute, without links. */
  readonly directory: string;
  /** How that is called from where outputs are stored. */
  readonly under: string;
  /** Names that an earlier try of this very attempt may have left there. */
  readonly mayReplace: ReadonlySet<string>;
  /** Somebody else's file is there: it is none of this attempt. */
  readonly disown: (path: string) => void;
  readonly flushes: DirectoryFlushes;
  readonly signal: AbortSignal;
}

/** @throws AttemptError, or the signal's reason */
export async function storeFile(file: ToStore, options: StoreOptions): Promise<WrittenFile> {
  const { uid, fileName, storedName } = file;
  const written = await openWritten(file);
  try {
    const target = join(options.directory, storedName);
    const { size, check_sum, sha256 } = await copyTo(target, written, options);
    return { uid, file_name: fileName, path: join(options.under, storedName), size, check_sum, sha256 };
  } finally {
    await written.file.close();
  }
}

async function openWritten({ source, fileName, largestBytes }: ToStore): Promise<OpenedFile> {
  const lacking = (why: string) => new AttemptError('output_missing', `output ${fileName} ${why}`);
  let written: OpenedFile;
  try {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    written = await JobFile.open(source, flags, { isNear: true });
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT') throw lacking('was not written');
    throw code === 'ELOOP' ? lacking('is a link') : lacking(`can't be read: ${messageOf(error)}`);
  }
  const { file, stat } = written;
  if (stat.isFile() && stat.size <= (largestBytes ?? Number.POSITIVE_INFINITY)) return written;
  await file.close();
  if (!stat.isFile()) throw lacking('is no regular file');
  throw new AttemptError(
    'output_too_large',
    `output ${fileName} has ${stat.size} bytes; at most ${largestBytes} are taken`,
  );
}

async function copyTo(
  target: string,
  source: OpenedFile,
  { signal, mayReplace, disown, isNear }: StoreOptions,
): Promise<Summed> {
  if (mayReplace.has(target)) await rm(target, { force: true }).catch(() => undefined);
  const { size } = source.stat;
  let file: JobFile | undefined;
  try {
    file = await JobFile.create(target, 0o644, size, { isNear });
    const summed = await sumsOf(source.file, signal, { copy: file, expectedBytes: size });
    await file.flush();
    await file.close();
    return summed;
  } catch (error) {
    if (file === undefined && systemErrorCode(error) === 'EEXIST') disown(target);
    if (file !== undefined) {
      await file.close().catch(() => undefined);
      await rm(target, { force: true }).catch(() => undefined);
    }
    signal.throwIfAborted();
    throw unavailable(target, error);
  }
}

/** Takes back what an attempt that counts no more has stored. @returns what could not be removed */
export async function removeStored(paths: readonly string[]): Promise<string[]> {
  const problems: string[] = [];
  for (const path of paths)
    await rm(path, { force: true }).catch((error: unknown) => problems.push(messageOf(error)));
  return problems;
}

/** New names live in their directory. @throws AttemptError */
export async function flushNames({ directory, signal, flushes }: StoreOptions): Promise<void> {
  try {
    await flushes.flush(directory);
  } catch (error) {
    signal.throwIfAborted();
    throw unavailable(directory, error);
  }
}
