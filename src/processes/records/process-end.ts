/**
 * Whether and how a plotter has ended, and whether talent knows.
 *
 * Guarantees: what a keeper has written or told counts; only where no keeper will ever write is it told from the process, and
 * then it says that nobody saw the end, and what is known instead. A plot whose file is in its place is not called stopped.
 */

import { statSync } from 'node:fs';
import type { Clock } from '../../base/clock.js';
import { identifyProcess, isAlive } from '../../base/process-identity.js';
import {
  findPlotFile,
  inPlace,
  type LookOptions,
  placeOf,
} from '../../systems/talent/log-receiver/plot-file.js';
import { finishedReport } from '../../systems/talent/supervisor/supervisor-reports.js';
import type { PlotTaskStatus } from '../../systems/talent/wire/messages.js';
import { identityOf, type PlotEnd, type PlotRecord, readPlotEnd, writePlotEnd } from './process-record.js';

/**
 * @param isKept true while a keeper will write this plot's end
 * @param known what its keeper has told of the end, if it was not able to write it
 * @returns null while it runs, or while its end is still to be written
 * @throws Error when an end can't be read or written
 */
export function findEnd(
  data: string,
  record: PlotRecord,
  isKept: () => boolean,
  clock: Clock,
  known?: PlotEnd,
): PlotEnd | null {
  const written = readPlotEnd(data, record);
  if (written !== null || isAlive(identityOf(record)) || isKept()) return written;
  const vanished = (): PlotEnd => ({
    exit_code: null,
    exit_signal: null,
    ended_time: clock.now() / 1000,
    reason: reasonOfVanishing(record),
  });
  writePlotEnd(data, record, known ?? vanished());
  // Its keeper may have written it at the last moment.
  return readPlotEnd(data, record);
}

/** Talent was told everything that the log holds, and how the process ended if anybody knows. */
export function isEndTold(
  { log_offset = 0, exit_code, exit_signal }: PlotTaskStatus,
  { log_path }: PlotRecord,
  end: PlotEnd | undefined,
): boolean {
  const isHowTold =
    (exit_code ?? null) === (end?.exit_code ?? null) && (exit_signal ?? null) === (end?.exit_signal ?? null);
  return isHowTold && log_offset >= sizeOf(log_path);
}

/**
 * Of a plot that is being stopped, once all that can be read of its log is told: its report when it was finished before the
 * stop came. Undefined when its file is not in its place.
 */
export async function finishedAfterAll(
  record: PlotRecord,
  end: PlotEnd | undefined,
  waiting: LookOptions,
): Promise<PlotTaskStatus | undefined> {
  // A destination that does not answer must not hold up a stop.
  const { file } = await findPlotFile(placeOf(record), waiting).catch(() => ({ file: undefined }));
  if (file === undefined || end === undefined) return undefined;
  return finishedReport(record, end, `finished before it was stopped: ${inPlace(file)}`);
}

/** 0 when it is gone: then there is nothing to wait for. */
function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}

function reasonOfVanishing({ process: { pid, boot_id } }: PlotRecord): string {
  const now = identifyProcess(pid);
  const unknown = 'its exit code is unknown';
  if (now === undefined) return `process ${pid} vanished while no keeper watched it; ${unknown}`;
  if (now.bootId !== boot_id) return `the machine was restarted while it ran; ${unknown}`;
  return `process ${pid} ended while no keeper watched it, and another one has its pid now; ${unknown}`;
}
