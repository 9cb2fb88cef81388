/**
 * Orders and questions of people about datasets, tasks, jobs and pilots (proto/workload.proto), as TypeScript sees them once decoded:
 * a field that was not given is missing. Units are those of the proto file: Unix seconds, seconds, bytes. What pilots say is in
 * pilot-messages.ts.
 */

export interface EntityRequest {
  id?: string;
}

export interface EntityOrder {
  id?: string;
  reason?: string;
  command_id?: string;
}

export interface EntityEvent {
  revision?: number;
  type?: string;
  time?: number;
  data?: string;
  by?: string;
  command_id?: string;
  problem?: string;
}

export interface Switch {
  switch?: string;
  enabled?: boolean;
  strict?: boolean;
  reason?: string;
  by?: string;
  since?: number;
  revision?: number;
  ending?: boolean;
}

export interface SwitchOrder {
  switch?: string;
  enabled?: boolean;
  reason?: string;
  strict?: boolean;
  command_id?: string;
}

export interface SwitchList {
  switches?: Switch[];
}

export interface TaskSubmitRequest {
  executable?: string;
  args?: string;
  rank?: number;
  device_type?: string;
  mode?: string;
  data_in_uid?: string;
  storage_url?: string;
  data_out_url?: string;
  retries?: number;
  files_per_job?: number;
  max_failed_jobs?: number;
  require_complete?: boolean;
  until_one?: boolean;
  timeout_seconds?: number;
  memory_mib?: number;
  name?: string;
  uid?: string;
  command_id?: string;
}

export interface Task {
  task_id?: number;
  uid?: string;
  name?: string;
  state?: string;
  held?: boolean;
  executable?: string;
  args?: string;
  rank?: number;
  device_type?: string;
  mode?: string;
  data_in_uid?: string;
  storage_url?: string;
  data_out_url?: string;
  data_out_uid?: string;
  data_log_uid?: string;
  retries?: number;
  files_per_job?: number;
  max_failed_jobs?: number;
  require_complete?: boolean;
  until_one?: boolean;
  timeout_seconds?: number;
  memory_mib?: number;
  split_next?: number;
  jobs_total?: number;
  jobs_waiting?: number;
  jobs_running?: number;
  jobs_finished?: number;
  jobs_failed?: number;
  jobs_cancelled?: number;
  create_time?: number;
  update_time?: number;
  end_time?: number;
  remarks?: string;
  revision?: number;
  parent_task_id?: number;
}

export interface TaskListRequest {
  page_size?: number;
  page_token?: string;
  newest_first?: boolean;
  state?: string[];
}

export interface TaskList {
  tasks?: Task[];
  next_page_token?: string;
}

export interface TaskRankRequest {
  id?: string;
  rank?: number;
  command_id?: string;
}

export interface Job {
  job_id?: number;
  uid?: string;
  task_id?: number;
  file_in_id?: number;
  file_out_id?: number;
  file_log_id?: number;
  parent_job_id?: number;
  seq?: number;
  level?: number;
  executable?: string;
  args?: string;
  rank?: number;
  state?: string;
  retries?: number;
  cur_retry?: number;
  device_type?: string;
  mode?: string;
  attempt?: number;
  losses?: number;
  pilot_id?: number;
  pilot?: string;
  claim_id?: string;
  failure_class?: string;
  exit_code?: number;
  exit_signal?: string;
  timeout_seconds?: number;
  memory_mib?: number;
  inputs?: number;
  outputs?: number;
  cpu_seconds?: number;
  max_rss?: number;
  create_time?: number;
  queued_time?: number;
  claimed_time?: number;
  time_start?: number;
  time_end?: number;
  update_time?: number;
  remarks?: string;
  revision?: number;
  task?: string;
}

export interface JobListRequest {
  page_size?: number;
  page_token?: string;
  newest_first?: boolean;
  state?: string[];
  task?: string;
  pilot?: string;
  failure_class?: string;
}

export interface JobList {
  jobs?: Job[];
  next_page_token?: string;
}

export interface JobFile {
  file_id?: number;
  file_name?: string;
  type?: string;
  size?: number;
  status?: string;
  check_sum?: string;
  time_start?: number;
  time_end?: number;
  dsm_file?: string;
  dataset_uid?: string;
  path?: string;
  attempt?: number;
  revision?: number;
}

export interface JobFileList {
  files?: JobFile[];
}

export interface JobLogRequest {
  id?: string;
  offset?: number;
  length?: number;
  attempt?: number;
}

export interface JobLog {
  content?: Buffer;
  offset?: number;
  size?: number;
  complete?: boolean;
  attempt?: number;
}

export interface Pilot {
  pilot_id?: number;
  name?: string;
  status?: string;
  session_id?: string;
  device_type?: string;
  slots?: number;
  slots_used?: number;
  memory_mib?: number;
  host?: string;
  pid?: number;
  version?: string;
  executables?: string[];
  lease_seconds?: number;
  registered_time?: number;
  lost_time?: number;
  last_report_time?: number;
  jobs_done?: number;
  jobs_failed?: number;
  metrics?: string;
  remarks?: string;
  revision?: number;
}

export interface PilotListRequest {
  status?: string[];
  all?: boolean;
  page_size?: number;
  page_token?: string;
  newest_first?: boolean;
}

export interface PilotList {
  pilots?: Pilot[];
  next_page_token?: string;
}
