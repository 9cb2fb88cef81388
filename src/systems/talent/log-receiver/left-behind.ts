/**
 * What a plot that came to nothing has left on the disks and nobody will clear away, so that its task says where it lies.
 *
 * Guarantees: it only reads, and never rejects: what can't be looked at is not named. Of a plot whose id is not known the
 * files are named that fit its plotter's patterns, have changed since it began and are of no other plot that is known.
 */

import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { PlotRecord } from '../machine/plot-record.js';
import { hasId, tempNamesOf, tempNamesOfAny } from '../machine/temp-names.js';
import { isNameOf, smallestBytes } from './plot-file.js';

export type LeftOwner = Pick<PlotRecord, 'ksize' | 'plot_id' | 'temp' | 'cache1' | 'cache2' | 'dest_path'> & {
  /** When it began, Unix seconds. Undefined: which files it has touched can't be told. */
  readonly started_time?: number;
  /** Ids of all other plots that are known. */
  readonly otherIds?: ReadonlySet<string>;
  /** Of its plot, as its log gives it. */
  readonly fileName?: string | undefined;
};

const MOST_NAMED = 3;
/** Clocks of file servers differ a little. */
const SLACK_SECONDS = 5;

/** @returns a sentence for each whole plot in a cache */
export async function plotsInCaches(owner: LeftOwner): Promise<string[]> {
  const { cache1, cache2, dest_path } = owner;
  const caches = new Set([cache1, cache2].filter((cache) => cache !== dest_path));
  const found = await filesIn(caches, (name) => isNameOf(name, owner));
  return found.map(
    ({ path, bytes }) => `its plot lies in the cache and stays there: ${path} (${bytes} bytes)`,
  );
}

/**
 * What its plotter has left behind that ended by itself.
 * @param endedWell then what is as large as a whole plot stays whatever its name
 */
export async function leftBehind(owner: LeftOwner, endedWell: boolean): Promise<string[]> {
  const left = await plotsInCaches(owner);
  if (isIdMissing(owner)) return [...left, await tempFilesOfUnknown(owner)];
  if (!endedWell) return left;
  const names = tempNamesOf(owner.temp, owner.plot_id);
  const whole = (await filesIn(workPlaces(owner), (name) => names.some((one) => one.test(name)))).filter(
    ({ name, bytes }) => bytes >= smallestBytes(name, owner.ksize),
  );
  return [...left, ...whole.map(({ path, bytes }) => wholeUnderTempName(path, bytes))];
}

/** Of a plotter that has ended well: one that could only not rename its plot leaves it so. */
export function wholeUnderTempName(path: string, bytes: number): string {
  return `${path} stays: with ${bytes} bytes it may be the whole plot; give it its name, or remove it`;
}

export function isIdMissing({ temp, plot_id }: LeftOwner): boolean {
  return temp.some(hasId) && tempNamesOf(temp, plot_id).length === 0;
}

/** A sentence on what a plot may have left whose id is not known. */
export async function tempFilesOfUnknown(owner: LeftOwner): Promise<string> {
  const where = [...workPlaces(owner)].join(', ');
  const sentence = `its plot id was never known; if it has left temp files in ${where}, remove them yourself`;
  const { started_time: since, otherIds = new Set<string>() } = owner;
  if (since === undefined) return sentence;
  const names = tempNamesOfAny(owner.temp);
  const mayBeOwn = (name: string): boolean => {
    const id = names.map((one) => one.exec(name)?.[1]).find((found) => found !== undefined);
    return id !== undefined && !otherIds.has(id);
  };
  const found = (await filesIn(workPlaces(owner), mayBeOwn)).filter(
    ({ changed }) => changed >= since - SLACK_SECONDS,
  );
  if (found.length === 0) return sentence;
  const named = found.slice(0, MOST_NAMED).map(({ path }) => path);
  const more = found.length - named.length;
  const all = [...named, ...(more > 0 ? [`${more} more`] : [])].join(', ');
  return `${sentence}: those that have changed since it began and are of no other plot known here are ${all}`;
}

export function workPlaces({ cache1, cache2, dest_path }: LeftOwner): ReadonlySet<string> {
  return new Set([cache1, cache2, dest_path]);
}

interface LeftFile {
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
  /** Unix seconds. */
  readonly changed: number;
}

async function filesIn(
  directories: ReadonlySet<string>,
  isMeant: (name: string) => boolean,
): Promise<LeftFile[]> {
  const files: LeftFile[] = [];
  for (const directory of directories) {
    for (const name of await readdir(directory).catch(() => [])) {
      if (!isMeant(name)) continue;
      const path = join(directory, name);
      const file = await lstat(path).catch(() => undefined);
      if (file?.isFile() === true) files.push({ path, name, bytes: file.size, changed: file.mtimeMs / 1000 });
    }
  }
  return files;
}
