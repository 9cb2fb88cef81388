/**
 * The messages of proto/talent.proto as TypeScript sees them once decoded: a field that was not given is missing (proto3
 * sends no zero and no empty text). Units are those of the proto file: seconds, Unix seconds, MiB, bytes.
 */

import type { SupervisorFigures } from './supervisor-figures.js';

export interface PhaseStatus {
  stage?: string;
  time?: number;
  cpu_usage?: number;
}

export interface P2TableStatus {
  stage?: string;
  scan?: PhaseStatus;
  sort?: PhaseStatus;
}

export interface Phase1Status extends PhaseStatus {
  /** Entries, not bytes. */
  table_1_now_size?: number;
  t1?: PhaseStatus;
  t2?: PhaseStatus;
  t3?: PhaseStatus;
  t4?: PhaseStatus;
  t5?: PhaseStatus;
  t6?: PhaseStatus;
  t7?: PhaseStatus;
  now?: number;
}

type Tables = 't1' | 't2' | 't3' | 't4' | 't5' | 't6' | 't7';

export interface Phase2Status extends PhaseStatus, Partial<Record<Tables, P2TableStatus>> {
  now?: number;
}

export interface Phase3Status extends PhaseStatus {
  t1_2?: PhaseStatus;
  t2_3?: PhaseStatus;
  t3_4?: PhaseStatus;
  t4_5?: PhaseStatus;
  t5_6?: PhaseStatus;
  t6_7?: PhaseStatus;
  now?: string;
}

export interface PlotDetails {
  fpk?: string;
  ppk?: string;
  id?: string;
  ksize?: number;
  cache1?: string;
  cache2?: string;
  buffer?: number;
  buckets?: number;
  threads?: number;
  stripe_size?: number;
  phase_1_status?: Phase1Status;
  phase_2_status?: Phase2Status;
  phase_3_status?: Phase3Status;
  phase_4_status?: PhaseStatus;
  total_time?: PhaseStatus;
  copy_time?: PhaseStatus;
  dest_file_name?: string;
  dest_path?: string;
  dest_type?: string;
  wrote?: number;
  stage_now?: number;
  progress?: number;
  memo?: string;
  is_started?: boolean;
  is_finished?: boolean;
  dest_dir?: string;
}

export interface PlotConfig {
  fpk?: string;
  ppk?: string;
  ksize?: number;
  threads?: number;
  buffer?: number;
  cache1?: string;
  cache2?: string;
  dest?: { type?: string; path?: string };
}

export interface PlotTaskCreateRequest {
  task_id?: string;
  worker_id?: string;
  plot_config?: PlotConfig;
  command_id?: string;
}

export interface PlotTaskStatus {
  worker_id?: string;
  task_id?: string;
  existed?: boolean;
  plot_pid?: number;
  log_pid?: number;
  status?: string;
  received_time?: number;
  pending_time?: number;
  started_time?: number;
  running_time?: number;
  finished_time?: number;
  remarks?: string;
  plot_details?: PlotDetails;
  id?: number;
  create_time?: number;
  update_time?: number;
  attempt?: number;
  revision?: number;
  exit_code?: number;
  exit_signal?: string;
  log_offset?: number;
  command_id?: string;
  for_attempt?: number;
  tasks?: PlotTaskStatus[];
  seconds_left?: number;
  problem?: string;
  report_key?: string;
}

export interface PlotTaskStatusAllResponse {
  tasks?: PlotTaskStatus[];
  left_out?: number;
}

export interface PlotTaskIdRequest {
  task_id?: string;
  status?: string;
}

export interface PlotTaskStopRequest {
  task_id?: string;
  reason?: string;
  command_id?: string;
  force?: boolean;
}

export interface PlotTaskStatusResponse {
  type?: string;
  is_success?: boolean;
  msg?: string;
  revision?: number;
}

export interface PlotTaskUpdateResponse {
  is_success?: boolean;
  msg?: string;
  revision?: number;
}

export interface GetPlotByCacheRequest {
  status?: string;
  cache1?: string;
}

export interface PlotStatus {
  status?: string;
}

export interface PlotTaskRetryRequest {
  task_id?: string;
  reason?: string;
  command_id?: string;
}

export interface PlotTaskListRequest {
  statuses?: string[];
  worker_id?: string;
  cache?: string;
  created_from?: number;
  created_before?: number;
  page_size?: number;
  page_token?: string;
  newest_first?: boolean;
  task_id_prefix?: string;
}

export interface PlotTaskListResponse {
  tasks?: PlotTaskStatus[];
  next_page_token?: string;
}

export interface PlotTaskWatchRequest {
  task_ids?: string[];
  statuses?: string[];
  worker_id?: string;
}

export interface PlotTaskChange {
  task?: PlotTaskStatus;
  initial?: boolean;
  initial_complete?: boolean;
  gone?: boolean;
}

export interface PlotTaskHistoryRequest {
  task_id?: string;
  from_revision?: number;
}

export interface PlotTaskEventMessage {
  task_id?: string;
  revision?: number;
  type?: string;
  version?: number;
  time?: number;
  event_id?: string;
  correlation_id?: string;
  causation_id?: string;
  by?: string;
  data?: string;
  position?: string;
}

export interface PlotTaskReport {
  seq?: number;
  status?: PlotTaskStatus;
}

export interface PlotTaskReportAck {
  seq?: number;
  is_success?: boolean;
  msg?: string;
  revision?: number;
  retryable?: boolean;
}

export interface PlotTaskReportAcks {
  acks?: PlotTaskReportAck[];
}

export interface SupervisorAttachRequest {
  worker_id?: string;
  host?: string;
  session_id?: string;
  pid?: number;
  lease_seconds?: number;
  version?: string;
  report_key_hash?: string;
}

export interface SupervisorHeartbeatRequest {
  worker_id?: string;
  session_id?: string;
  figures?: SupervisorFigures;
}

export interface SupervisorLease {
  worker_id?: string;
  session_id?: string;
  status?: string;
  lease_seconds?: number;
  expires_at?: number;
}

export interface SupervisorDetachRequest {
  worker_id?: string;
  session_id?: string;
  reason?: string;
}

export type SupervisorDetachResponse = Record<string, never>;

export interface SupervisorWorkRequest {
  worker_id?: string;
  session_id?: string;
}

export type SupervisorWorkKind = 'START' | 'STOP' | 'WITHDRAWN' | 'READY';

export interface SupervisorWork {
  kind?: SupervisorWorkKind | 'UNKNOWN';
  task?: PlotTaskStatus;
}

export interface SupervisorStatus {
  worker_id?: string;
  session_id?: string;
  host?: string;
  pid?: number;
  status?: string;
  lease_seconds?: number;
  attached_time?: number;
  lost_time?: number;
  returned_time?: number;
  detached_time?: number;
  remarks?: string;
  version?: string;
  node_id?: string;
}

export interface SupervisorListResponse {
  supervisors?: SupervisorStatus[];
}
