/**
 * The events of a plot task: what its machine consumes, what the store holds and what `plot_tasks` is made of.
 *
 * Names of data fields are the names of the columns they end up in. A field that is missing did not change; an empty text
 * takes back what was there. Times of phases and tables are seconds, CPU is percent of one core, sizes are bytes, buffer
 * is MiB, points in time are Unix seconds, progress goes from 0 to 100.
 */

import type { DataOf, EventSchemas, EventsOf } from '../../src/runtime/event-store/event-schema.js';

/** What supervisors and log receivers tell of a running attempt. */
export const REPORTED_FIELDS = {
  plot_pid: 'integer?',
  log_pid: 'integer?',
  remarks: 'text?',
  exit_code: 'integer?',
  exit_signal: 'text?',
  /** Byte of the plotter's log up to which everything has been reported. */
  log_offset: 'integer?',

  plot_id: 'text?',
  memo: 'text?',
  ksize: 'integer?',
  threads: 'integer?',
  buffer: 'integer?',
  buckets: 'integer?',
  stripe_size: 'integer?',
  progress: 'number?',
  stage_now: 'integer?',
  wrote: 'integer?',
  dest_file_name: 'text?',
  /** The directory the file came to; where it was asked to go stays in `dest_path`. */
  dest_dir: 'text?',

  p1_stage: 'text?',
  p1_now: 'integer?',
  p1_table_1_now_size: 'integer?',
  p1_t1_stage: 'text?',
  p1_t1_time: 'number?',
  p1_t1_cpu: 'number?',
  p1_t2_stage: 'text?',
  p1_t2_time: 'number?',
  p1_t2_cpu: 'number?',
  p1_t3_stage: 'text?',
  p1_t3_time: 'number?',
  p1_t3_cpu: 'number?',
  p1_t4_stage: 'text?',
  p1_t4_time: 'number?',
  p1_t4_cpu: 'number?',
  p1_t5_stage: 'text?',
  p1_t5_time: 'number?',
  p1_t5_cpu: 'number?',
  p1_t6_stage: 'text?',
  p1_t6_time: 'number?',
  p1_t6_cpu: 'number?',
  p1_t7_stage: 'text?',
  p1_t7_time: 'number?',
  p1_t7_cpu: 'number?',
  p1_total_time: 'number?',
  p1_total_cpu: 'number?',

  p2_stage: 'text?',
  p2_now: 'integer?',
  p2_t7_stage: 'text?',
  p2_t7_scan_stage: 'text?',
  p2_t7_scan_time: 'number?',
  p2_t7_scan_cpu: 'number?',
  p2_t7_sort_stage: 'text?',
  p2_t7_sort_time: 'number?',
  p2_t7_sort_cpu: 'number?',
  p2_t6_stage: 'text?',
  p2_t6_scan_stage: 'text?',
  p2_t6_scan_time: 'number?',
  p2_t6_scan_cpu: 'number?',
  p2_t6_sort_stage: 'text?',
  p2_t6_sort_time: 'number?',
  p2_t6_sort_cpu: 'number?',
  p2_t5_stage: 'text?',
  p2_t5_scan_stage: 'text?',
  p2_t5_scan_time: 'number?',
  p2_t5_scan_cpu: 'number?',
  p2_t5_sort_stage: 'text?',
  p2_t5_sort_time: 'number?',
  p2_t5_sort_cpu: 'number?',
  p2_t4_stage: 'text?',
  p2_t4_scan_stage: 'text?',
  p2_t4_scan_time: 'number?',
  p2_t4_scan_cpu: 'number?',
  p2_t4_sort_stage: 'text?',
  p2_t4_sort_time: 'number?',
  p2_t4_sort_cpu: 'number?',
  p2_t3_stage: 'text?',
  p2_t3_scan_stage: 'text?',
  p2_t3_scan_time: 'number?',
  p2_t3_scan_cpu: 'number?',
  p2_t3_sort_stage: 'text?',
  p2_t3_sort_time: 'number?',
  p2_t3_sort_cpu: 'number?',
  p2_t2_stage: 'text?',
  p2_t2_scan_stage: 'text?',
  p2_t2_scan_time: 'number?',
  p2_t2_scan_cpu: 'number?',
  p2_t2_sort_stage: 'text?',
  p2_t2_sort_time: 'number?',
  p2_t2_sort_cpu: 'number?',
  p2_t1_stage: 'text?',
  p2_t1_scan_stage: 'text?',
  p2_t1_scan_time: 'number?',
  p2_t1_scan_cpu: 'number?',
  p2_t1_sort_stage: 'text?',
  p2_t1_sort_time: 'number?',
  p2_t1_sort_cpu: 'number?',
  p2_total_time: 'number?',
  p2_total_cpu: 'number?',

  p3_stage: 'text?',
  p3_now: 'text?',
  p3_t1_2_stage: 'text?',
  p3_t1_2_time: 'number?',
  p3_t1_2_cpu: 'number?',
  p3_t2_3_stage: 'text?',
  p3_t2_3_time: 'number?',
  p3_t2_3_cpu: 'number?',
  p3_t3_4_stage: 'text?',
  p3_t3_4_time: 'number?',
  p3_t3_4_cpu: 'number?',
  p3_t4_5_stage: 'text?',
  p3_t4_5_time: 'number?',
  p3_t4_5_cpu: 'number?',
  p3_t5_6_stage: 'text?',
  p3_t5_6_time: 'number?',
  p3_t5_6_cpu: 'number?',
  p3_t6_7_stage: 'text?',
  p3_t6_7_time: 'number?',
  p3_t6_7_cpu: 'number?',
  p3_total_time: 'number?',
  p3_total_cpu: 'number?',

  p4_stage: 'text?',
  p4_total_time: 'number?',
  p4_total_cpu: 'number?',
  total_stage: 'text?',
  total_time: 'number?',
  total_cpu: 'number?',
  copy_stage: 'text?',
  copy_time: 'number?',
  copy_cpu: 'number?',
} as const;

