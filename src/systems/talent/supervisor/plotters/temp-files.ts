/**
 * The temp files of a plot, by the patterns of its plotter's declaration: `plot-k{ksize}-*-{plot_id}.plot.*tmp`. A star
 * stands for any characters; every pattern holds the plot's own id, 64 hex digits, so that it fits no other plot's files.
 *
 * Guarantees: only plain files directly in the given directories whose whole name fits are counted or removed. No link is
 * followed, no directory is entered, and while the plot's id is not known nothing fits. What can't be looked at counts as
 * nothing, and is told where files are to be removed. A file that a process has open stays, and is told of too.
 */

import { lstat, readdir, unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { messageOf } from '../../../../base/errors.js';
import { systemErrorCode } from '../../../../base/system-error.js';
import { whoHasOpen } from '../../../../processes/open-files.js';
import type { PlotRecord } from '../../machine/plot-record.js';

export type TempOwner = Pick<PlotRecord, 'ksize' | 'plot_id' | 'temp' | 'cache1' | 'cache2' | 'dest_path'>;

export interface TempFile {
  readonly path: string;
  /** Which file system it lies on. */
  readonly fileSystem: number;
  /** What it takes on the disk, holes not counted. */
  readonly bytes: number;
}

const PLOT_ID = /^[0-9a-f]{64}$/;
const ID_PLACE = '{plot_id}';
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

/** @returns a sentence for each thing that could not be removed, or not be looked for */
export async function removeTempFiles(owner: TempOwner, listing: Listing = readdir): Promise<string[]> {
  const { files, problems } = await search(owner, listing);
  const names = new Set(files.map(({ path }) => basename(path)));
  const { users, unreadable } = await whoHasOpen(names);
  for (const pid of unreadable)
    problems.push(`process ${pid} can't be looked at; whether it has temp files open is not known`);
  for (const { path } of files) {
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
  return isIdMissing(owner) ? [whereToLook(owner), ...problems] : problems;
}

interface Found extends TempFile {
  /** Device and number: the same for two names of one file. */
  readonly inode: string;
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
  const patterns = patternsOf(owner);
  for (const directory of patterns.length === 0 ? [] : directoriesOf(owner)) {
    for (const name of await lookAt(directory, listing))
      if (patterns.some((pattern) => pattern.test(name)))
        files.push(...(await lookAt(join(directory, name), inspect)));
  }
  return { files, problems };
}

/** None for what is no plain file. */
async function inspect(path: string): Promise<Found[]> {
  const file = await lstat(path);
  if (!file.isFile()) return [];
  const { dev, ino, blocks } = file;
  return [{ path, inode: `${dev}:${ino}`, fileSystem: dev, bytes: blocks * BLOCK_BYTES }];
}

function directoriesOf({ cache1, cache2, dest_path }: TempOwner): ReadonlySet<string> {
  return new Set([cache1, cache2, dest_path]);
}

/** None while the id is not known: without it a pattern may fit anything. */
function patternsOf({ temp, ksize, plot_id }: TempOwner): RegExp[] {
  if (plot_id === null || !PLOT_ID.test(plot_id)) return [];
  return temp
    .filter((pattern) => pattern.includes(ID_PLACE))
    .map((pattern) => {
      const name = pattern.replaceAll(ID_PLACE, plot_id).replaceAll('{ksize}', String(ksize));
      const parts = name.split('*').map((part) => part.replace(/[.\\^$+?()[\]{}|-]/g, '\\$&'));
      return new RegExp(`^${parts.join('[^/]*')}$`);
    });
}

function isIdMissing(owner: TempOwner): boolean {
  return owner.temp.length > 0 && patternsOf(owner).length === 0;
}

function whereToLook(owner: TempOwner): string {
  const directories = [...directoriesOf(owner)].join(', ');
  return `its plot id was never known; if it has left temp files in ${directories}, remove them yourself`;
}

function isMissing(error: unknown): boolean {
  return systemErrorCode(error) === 'ENOENT';
}
