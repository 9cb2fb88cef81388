/**
 * The wire contract of the owl fleet as peers in the field know it, written down from its description and not from this
 * project's proto file, and a peer that speaks exactly that.
 */

import { bytesOf, callWithBytes, messageIn, type Shapes, shapeOf, type WireMessage } from './wire-bytes.js';

/** Of the messages, `name type = number` for every field. */
export const CONTRACT: Shapes = {
  PlotPhaseStatus: shapeOf('stage string = 1 · time float = 2 · cpu_usage float = 3'),
  PlotP2BaseStatus: shapeOf('stage string = 1 · scan PlotPhaseStatus = 2 · sort PlotPhaseStatus = 3'),
  PlotP1Status: shapeOf(
    `stage string = 1 · table_1_now_size int64 = 2 · t1 PlotPhaseStatus = 3 · t2 PlotPhaseStatus = 4 ·
     t3 PlotPhaseStatus = 5 · t4 PlotPhaseStatus = 6 · t5 PlotPhaseStatus = 7 · t6 PlotPhaseStatus = 8 ·
     t7 PlotPhaseStatus = 9 · now int32 = 10 · time float = 11 · cpu_usage float = 12`,
  ),
  PlotP2Status: shapeOf(
    `stage string = 1 · t7 PlotP2BaseStatus = 2 · t6 PlotP2BaseStatus = 3 · t5 PlotP2BaseStatus = 4 ·
     t4 PlotP2BaseStatus = 5 · t3 PlotP2BaseStatus = 6 · t2 PlotP2BaseStatus = 7 · t1 PlotP2BaseStatus = 8 ·
     now int32 = 9 · time float = 10 · cpu_usage float = 11`,
  ),
  PlotP3Status: shapeOf(
    `stage string = 1 · t1_2 PlotPhaseStatus = 2 · t2_3 PlotPhaseStatus = 3 · t3_4 PlotPhaseStatus = 4 ·
     t4_5 PlotPhaseStatus = 5 · t5_6 PlotPhaseStatus = 6 · t6_7 PlotPhaseStatus = 7 · now string = 8 ·
     time float = 9 · cpu_usage float = 10`,
  ),
  PlotDetails: shapeOf(
    `fpk string = 1 · ppk string = 2 · id string = 3 · ksize int32 = 4 · cache1 string = 5 · cache2 string = 6 ·
     buffer int32 = 7 · buckets int32 = 8 · threads int32 = 9 · stripe_size int32 = 10 ·
     phase_1_status PlotP1Status = 11 · phase_2_status PlotP2Status = 12 · phase_3_status PlotP3Status = 13 ·
     phase_4_status PlotPhaseStatus = 14 · total_time PlotPhaseStatus = 15 · copy_time PlotPhaseStatus = 16 ·
     dest_file_name string = 17 · dest_path string = 18 · dest_type string = 19 · wrote int64 = 20 ·
     stage_now int32 = 21 · progress float = 22 · memo string = 23 · is_started bool = 24 · is_finished bool = 25`,
  ),
  PlotConfig: shapeOf(
    `fpk string = 1 · ppk string = 2 · ksize int32 = 3 · threads int32 = 4 · buffer int32 = 5 · cache1 string = 6 ·
     cache2 string = 7 · dest PlotConfig.Dest = 8`,
  ),
  'PlotConfig.Dest': shapeOf('type string = 1 · path string = 2'),
  PlotTaskCreateRequest: shapeOf('task_id string = 1 · worker_id string = 2 · plot_config PlotConfig = 3'),
  PlotTaskStatus: shapeOf(
    `worker_id string = 1 · task_id string = 2 · existed bool = 3 · plot_pid int32 = 4 · log_pid int32 = 5 ·
     status string = 6 · received_time double = 7 · pending_time double = 8 · started_time double = 9 ·
     running_time double = 10 · finished_time double = 11 · remarks string = 12 · plot_details PlotDetails = 13`,
  ),
  PlotTaskStatusAllResponse: shapeOf('tasks repeated PlotTaskStatus = 1'),
  PlotTaskIdRequest: shapeOf('task_id string = 1'),
  PlotTaskStopRequest: shapeOf('task_id string = 1 · reason string = 2'),
  PlotTaskStatusResponse: shapeOf('type string = 1 · is_success bool = 2 · msg string = 3'),
  PlotTaskUpdateResponse: shapeOf('is_success bool = 1 · msg string = 2'),
  Empty: {},
  GetPlotByCacheRequest: shapeOf('status string = 1 · cache1 string = 2'),
  PlotStatus: shapeOf('status string = 1'),
};

/** Method → request and response. */
export const METHODS = {
  plot_task_create: ['PlotTaskCreateRequest', 'PlotTaskStatusResponse'],
  plot_task_status: ['PlotTaskIdRequest', 'PlotTaskStatus'],
  plot_task_status_all: ['Empty', 'PlotTaskStatusAllResponse'],
  plot_task_stop: ['PlotTaskStopRequest', 'PlotTaskStatusResponse'],
  plot_task_update: ['PlotTaskStatus', 'PlotTaskUpdateResponse'],
  get_plot_tasks: ['PlotStatus', 'PlotTaskStatusAllResponse'],
  get_plot_by_cache: ['GetPlotByCacheRequest', 'PlotTaskStatusAllResponse'],
} as const;

export type Method = keyof typeof METHODS;

/** A peer from the field: what it sends and reads is made of the contract's numbers, each call goes over a new channel. */
export class OldPeer {
  private readonly address: string;
  private readonly shapes: Shapes;

  /** @param shapes what this peer knows, if that is not the contract as it stands */
  constructor(address: string, shapes: Shapes = CONTRACT) {
    this.address = address;
    this.shapes = shapes;
  }

  /** Answers what the peer can read of the answer. */
  async call(method: Method, request: WireMessage = {}): Promise<Readonly<Record<string, unknown>>> {
    const [requestName] = METHODS[method];
    return await this.send(method, bytesOf(this.shapes, requestName, request));
  }

  async send(method: Method, request: Buffer): Promise<Readonly<Record<string, unknown>>> {
    const [, responseName] = METHODS[method];
    const answer = await callWithBytes(this.address, `/talent.PlotManager/${method}`, request);
    return messageIn(this.shapes, responseName, answer).fields;
  }

  async tasks(method: Method, request: WireMessage = {}): Promise<readonly unknown[]> {
    const { tasks = [] } = await this.call(method, request);
    return Array.isArray(tasks) ? tasks : [];
  }
}
