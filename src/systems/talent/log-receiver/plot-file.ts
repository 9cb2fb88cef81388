/**
 * The file of a finished plot, looked for where it belongs: it says more than any log.
 *
 * Guarantees: a file counts when it is a plain one in the plot's destination, its name holds the plot's own id, 64 hex
 * digits, and ends as a finished plot's does, and it is no smaller than a plot of that k can be; without an id nothing is
 * found. What can't be looked at now is an error and not a plot that is missing. It only reads.
 */

import { lstat, readdir } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { wait } from '../../../base/backoff.js';
import type { Clock } from '../../../base/clock.js';
import { messageOf, OwlError } from '../../../base/errors.js';
import { systemErrorCode } from '../../../base/system-error.js';
import type { PlotRecord } from '../machine/plot-record.js';

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
}

export interface LookOptions {
  readonly clock: Clock;
  /** Ends the waiting for a directory that does not answer. */
  readonly signal: AbortSignal;
}

const PLOT_ID = /^[0-9a-f]{64}$/;
const SUFFIX = '.plot';
/** The strongest compression that plotters know leaves more than a quarter. */
const SMALLEST_SHARE = 0.2;
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

/** @param told what the log says of it, which is the plotter's own word */
export function placeOf(
  { ksize, plot_id, dest_path }: Pick<PlotRecord, 'ksize' | 'plot_id' | 'dest_path'>,
  told: { readonly plot_id?: string; readonly dest_dir?: string } = {},
): PlotPlace {
  const { dest_dir = dest_path } = told;
  const directories = new Set([dest_path, ...(isAbsolute(dest_dir) ? [dest_dir] : [])]);
  return { ksize, plot_id: told.plot_id ?? plot_id, directories: [...directories] };
}

/** @throws OwlError kind `unavailable` when the directory can't be looked at now */
export async function findPlotFile(place: PlotPlace, options: LookOptions): Promise<PlotFileLook> {
  const { plot_id, directories } = place;
  if (plot_id === null || plot_id === undefined || !PLOT_ID.test(plot_id))
    return { file: undefined, why: 'its plot id was never known, so its file could not be looked for' };
  const reasons: string[] = [];
  for (const directory of directories) {
    const look = await inTime(directory, lookIn(directory, plot_id, place.ksize), options);
    if (look.file !== undefined) return look;
    reasons.push(look.why);
  }
  return { file: undefined, why: reasons.join('; ') };
}

/** For operators. */
export function inPlace({ path, bytes }: PlotFile): string {
  return `its plot is in its place (${path}, ${bytes} bytes)`;
}

async function lookIn(directory: string, plotId: string, ksize: number): Promise<PlotFileLook> {
  try {
    for (const name of await readdir(directory)) {
      if (!name.includes(plotId) || !name.endsWith(SUFFIX)) continue;
      const path = join(directory, name);
      const { size } = await lstat(path).then((found) => (found.isFile() ? found : { size: 0 }));
      if (size >= finalBytes(ksize) * SMALLEST_SHARE && size > 0) return { file: { path, bytes: size } };
      return { file: undefined, why: `${path} is no whole plot: it has ${size} bytes` };
    }
    return { file: undefined, why: `there is no file of its plot in ${directory}` };
  } catch (error) {
    const why = `${directory} can't be looked at for its plot: ${messageOf(error)}`;
    if (LASTING.has(systemErrorCode(error))) return { file: undefined, why };
    throw new OwlError('unavailable', why, { cause: error });
  }
}

async function inTime<T>(directory: string, answer: Promise<T>, { clock, signal }: LookOptions): Promise<T> {
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
