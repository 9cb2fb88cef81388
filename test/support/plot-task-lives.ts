/**
 * Lives of plot tasks as their events: one that finished, one that was retried, one that was lost and came back, one that
 * waits, one that was stopped. Guarantee: the machine takes each life as it stands.
 */

import type { PlotTaskEvent } from '../../machines/talent/plot-task-events.js';
import type { EventStore, JsonObject, RecordedEvent } from '../../src/runtime/event-store/event-store.js';
import { propose } from './events.js';

export const T0 = 1_700_000_000;

const order = (
  taskId: string,
  more: { fpk?: string; ppk?: string; worker_id?: string } = {},
): PlotTaskEvent => ({
  type: 'PlotTaskReceived',
  data: {
    task_id: taskId,
    worker_id: 'worker-1',
    ksize: 32,
    threads: 4,
    buffer: 4096,
    cache1: '/ssd/1',
    cache2: '/ssd/2',
    dest_type: 'local',
    dest_path: '/farm/1',
    received_time: T0,
    ...more,
  },
});
const pending: PlotTaskEvent = {
  type: 'PlotTaskPending',
  data: { pending_time: T0 + 1, remarks: 'no room' },
};
const started: PlotTaskEvent = {
  type: 'PlotTaskStarted',
  data: { started_time: T0 + 2, plot_pid: 10, log_pid: 11, remarks: '' },
};
const running: PlotTaskEvent = {
  type: 'PlotTaskRunning',
  data: {
    running_time: T0 + 3,
    plot_id: 'plot-1',
    memo: 'm',
    threads: 2,
    buckets: 128,
    p1_stage: 'computing',
  },
};

export const LIVES: Readonly<Record<string, readonly PlotTaskEvent[]>> = {
  finished: [
    order('finished', { fpk: 'f', ppk: 'p' }),
    pending,
    started,
    running,
    {
      type: 'PlotTaskReported',
      data: { p1_t1_time: 100.5, p1_t1_cpu: 380, p1_table_1_now_size: 3_425_151_400, p1_t1_stage: 'done' },
    },
    { type: 'PlotTaskReported', data: { p2_t7_scan_time: 40, p2_t7_scan_cpu: 90, p2_t6_scan_time: 10 } },
    { type: 'PlotTaskReported', data: { p2_t6_sort_time: 30.25, p2_t6_sort_cpu: 80, p1_stage: '' } },
    {
      type: 'PlotTaskFinished',
      data: {
        finished_time: T0 + 9,
        progress: 100,
        wrote: 108_825_000_000,
        dest_file_name: 'a.plot',
        dest_dir: '/farm/2',
      },
    },
  ],
  retried: [
    order('retried'),
    pending,
    started,
    running,
    { type: 'PlotTaskReported', data: { progress: 55.5, p3_now: 't1_2', log_offset: 4096, stage_now: 3 } },
    { type: 'PlotTaskFailed', data: { remarks: 'disk full', exit_code: 1, exit_signal: 'SIGBUS' } },
    {
      type: 'PlotTaskRetried',
      data: { attempt: 2, received_time: T0 + 20, ksize: 32, threads: 4, buffer: 4096, remarks: 'new disk' },
    },
    { type: 'PlotTaskPending', data: { pending_time: T0 + 21 } },
  ],
  lost: [
    order('lost', { worker_id: 'worker-2' }),
    pending,
    started,
    running,
    { type: 'PlotTaskSupervisorLost', data: { remarks: 'lost', lost_time: T0 + 30, fail_at: T0 + 630 } },
    { type: 'PlotTaskSupervisorReturned', data: { remarks: '' } },
    { type: 'PlotTaskStopRequested', data: { remarks: 'make room' } },
  ],
  waiting: [order('waiting')],
  stopped: [order('stopped'), pending, { type: 'PlotTaskStopRequested', data: {} }],
};

/** Stores the lives, the first event of each, then the second of each … Answers what is stored, in order. */
export async function storeLives(store: EventStore, from = 0, to = 100): Promise<RecordedEvent[]> {
  const stored: RecordedEvent[] = [];
  for (let revision = from; revision < to; revision++) {
    for (const [taskId, events] of Object.entries(LIVES)) {
      const event = events[revision];
      if (event === undefined) continue;
      const time = (T0 + revision) * 1000 + 250;
      const proposed = propose(jsonOf(event.data), { type: event.type });
      const expected = revision === 0 ? 'noStream' : revision - 1;
      const metadata = { ...proposed.metadata, time };
      const appended = await store.append(`plot_task-${taskId}`, expected, [{ ...proposed, metadata }]);
      stored.push(...appended.events);
    }
  }
  return stored;
}

export function jsonOf(data: object): JsonObject {
  return JSON.parse(JSON.stringify(data));
}
