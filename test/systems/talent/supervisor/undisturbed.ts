/** What must be the same of two runs of one plot, whatever happened in between: everything but times, pids and offsets' base. */

import type { PlotTaskEventMessage, PlotTaskStatus } from '../../../../src/systems/talent/wire/messages.js';
import type { Farm } from '../support/farm.js';

/** Different in every run, even when nothing happens: when, and which process. */
const VARYING: ReadonlySet<string> = new Set([
  'plot_pid',
  'log_pid',
  'received_time',
  'pending_time',
  'started_time',
  'running_time',
  'finished_time',
  'create_time',
  'update_time',
]);

export interface Run {
  readonly row: unknown;
  readonly history: readonly unknown[];
}

/** The run of a task that is over, as it must be in any farm. */
export async function runOf(farm: Farm, taskId: string): Promise<Run> {
  const events = await farm.history(taskId);
  const [first] = events;
  const worker = first === undefined ? '' : JSON.parse(first.data ?? '{}').worker_id;
  // Directories and the worker are this farm's; what else differs is a difference.
  const same = (text: string): unknown =>
    without(JSON.parse(text.replaceAll(farm.directory, '/farm').replaceAll(worker, 'worker')));
  return {
    row: same(JSON.stringify(withoutRevision(await farm.task(taskId)))),
    history: events.flatMap((event) => entryOf(event, same)),
  };
}

/** Another log receiver is no news when the process ids do not count. */
function entryOf(
  { type = '', data = '{}' }: PlotTaskEventMessage,
  same: (text: string) => unknown,
): unknown[] {
  const told = same(data);
  const isEmpty = typeof told === 'object' && told !== null && Object.keys(told).length === 0;
  return type === 'PlotTaskReported' && isEmpty ? [] : [{ type, data: told }];
}

/** How many events there are is compared by the history. */
function withoutRevision({ revision: _, ...task }: PlotTaskStatus): PlotTaskStatus {
  return task;
}

function without(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, inner]) => (VARYING.has(name) ? [] : [[name, without(inner)]])),
  );
}
