/**
 * What there is to see of a plot beside its log, once its process has ended.
 *
 * Guarantee: where the file decides what became of the plot, one that can't be looked at now is an error; where it does not,
 * nothing that does not answer holds the end up.
 */

import { messageOf } from '../../../base/errors.js';
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
  const gaps = [...(trouble === undefined ? [] : [trouble]), ...(await lacksInLog(record.log_path))];
  // What a stopped one has left its supervisor says.
  const left = stopping || look.file !== undefined ? [] : await leftOf(record, known, end, options);
  return { ...look, gaps: [...gaps, ...troublesIn(end)], left };
}

async function lookForFile(
  record: PlotRecord,
  known: Facts,
  decides: boolean,
  options: LookOptions,
): Promise<PlotFileLook> {
  try {
    return await findPlotFile(placeOf(record, known), options);
  } catch (error) {
    if (decides) throw error;
    return { file: undefined, why: messageOf(error) };
  }
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
