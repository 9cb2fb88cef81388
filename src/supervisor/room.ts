/**
 * The room that plots take and leave, measured: what a new plot would need on which file system, what the running ones will
 * still use there, and what is free.
 */

import type { Clock } from '../runtime/clock.js';
import type { RunningPlot } from './admission.js';
import { examineDirectory, type LookAtDirectory } from './file-systems.js';
import type { Plot } from './plot.js';
import type { PlotOrder } from './plot-order.js';
import type { PlotterDeclaration } from './plotters.js';
import { type Place, type SpaceNeed, spaceNeeds } from './space-needs.js';
import { findTempFiles, listOnce } from './temp-files.js';

export interface RoomOptions {
  readonly plotter: Pick<PlotterDeclaration, 'fills'>;
  readonly lookAtDirectory: LookAtDirectory;
  readonly clock: Clock;
}

type Directories = Pick<PlotOrder, 'ksize' | 'cache1' | 'cache2' | 'dest_path'>;

/**
 * What a plot needs at its largest. Notes in `free` what is free on each file system.
 * @throws OwlError kind `invalid` when a directory can't be used, `unavailable` when it does not answer
 */
export async function needsOf(
  { ksize, cache1, cache2, dest_path }: Directories,
  { plotter, lookAtDirectory, clock }: RoomOptions,
  free: Map<number, number>,
): Promise<SpaceNeed[]> {
  const fileSystemOf = async (place: Place, path: string): Promise<number> => {
    const state = await examineDirectory(lookAtDirectory, place, path, clock);
    free.set(state.fileSystem, state.free);
    return state.fileSystem;
  };
  return spaceNeeds(ksize, plotter, {
    cache1: await fileSystemOf('cache1', cache1),
    cache2: await fileSystemOf('cache2', cache2),
    dest: await fileSystemOf('dest', dest_path),
  });
}

/** What runs, with what it will still use: what it needs at its largest less what its temp files take by now. */
export async function roomOf(plots: readonly Plot[], options: RoomOptions): Promise<RunningPlot[]> {
  const listing = listOnce();
  return await Promise.all(
    plots.map(async ({ record }) => {
      const { cache1, cache2 } = record;
      try {
        const files = await findTempFiles(record, listing);
        const needs = (await needsOf(record, options, new Map())).map((need) => {
          const used = files
            .filter(({ fileSystem }) => fileSystem === need.fileSystem)
            .reduce((sum, { bytes }) => sum + bytes, 0);
          return { ...need, bytes: Math.max(0, need.bytes - used) };
        });
        return { cache1, cache2, needs };
      } catch {
        // Where its directories can't be looked at, those of a new plot can't be either.
        return { cache1, cache2, needs: [] };
      }
    }),
  );
}
