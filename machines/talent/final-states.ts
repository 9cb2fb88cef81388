/** The states of a plot task in which nothing more happens to this attempt: only a retry leaves them. */

import type { PlotTaskState } from './plot-task.js';

export const FINAL_STATES = ['stopped', 'finished', 'failed'] as const satisfies readonly PlotTaskState[];

const FINAL: ReadonlySet<PlotTaskState> = new Set<PlotTaskState>(FINAL_STATES);

export function isFinal(state: PlotTaskState): boolean {
  return FINAL.has(state);
}
