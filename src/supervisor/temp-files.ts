/**
 * The temp files of a plot, by the patterns of its plotter's declaration: `plot-k{ksize}-*-{plot_id}.plot.*tmp`. A star
 * stands for any characters; every pattern holds the plot's own id or the task's, so that it fits no other plot's files.
 *
 * Guarantees: only plain files directly in the given directories whose whole name fits are counted or removed. No link is
 * followed, no directory is entered, and while the plot's id is not known no pattern with it fits anything.
 */

import { lstat, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../runtime/errors.js';
import { systemErrorCode } from '../runtime/system-error.js';
import type { PlotRecord } from '../wire/plot-record.js';

export type TempOwner = Pick<
  PlotRecord,
  'task_id' | 'ksize' | 'plot_id' | 'temp' | 'cache1' | 'cache2' | 'dest_path'
>;

export interface TempFile {
  readonly path: string;
  /** Which file system it lies on. */
  readonly fileSystem: number;
  /** What it takes on the disk, holes not counted. */
  readonly bytes: number;
}

const PLOT_ID = /^[0-9a-f]{64}$/;
const BLOCK_BYTES = 512;

/** Names within one directory that many plots may share; read once for all of them. */
export type Listing = (directory: string) => Promise<readonly string[]>;

/** A listing that reads each directory once. */
export function listOnce(): Listing {
  const listed = new Map<string, Promise<readonly string[]>>();
  return (directory) => {
    const names = listed.get(directory) ?? list(directory);
    listed.set(directory, names);
    return names;
  };
}

export async function findTempFiles(owner: TempOwner, listing: Listing = list): Promise<TempFile[]> {
  const patterns = owner.temp.flatMap((pattern) => expressionOf(pattern, owner) ?? []);
  if (patterns.length === 0) return [];
  const found: TempFile[] = [];
  for (const directory of new Set([owner.cache1, owner.cache2, owner.dest_path])) {
    for (const name of await listing(directory)) {
      if (!patterns.some((pattern) => pattern.test(name))) continue;
      const file = await inspect(join(directory, name));
      if (file !== undefined) found.push(file);
    }
  }
  return found;
}

/** @returns a sentence for each file that could not be removed */
export async function removeTempFiles(owner: TempOwner): Promise<string[]> {
  const problems: string[] = [];
  for (const { path } of await findTempFiles(owner)) {
    try {
      await unlink(path);
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') problems.push(`${path} is left over: ${messageOf(error)}`);
    }
  }
  return problems;
}

/** Undefined while a value of the pattern is not known. */
function expressionOf(pattern: string, { task_id, ksize, plot_id }: TempOwner): RegExp | undefined {
  if (pattern.includes('{plot_id}') && (plot_id === null || !PLOT_ID.test(plot_id))) return undefined;
  const name = pattern
    .replaceAll('{plot_id}', plot_id ?? '')
    .replaceAll('{task_id}', task_id)
    .replaceAll('{ksize}', String(ksize));
  const parts = name.split('*').map((part) => part.replace(/[.\\^$+?()[\]{}|-]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^/]*')}$`);
}

/** None where there is no such directory (any more). */
async function list(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch {
    return [];
  }
}

/** Undefined for what is no plain file. */
async function inspect(path: string): Promise<TempFile | undefined> {
  try {
    const file = await lstat(path);
    return file.isFile() ? { path, fileSystem: file.dev, bytes: file.blocks * BLOCK_BYTES } : undefined;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
