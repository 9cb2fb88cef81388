/**
 * The room that plots take and leave, measured: what a new plot would need on which file system, and what the running ones
 * will still use there.
 *
 * Guarantees: a running plot keeps what it still needs where it can't be looked at for the moment. Temp files that an earlier plot
 * has left under the names of a new one, in a cache that nobody works in, count as room: the new one writes over them.
 */

import { messageOf } from '../../../../base/errors.js';
import type { Directories, DirectoryState } from '../../../../processes/directories.js';
import type { MachineDirectory } from '../../../../processes/machine-directory.js';
import type { PlotRecord } from '../../machine/plot-record.js';
import { isShared } from '../../machine/temp-names.js';
import type { PlotOrder } from '../plotters/plot-order.js';
import type { PlotterDeclaration } from '../plotters/plotters.js';
import { findTempFiles, listOnce, type TempFile } from '../plotters/temp-files.js';
import type { WaitingPlot } from './admission.js';
import type { CacheDirectory, RunningPlot, SpaceUse } from './claims.js';
import { type FillingPlotter, inGib, type Place, type SpaceNeed, spaceNeeds } from './space-needs.js';

/** What a data directory must still take: the logs and records of what is started. */
const RECORDS_BYTES = 16 * 2 ** 20;

/** Why there is no room for records and logs; undefined when there is. */
export async function wantForRecords(
  { path }: MachineDirectory,
  directories: Directories,
): Promise<string | undefined> {
  try {
    const { free } = await directories.examine('data', path);
    if (free >= RECORDS_BYTES) return undefined;
    return `data ${path} has ${inGib(free)} free; logs and records of plots need ${inGib(RECORDS_BYTES)}`;
  } catch (error) {
    return messageOf(error);
  }
}

/**
 * What a new plot needs at its largest.
 * @param cachesInUse ids of those that plots work in; undefined: what is left in caches is not looked for
 * @throws OwlError kind `invalid` when a directory can't be used, `unavailable` when it can't be looked at for the moment
 */
export async function measureOrder(
  order: PlotOrder,
  plotter: PlotterDeclaration,
  directories: Directories,
  cachesInUse?: ReadonlySet<string>,
): Promise<WaitingPlot> {
  const { task_id, attempt, ksize, cache1, cache2, dest_path } = order;
  const paths = { cache1, cache2, dest: dest_path };
  const states = {
    cache1: await directories.examine('cache1', cache1),
    cache2: await directories.examine('cache2', cache2),
    dest: await directories.examine('dest', dest_path),
  };
  const caches = cachesOf(paths, states);
  const free = caches.filter(({ id }) => cachesInUse?.has(id) === false).map(({ path }) => path);
  const left = await leftForNext(free, plotter, directories);
  const needs = spaceNeeds(ksize, plotter, fileSystemsOf(states)).map(
    ({ place, fileSystem, bytes, stays }) => {
      const state = states[place];
      const { size } = state;
      const room = state.free + bytesOn(fileSystem, left);
      return { place, path: paths[place], fileSystem, bytes, gain: -stays, free: room, size };
    },
  );
  return { task_id, attempt, ksize, caches, needs };
}

/** What an earlier plot has left in these caches that the plotter's next one writes over. */
async function leftForNext(
  [cache1, cache2 = cache1]: readonly string[],
  { temp }: PlotterDeclaration,
  directories: Directories,
): Promise<readonly TempFile[]> {
  const shared = temp.filter(isShared);
  if (cache1 === undefined || cache2 === undefined || shared.length === 0) return [];
  const owner = { ksize: 0, plot_id: null, temp: shared, cache1, cache2, dest_path: cache1 };
  return (await directories.inTime(findTempFiles(owner))) ?? [];
}

/** The caches of plots that use no room there any more. */
export async function claimCaches(
  records: readonly PlotRecord[],
  directories: Directories,
): Promise<RunningPlot[]> {
  const claims: RunningPlot[] = [];
  for (const { cache1, cache2 } of records) {
    const states = {
      ...{ cache1: await directories.recall(cache1), cache2: await directories.recall(cache2) },
      dest: undefined,
    };
    claims.push({ caches: cachesOf({ cache1, cache2 }, states), needs: [] });
  }
  return claims;
}

/**
 * What runs, with what it will still use: what it needs at its largest less what its temp files take by now.
 * @param plotters all that are declared; @param find is injected by tests
 */
export async function measureRunning(
  records: readonly PlotRecord[],
  plotters: readonly PlotterDeclaration[],
  directories: Directories,
  find: typeof findTempFiles = findTempFiles,
): Promise<RunningPlot[]> {
  const names = listOnce();
  const namesWhereAnswered = async (path: string): Promise<readonly string[]> => {
    await directories.look(path);
    return await names(path);
  };
  const measured: RunningPlot[] = [];
  // One after the other: what does not answer blocks one thread then, not all of them.
  let isAnswering = true;
  for (const record of records) {
    const { cache1, cache2, dest_path } = record;
    const states = {
      cache1: await directories.recall(cache1),
      cache2: await directories.recall(cache2),
      dest: await directories.recall(dest_path),
    };
    const found: readonly TempFile[] | undefined = isAnswering
      ? await directories.inTime(find(record, namesWhereAnswered))
      : undefined;
    isAnswering = found !== undefined;
    const plotter = plotters.find(({ name }) => name === record.plotter) ?? FILLS_ALL;
    measured.push({
      caches: cachesOf({ cache1, cache2 }, states),
      needs: stillNeeded(spaceNeeds(record.ksize, plotter, fileSystemsOf(states)), found ?? []),
    });
  }
  return measured;
}

/** A plotter that is not declared any more. */
const FILLS_ALL: FillingPlotter = { fills: ['cache', 'dest'] };

function stillNeeded(needs: readonly SpaceNeed[], files: readonly TempFile[]): SpaceUse[] {
  return needs.map(({ fileSystem, bytes, stays }) => {
    const used = bytesOn(fileSystem, files);
    return { fileSystem, bytes: Math.max(0, bytes - used), gain: used - stays };
  });
}

function bytesOn(fileSystem: number, files: readonly TempFile[]): number {
  return files.reduce((sum, file) => (file.fileSystem === fileSystem ? sum + file.bytes : sum), 0);
}

type ByPlace<T> = Readonly<Record<Place, T>>;

function fileSystemsOf({
  cache1,
  cache2,
  dest,
}: ByPlace<DirectoryState | undefined>): ByPlace<number | undefined> {
  return { cache1: cache1?.fileSystem, cache2: cache2?.fileSystem, dest: dest?.fileSystem };
}

/** One that serves as both counts once. One that was never seen goes by its path. */
function cachesOf(
  { cache1, cache2 }: Pick<PlotOrder, 'cache1' | 'cache2'>,
  states: ByPlace<DirectoryState | undefined>,
): CacheDirectory[] {
  const first = { path: cache1, id: states.cache1?.id ?? cache1 };
  const second = { path: cache2, id: states.cache2?.id ?? cache2 };
  return first.id === second.id ? [first] : [first, second];
}
