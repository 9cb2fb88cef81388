/**
 * What stands in the remarks of a task that is over, where whoever reports its end says nothing: how it ended. Guarantees: why it
 * had to wait, that it was halted, or that its supervisor was lost, is not left there once it is over; what was made by whom, and
 * why it was to be stopped, is.
 */

import { isFinal } from '../../../../machines/talent/final-states.js';
import type { PlotTaskSnapshot, PlotTaskState } from '../../../../machines/talent/plot-task.js';
import { isWaiting } from './supervisor-losses.js';

/** As the supervisor says it of what it has started (supervisor-reports.ts). */
const MADE_BY = /^made by plotter /;

/** Undefined where the remarks are right, or where there are none. */
export function lastRemarks(task: PlotTaskSnapshot, status: PlotTaskState | undefined): string | undefined {
  const { remarks = '' } = task.context.reported;
  if (status === undefined || !isFinal(status) || isFinal(task.value) || remarks === '') return undefined;
  const isStopping = task.value === 'stopping';
  switch (status) {
    case 'finished':
      if (isStopping) return 'finished before it could be stopped';
      return MADE_BY.test(remarks) ? undefined : 'finished';
    case 'stopped':
      return isStopping ? undefined : 'stopped';
    default:
      return 'failed, and nobody said why';
  }
}

/** What is said of a stop for which nobody gives a reason. */
export function reasonOfStop(task: PlotTaskSnapshot): string {
  return isWaiting(task.value) ? 'stopped before it was started' : 'stopped on request';
}
