/**
 * A plot whose record is lost, and that is to be stopped: what belongs to it is told by its mark, its log and its order.
 *
 * Guarantees: temp files go only when this machine knows their plot's id, from the log that its plotter has left or because it
 * is owl that sets the ids, and no process is left that may be at work on them; names that are the same for all plots say nothing
 * of it. The log stays.
 */

import type { Clock } from '../../../../base/clock.js';
import { messageOf } from '../../../../base/errors.js';
import { identifyProcess } from '../../../../base/process-identity.js';
import { systemErrorCode } from '../../../../base/system-error.js';
import { endMarked } from '../../../../processes/process-family.js';
import type { PlotKey } from '../../machine/plot-record.js';
import type { TalentDirectory } from '../../machine/talent-directory.js';
import { hasId } from '../../machine/temp-names.js';
import type { PlotTaskStatus } from '../../wire/messages.js';
import { readOrder } from '../plotters/plot-order.js';
import { type PlotterDeclaration, plotIdSetBy } from '../plotters/plotters.js';
import type { TempOwner } from '../plotters/temp-files.js';
import { isFinishedIn, PlotIdInLog } from './log-evidence.js';
import { removeOwnTempFiles } from './own-temp-files.js';

export interface EndUnrecordedOptions {
  readonly machine: TalentDirectory;
  readonly clock: Clock;
  /** Ends the waiting, not the processes. */
  readonly signal: AbortSignal;
  /** Name of the plotter that makes the plots of this machine. */
  readonly plotter: string;
  /** Which of them has made this plot nobody knows. */
  readonly plotters: readonly PlotterDeclaration[];
}

/** @param task as talent has it; @returns what there is to say of it, as sentences */
export async function endUnrecorded(
  key: PlotKey,
  task: PlotTaskStatus,
  options: EndUnrecordedOptions,
): Promise<string[]> {
  const { machine, clock, signal } = options;
  const ended = await endMarked(machine.plots.markOf(key), clock, signal);
  const remark = ended === 0 ? 'there was no process of it here' : `${ended} processes of it were killed`;
  const problems = signal.aborted ? [] : await clearAway(key, task, options);
  const log = machine.plots.logPathOf(key);
  const isMade = [...formatsOf(options.plotters)].some((format) => isFinishedIn(log, format));
  const made = isMade ? [`its log tells that its plot was finished: ${log}`] : [];
  return [`its record was lost; ${remark}`, ...made, ...problems];
}

async function clearAway(
  key: PlotKey,
  task: PlotTaskStatus,
  options: EndUnrecordedOptions,
): Promise<string[]> {
  const { plot_pid = 0 } = task;
  // Its mark can't be read where it runs as another user.
  if (identifyProcess(plot_pid) !== undefined)
    return [`its temp files stay, because process ${plot_pid} may still be at work on them`];
  try {
    return await removeOwnTempFiles(options.machine.plots, key, ownerOf(key, task, options));
  } catch (error) {
    return [`its temp files stay: ${messageOf(error)}`];
  }
}

/** @throws OwlError when the order is not complete */
function ownerOf(key: PlotKey, task: PlotTaskStatus, options: EndUnrecordedOptions): TempOwner {
  const { machine, plotter, plotters } = options;
  const order = readOrder(key, task);
  const chosen = plotters.find(({ name }) => name === plotter);
  const madeId = chosen === undefined ? null : plotIdSetBy(chosen, order);
  const plot_id = idInLog(machine.plots.logPathOf(key), plotters) ?? madeId;
  return { ...order, plot_id, temp: plotters.flatMap(({ temp }) => temp.filter(hasId)) };
}

/** Null when there is no log, or it does not say. */
function idInLog(path: string, plotters: readonly PlotterDeclaration[]): string | null {
  for (const format of formatsOf(plotters)) {
    try {
      const id = new PlotIdInLog(path, format).look();
      if (id !== null) return id;
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    }
  }
  return null;
}

/** Several plotters print alike. */
function formatsOf(plotters: readonly PlotterDeclaration[]): ReadonlySet<string> {
  return new Set(plotters.map(({ format }) => format));
}
