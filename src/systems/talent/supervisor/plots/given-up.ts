/**
 * Whether talent wants a plot of this machine to be ended: that was decided by talent itself or by an overlord.
 *
 * Guarantee: what somebody has reported of a task (that it had failed, finished or was stopped) ends no plotter; who ended
 * it, talent's history says, and no peer can write that.
 */

import type { PlotKey } from '../../machine/plot-record.js';
import type { PlotTaskStatus } from '../../wire/messages.js';
import type { PlotManagerClient } from '../../wire/plot-manager-client.js';
import { isFinal } from '../../wire/plot-states.js';

/** What talent writes into its history begins so where the cause was a report. */
const REPORTER = 'reporter ';

/** `over`: a report has ended the task, so talent takes no more of it, but the plotter goes on. */
export type Standing = { readonly endBecause: string } | 'over' | 'wanted';

/** @param task as talent has it now; @throws OwlError while talent can't be asked */
export async function standingOf(
  client: PlotManagerClient,
  { attempt }: PlotKey,
  task: PlotTaskStatus,
): Promise<Standing> {
  const { task_id = '', status = '', remarks = '', revision = 0 } = task;
  // Only an overlord has it made again.
  if ((task.attempt ?? 0) > attempt) return { endBecause: `talent is at attempt ${task.attempt}` };
  if (!isFinal(status)) return 'wanted';
  for await (const { by = '' } of client.history({ task_id, from_revision: revision }))
    return by.startsWith(REPORTER) ? 'over' : { endBecause: `the task is ${status}: ${remarks}` };
  return 'over';
}
