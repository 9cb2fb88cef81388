/**
 * What there is to see of a plot beside its log, once its process has ended.
 *
 * Guarantee: where the file decides what became of the plot, one that can't be looked at now is an error; where it does not,
 * nothing that does not answer holds the end up. A destination whose disk is not mounted any more can't be looked at now,
 * unless the plot was placed in its mount point: then that is told.
 */

import { messageOf, OwlError } from '../../../base/errors.js';
import { hasLostDisk } from '../../../processes/places.js';
import type { PlotEnd, PlotRecord } from '../machine/plot-record.js';
import type { TalentDirectory } from '../machine/talent-directory.js';
import type { Facts } from './facts.js';
import { leftBehind } from './left-behind.js';
import { lacksInLog } from './log-gaps.js';
import { answerInTime, findPlotFile, type LookOptions, type PlotFileLook, placeOf } from './plot-file.js';
import { type Beside, endedWell, mayBeFinished } from './verdict.js';

export interface LookBesideOptions extends LookOptions {
  readonly machine: TalentDirectory;
}

/** The plot can't be looked for before somebody mounts its disk. */
export class DiskMissingError extends OwlError {
  override readonly name = 'DiskMissingError';

  constructor(message: string) {
    super('unavailable', message);
  }
}

interface Ended {
  readonly known: Facts;
  readonly end: PlotEnd;
  readonly stopping: boolean;
}

/**
 * @param trouble what kept the log from being read to its end
 * @throws OwlError kind `unavailable` when the file decides and can't be looked for now
 */
export async function lookBeside(
  record: PlotRecord,
  ended: Ended,
  trouble: string | undefined,
  options: LookBesideOptions,
): Promise<Beside> {
  const { known, end, stopping } = ended;
  const look = await lookForFile(record, known, mayBeFinished(ended), options);
  const disk = look.file === undefined ? undefined : await lostDiskOf(record, options);
  const elsewhere = disk === undefined ? [] : [`${disk}; its plot lies on the file system below that`];
  const gaps = [...(trouble === undefined ? [] : [trouble]), ...(await lacksInLog(record.log_path))];
  // What a stopped one has left its supervisor says.
  const left = stopping || look.file !== undefined ? [] : await leftOf(record, known, end, options);
  return { ...look, gaps: [...gaps, ...troublesIn(end)], left: [...left, ...elsewhere] };
}

async function lookForFile(
  record: PlotRecord,
  known: Facts,
  decides: boolean,
  options: LookOptions,
): Promise<PlotFileLook> {
  try {
    const look = await findPlotFile(placeOf(record, known), options);
    const disk = look.file === undefined ? await lostDiskOf(record, options) : undefined;
    if (disk === undefined) return look;
    throw new DiskMissingError(`${disk}; its plot is looked for once it is mounted again`);
  } catch (error) {
    if (decides) throw error;
    return { file: undefined, why: messageOf(error) };
  }
}

/** A sentence where the disk of its destination is not mounted any more. */
async function lostDiskOf(
  { dest_path, dest_mount }: PlotRecord,
  options: LookOptions,
): Promise<string | undefined> {
  if (dest_mount === undefined) return undefined;
  const isLost = await answerInTime(dest_path, hasLostDisk(dest_path, dest_mount), options).catch(
    () => false,
  );
  return isLost ? `the disk at ${dest_mount} is not mounted any more` : undefined;
}

async function leftOf(
  record: PlotRecord,
  known: Facts,
  end: PlotEnd,
  { machine, ...options }: LookBesideOptions,
): Promise<string[]> {
  const plot_id = known.plot_id ?? record.plot_id;
  const others = machine.plots.readAll().processes.map((other) => other.record);
  const owner = {
    ...{ ...record, plot_id, fileName: known.dest_file_name },
    otherIds: new Set(
      others.flatMap((other) => (other.log_path === record.log_path ? [] : (other.plot_id ?? []))),
    ),
  };
  return await answerInTime(record.cache1, leftBehind(owner, endedWell(end)), options).catch(() => []);
}

/** What the keeper saw of the disk when the plotter ended. */
function troublesIn({ unwritten, log_disk_full }: PlotEnd): string[] {
  return [
    ...(log_disk_full ? ['the disk of its log had no free block when it ended'] : []),
    ...(unwritten === undefined ? [] : [`its end could not be written at once (${unwritten})`]),
  ];
}
