/**
 * The file of a finished plot, looked for where it belongs: it says more than any log.
 *
 * Guarantees: a file counts when it is a plain one in the plot's destination, its name holds the plot's own id, 64 hex
 * digits, and ends as a finished plot's does, or is the one that the log gives, and it is no smaller than a plot of the k in
 * its name can be; where neither is known nothing is found. Of a plotter that is declared to fill no destination the size is
 * not judged. What can't be looked at now is an error and not a plot that is missing. It only reads.
 */

import { lstat, readdir } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { wait } from '../../../base/backoff.js';
import type { Clock } from '../../../base/clock.js';
import { messageOf, OwlError } from '../../../base/errors.js';
import { systemErrorCode } from '../../../base/system-error.js';
import type { PlotRecord } from '../machine/plot-record.js';
import type { Facts } from './facts.js';

export interface PlotFile {
  /** Absolute. */
  readonly path: string;
  readonly bytes: number;
}

/** What was found, or in a sentence why nothing was. */
export type PlotFileLook =
  | { readonly file: PlotFile; readonly why?: undefined }
  | { readonly file: undefined; readonly why: string };

export interface PlotPlace {
  readonly ksize: number;
  /** Undefined or null while it is not known. */
  readonly plot_id: string | null | undefined;
  /** Absolute. */
  readonly directories: readonly string[];
  /** As the log gives it. */
  readonly fileName?: string | undefined;
  /** False: any file that is not empty will do. */
  readonly isSized: boolean;
}

export interface LookOptions {
  readonly clock: Clock;
  /** Ends the waiting for a directory that does not answer. */
  readonly signal: AbortSignal;
}

const PLOT_ID = /^[0-9a-f]{64}$/;
const SUFFIX = '.plot';
const KSIZE = /\bplot-(?:\w+-)?k(\d+)-/;
const COMPRESSED = /-c\d+-/;
/** Plots of one k differ by a few thousandths. */
const SMALLEST_SHARE = 0.9;
/** The strongest compression that plotters know leaves more than a quarter. */
const SMALLEST_SHARE_COMPRESSED = 0.2;
const ANSWERS_WITHIN_MS = 10_000;
/** Whoever waits for these to pass may wait for ever. */
const LASTING: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM']);

/**
 * Bytes of the finished plot, not compressed: (2k + 1) · 2^(k-1) · 0.78005, which is 101.4 GiB at k32.
 * Source: Chia's documentation, "K Sizes" (docs.chia.net/k-sizes).
 */
export function finalBytes(ksize: number): number {
  return Math.ceil((2 * ksize + 1) * 2 ** (ksize - 1) * 0.78005);
}

/** Bytes below which a file of that name is no whole plot. @param ksize where the name does not tell it */
export function smallestBytes(name: string, ksize: number): number {
  const share = COMPRESSED.test(name) ? SMALLEST_SHARE_COMPRESSED : SMALLEST_SHARE;
  return finalBytes(ksizeIn(name) ?? ksize) * share;
}

/** Undefined when the name of the plot's file does not tell. */
export function ksizeIn(name: string): number | undefined {
  const [, ksize] = KSIZE.exec(name) ?? [];
  return ksize === undefined ? undefined : Number(ksize);
}

type Whereabouts = Pick<PlotRecord, 'ksize' | 'plot_id' | 'dest_path' | 'fills_dest'>;
type ToldPlace = Pick<Facts, 'ksize' | 'plot_id' | 'dest_dir' | 'dest_file_name' | 'finished'>;

/** @param told what the log says of it, which is the plotter's own word */
export function placeOf(record: Whereabouts, told: ToldPlace = {}): PlotPlace {
  const { ksize, plot_id, dest_path, fills_dest } = record;
  const { dest_dir = dest_path, dest_file_name: fileName } = told;
  const directories = new Set([dest_path, ...(isAbsolute(dest_dir) ? [dest_dir] : [])]);
  return {
    ksize: told.ksize ?? ksize,
    plot_id: told.plot_id ?? plot_id,
    directories: [...directories],
    fileName,
    // What an earlier version has started does not say: then the log's word is enough for any file.
    isSized: fills_dest ?? told.finished !== true,
  };
}

/** @throws OwlError kind `unavailable` when the directory can't be looked at now */
export async function findPlotFile(place: PlotPlace, options: LookOptions): Promise<PlotFileLook> {
  const { plot_id, directories, fileName } = place;
  if (fileName === undefined && (plot_id === null || plot_id === undefined || !PLOT_ID.test(plot_id)))
    return { file: undefined, why: 'its plot id was never known, so its file could not be looked for' };
  const reasons: string[] = [];
  for (const directory of directories) {
    const look = await answerInTime(directory, lookIn(directory, place), options);
    if (look.file !== undefined) return look;
    reasons.push(look.why);
  }
  return { file: undefined, why: reasons.join('; ') };
}

/** For operators. */
export function inPlace({ path, bytes }: PlotFile): string {
  return `its plot is in its place (${path}, ${bytes} bytes)`;
}

/** True for the name of a finished plot, wherever it lies. */
export function isNameOf(name: string, { plot_id, fileName }: Pick<PlotPlace, 'plot_id' | 'fileName'>) {
  const isKnown = plot_id !== null && plot_id !== undefined && PLOT_ID.test(plot_id);
  return name === fileName || (isKnown && name.includes(plot_id) && name.endsWith(SUFFIX));
}

async function lookIn(directory: string, place: PlotPlace): Promise<PlotFileLook> {
  try {
    let why = `there is no file of its plot in ${directory}`;
    for (const name of await readdir(directory)) {
      if (!isNameOf(name, place)) continue;
      const path = join(directory, name);
      const { size } = await lstat(path).then((found) => (found.isFile() ? found : { size: 0 }));
      if (size > 0 && (!place.isSized || size >= smallestBytes(name, place.ksize)))
        return { file: { path, bytes: size } };
      why = `${path} is no whole plot: it has ${size} bytes`;
    }
    return { file: undefined, why };
  } catch (error) {
    const why = `${directory} can't be looked at for its plot: ${messageOf(error)}`;
    if (LASTING.has(systemErrorCode(error))) return { file: undefined, why };
    throw new OwlError('unavailable', why, { cause: error });
  }
}

/** @throws OwlError kind `unavailable` when there is no answer in time */
export async function answerInTime<T>(
  directory: string,
  answer: Promise<T>,
  { clock, signal }: LookOptions,
): Promise<T> {
  const over = new AbortController();
  const ending = AbortSignal.any([signal, over.signal]);
  const late = wait(clock, ANSWERS_WITHIN_MS, ending).then((): never => {
    throw new OwlError('unavailable', `${directory} does not answer; is its server away?`);
  });
  late.catch(() => undefined);
  answer.catch(() => undefined);
  try {
    return await Promise.race([answer, late]);
  } finally {
    over.abort();
  }
}