export type Reported = DataOf<typeof REPORTED_FIELDS>;

export const PLOT_TASK_EVENTS = {
  /** An overlord's order: the first event of every task. */
  PlotTaskReceived: {
    version: 1,
    fields: {
      task_id: 'text',
      worker_id: 'text',
      fpk: 'text?',
      ppk: 'text?',
      ksize: 'integer',
      threads: 'integer',
      buffer: 'integer',
      cache1: 'text',
      cache2: 'text',
      dest_type: 'text',
      dest_path: 'text',
      received_time: 'number',
    },
  },
  /** A supervisor has taken notice; `remarks` say why it waits. */
  PlotTaskPending: { version: 1, fields: { ...REPORTED_FIELDS, pending_time: 'number' } },
  PlotTaskStarted: { version: 1, fields: { ...REPORTED_FIELDS, started_time: 'number' } },
  /** The log receiver has seen the plotter at work. */
  PlotTaskRunning: { version: 1, fields: { ...REPORTED_FIELDS, running_time: 'number' } },
  /** Something changed while the state stays the same. */
  PlotTaskReported: { version: 1, fields: REPORTED_FIELDS },
  PlotTaskFinished: { version: 1, fields: { ...REPORTED_FIELDS, finished_time: 'number' } },
  PlotTaskStopRequested: { version: 1, fields: REPORTED_FIELDS },
  PlotTaskStopped: { version: 1, fields: REPORTED_FIELDS },
  PlotTaskFailed: { version: 1, fields: REPORTED_FIELDS },
  /** Received again, as attempt `attempt`; begins with what was asked for, whatever the attempt before reported. */
  PlotTaskRetried: {
    version: 1,
    fields: {
      attempt: 'integer',
      received_time: 'number',
      ksize: 'integer',
      threads: 'integer',
      buffer: 'integer',
      remarks: 'text?',
    },
  },
  /**
   * The lease of the task's supervisor ran out. A task that is under way fails at `fail_at` unless the supervisor returns.
   * Once more for the same loss: it is given as much time again.
   */
  PlotTaskSupervisorLost: {
    version: 1,
    fields: { remarks: 'text', lost_time: 'number', fail_at: 'number' },
  },
  PlotTaskSupervisorReturned: { version: 1, fields: { remarks: 'text' } },
} as const satisfies EventSchemas;

export type PlotTaskEvent = EventsOf<typeof PLOT_TASK_EVENTS>;
export type PlotTaskOrder = DataOf<(typeof PLOT_TASK_EVENTS)['PlotTaskReceived']['fields']>;
