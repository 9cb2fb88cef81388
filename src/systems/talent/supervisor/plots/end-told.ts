/**
 * Whether talent knows how a plotter has ended, and what it is told of one that was stopped.
 *
 * Guarantee: a plot whose file is in its place is not called stopped.
 */

import { statSync } from 'node:fs';
import { findPlotFile, inPlace, type LookOptions, placeOf } from '../../log-receiver/plot-file.js';
import type { PlotEnd, PlotRecord } from '../../machine/plot-record.js';
import type { PlotTaskStatus } from '../../wire/messages.js';
import { finishedReport } from '../supervisor-reports.js';

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
