/**
 * The temp files of a plot, by their names (see temp-names.ts).
 *
 * Guarantees: only plain files directly in the given directories whose whole name fits are counted or removed. No link is
 * followed, no directory is entered, and while the plot's id is not known nothing fits but names that are the same for all
 * plots, in caches only. What can't be looked at counts as
 * nothing, and is told where files are to be removed. A file that a process has open stays, and is told of too, and so does
 * one as large as a whole plot where that is asked for: it may lack nothing but its name.
 */

import { lstat, readdir, unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { messageOf } from '../../../../base/errors.js';
import { systemErrorCode } from '../../../../base/system-error.js';
import { whoHasOpen } from '../../../../processes/open-files.js';
import {
  isIdMissing,
  type LeftOwner,
  tempFilesOfUnknown,
  wholeUnderTempName,
  workPlaces,
} from '../../log-receiver/left-behind.js';
import { smallestBytes } from '../../log-receiver/plot-file.js';
import { sharedTempNames, tempNamesOf } from '../../machine/temp-names.js';

export type TempOwner = LeftOwner;

export interface TempFile {
  readonly path: string;
  /** Which file system it lies on. */
  readonly fileSystem: number;
  /** What it takes on the disk, holes not counted. */
  readonly bytes: number;
  /** What it holds, holes counted. */
  readonly size: number;
}

const BLOCK_BYTES = 512;

/** Names within one directory that many plots may share; read once for all of them. */
export type Listing = (directory: string) => Promise<readonly string[]>;

/** A listing that reads each directory once. */
export function listOnce(): Listing {
  const listed = new Map<string, Promise<readonly string[]>>();
  return (directory) => {
    const names = listed.get(directory) ?? readdir(directory);
    listed.set(directory, names);
    return names;
  };
}

/** Each file once, also where two of the directories are one under two names. */
export async function findTempFiles(owner: TempOwner, listing: Listing = readdir): Promise<TempFile[]> {
  const { files } = await search(owner, listing);
  return [...new Map(files.map((file) => [file.inode, file])).values()];
}

/**
 * @param keepsWhole what is as large as a whole plot stays
 * @returns a sentence for each thing that was not removed, or could not be looked for
 */
export async function removeTempFiles(
  owner: TempOwner,
  listing: Listing = readdir,
  keepsWhole = false,
): Promise<string[]> {
  const { files, problems } = await search(owner, listing);
  const { users, unreadable } = await whoHasOpen(
    files.map(({ path, inode, isShared }) => ({
      name: basename(path),
      inode: isShared ? inode : undefined,
    })),
  );
  for (const pid of unreadable)
    problems.push(`process ${pid} can't be looked at; whether it has temp files open is not known`);
  for (const { path, size, isShared } of files) {
    if (keepsWhole && !isShared && size >= smallestBytes(basename(path), owner.ksize)) {
      problems.push(wholeUnderTempName(path, size));
      continue;
    }
    const user = users.get(basename(path))?.[0];
    if (user !== undefined) {
      problems.push(`${path} stays, because process ${user} has it open; end that, and remove the file`);
      continue;
    }
    try {
      await unlink(path);
    } catch (error) {
      if (!isMissing(error)) problems.push(`${path} is left over: ${messageOf(error)}`);
    }
  }
  return isIdMissing(owner) ? [await tempFilesOfUnknown(owner), ...problems] : problems;
}

interface Found extends TempFile {
  /** Device and number: the same for two names of one file. */
  readonly inode: string;
  /** By a name that is the same for all plots. */
  readonly isShared: boolean;
}

/** Never rejects. */
async function search(
  owner: TempOwner,
  listing: Listing,
): Promise<{ readonly files: Found[]; readonly problems: string[] }> {
  const files: Found[] = [];
  const problems: string[] = [];
  const lookAt = async <T>(
    path: string,
    look: (path: string) => Promise<readonly T[]>,
  ): Promise<readonly T[]> => {
    try {
      return await look(path);
    } catch (error) {
      if (!isMissing(error)) problems.push(`${path} can't be looked at for temp files: ${messageOf(error)}`);
      return [];
    }
  };
  const own = tempNamesOf(owner.temp, owner.plot_id);
  const shared = sharedTempNames(owner.temp);
  const caches = new Set([owner.cache1, owner.cache2]);
  for (const directory of workPlaces(owner)) {
    const sharedHere = caches.has(directory) ? shared : [];
    if (own.length + sharedHere.length === 0) continue;
    for (const name of await lookAt(directory, listing)) {
      const isShared = sharedHere.some((pattern) => pattern.test(name));
      if (isShared || own.some((pattern) => pattern.test(name)))
        files.push(...(await lookAt(join(directory, name), (path) => inspect(path, isShared))));
    }
  }
  return { files, problems };
}

/** None for what is no plain file. */
async function inspect(path: string, isShared: boolean): Promise<Found[]> {
  const file = await lstat(path);
  if (!file.isFile()) return [];
  const { dev, ino, blocks, size } = file;
  return [{ path, inode: `${dev}:${ino}`, fileSystem: dev, bytes: blocks * BLOCK_BYTES, size, isShared }];
}

function isMissing(error: unknown): boolean {
  return systemErrorCode(error) === 'ENOENT';
}
