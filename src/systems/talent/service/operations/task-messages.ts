/** The messages of proto/talent.proto that are about tasks, as schemas of operations. A test compares the two. */

import { z } from 'zod';
import {
  explicit,
  flag,
  int32,
  int64,
  list,
  message,
  number,
  text,
} from '../../../../node/operations/fields.js';

const phase = message('talent.PlotPhaseStatus', {
  stage: text().optional(),
  time: number().optional(),
  cpu_usage: number().optional(),
});
const p2Table = message('talent.PlotP2BaseStatus', {
  stage: text().optional(),
  scan: phase.optional(),
  sort: phase.optional(),
});
const [somePhase, someTable] = [phase.optional(), p2Table.optional()];
const whole = int32().optional();
const figure = number().optional();
const some = text().optional();

const details = message('talent.PlotDetails', {
  ...{
    fpk: some,
    ppk: some,
    id: text(undefined, { description: "The plotter's own id of the plot." }).optional(),
  },
  ...{ ksize: whole, cache1: some, cache2: some },
  buffer: int32({ description: 'MiB' }).optional(),
  ...{ buckets: whole, threads: whole, stripe_size: whole },
  phase_1_status: message('talent.PlotP1Status', {
    ...{ stage: some, table_1_now_size: int64().optional() },
    ...{
      t1: somePhase,
      t2: somePhase,
      t3: somePhase,
      t4: somePhase,
      t5: somePhase,
      t6: somePhase,
      t7: somePhase,
    },
    ...{ now: whole, time: figure, cpu_usage: figure },
  }).optional(),
  phase_2_status: message('talent.PlotP2Status', {
    stage: some,
    ...{
      t7: someTable,
      t6: someTable,
      t5: someTable,
      t4: someTable,
      t3: someTable,
      t2: someTable,
      t1: someTable,
    },
    ...{ now: whole, time: figure, cpu_usage: figure },
  }).optional(),
  phase_3_status: message('talent.PlotP3Status', {
    stage: some,
    ...{
      t1_2: somePhase,
      t2_3: somePhase,
      t3_4: somePhase,
      t4_5: somePhase,
      t5_6: somePhase,
      t6_7: somePhase,
    },
    ...{ now: some, time: figure, cpu_usage: figure },
  }).optional(),
  ...{ phase_4_status: somePhase, total_time: somePhase, copy_time: somePhase },
  ...{ dest_file_name: some, dest_path: some, dest_type: some, wrote: int64().optional(), stage_now: whole },
  progress: number(undefined, { description: '0 to 100' }).optional(),
  ...{ memo: some, is_started: flag().optional(), is_finished: flag().optional() },
  dest_dir: text(undefined, { description: 'The directory the file came to.' }).optional(),
});

const instant = number(undefined, { description: 'Unix seconds' }).optional();

export const plotTaskStatus = message('talent.PlotTaskStatus', {
  ...{
    worker_id: some,
    task_id: some,
    existed: flag().optional(),
    plot_pid: whole,
    log_pid: whole,
    status: some,
  },
  ...{ received_time: instant, pending_time: instant, started_time: instant, running_time: instant },
  ...{ finished_time: instant, remarks: some, plot_details: details.optional() },
  id: int64({ description: 'Running number of the task on this farm.' }).optional(),
  ...{ create_time: instant, update_time: instant },
  attempt: int32({ description: '1 for the first try.' }).optional(),
  revision: int64({ description: "Of the task's last event; 0-based." }).optional(),
  ...{ exit_code: explicit(int32()), exit_signal: some, log_offset: int64().optional(), command_id: some },
  ...{ for_attempt: whole, report_key: some },
  seconds_left: explicit(
    number(undefined, {
      description: 'Of a task that runs: how long it still takes, as earlier ones tell; 0: overdue.',
    }),
  ),
  problem: text(undefined, { description: 'Why nothing behind `revision` is known.' }).optional(),
  get tasks(): z.ZodOptional<z.ZodArray<z.ZodType>> {
    return z.array(plotTaskStatus).optional();
  },
});

export const plotTaskStatusResponse = message('talent.PlotTaskStatusResponse', {
  type: text(undefined, { description: 'on_retry or on_fail' }).optional(),
  ...{ is_success: flag().optional(), msg: some },
  revision: int64({ description: 'Of the task after the command.' }).optional(),
});

export const plotTaskListResponse = message('talent.PlotTaskListResponse', {
  tasks: list(plotTaskStatus),
  next_page_token: text(undefined, { description: 'Missing on the last page.' }).optional(),
});

export const plotTaskChange = message('talent.PlotTaskChange', {
  task: plotTaskStatus.optional(),
  initial: flag({ description: 'It was there when the watch began.' }).optional(),
  initial_complete: flag({
    description: 'Sent once, with no task: all that was there has been sent.',
  }).optional(),
  gone: flag({ description: 'The task no longer matches.' }).optional(),
});

export const plotTaskEvent = message('talent.PlotTaskEvent', {
  ...{
    task_id: some,
    revision: int64().optional(),
    type: some,
    version: whole,
    time: instant,
    event_id: some,
  },
  ...{ correlation_id: some, causation_id: some, by: some },
  data: text(undefined, { description: "The event's data as JSON." }).optional(),
  position: some,
});
