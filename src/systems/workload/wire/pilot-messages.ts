/**
 * What a pilot and its node tell each other (proto/workload.proto, PilotManager), as TypeScript sees it once decoded: a field that
 * was not given is missing. Units are those of the proto file: seconds, bytes.
 */

export interface WorkRequest {
  pilot?: string;
  session_id?: string;
}

export interface Work {
  hint?: Hint;
  cancel?: CancelJob;
  drain?: boolean;
  read_log?: ReadLog;
}

export interface Hint {
  job?: string;
  cur_retry?: number;
}

export interface CancelJob {
  job?: string;
  claim_id?: string;
  grace_seconds?: number;
  reason?: string;
}

export interface ReadLog {
  request_id?: string;
  job?: string;
  attempt?: number;
  offset?: number;
  length?: number;
}

/** One of these, beside who reports. */
export interface PilotTold {
  command_id?: string;
  claim?: Hint;
  started?: JobStarted;
  finished?: JobFinished;
  failed?: JobFailed;
  cancelled?: JobCancelled;
  sample?: PilotSample;
  log?: LogPiece;
}

export interface PilotReport extends PilotTold {
  seq?: number;
  pilot?: string;
  session_id?: string;
}

export interface JobStarted {
  job?: string;
  claim_id?: string;
  pid?: number;
  boot_id?: string;
  start_time?: string;
  inputs_checked?: number;
}

export interface JobFinished {
  job?: string;
  claim_id?: string;
  exit_code?: number;
  outputs?: WrittenFile[];
  log?: WrittenFile;
  cpu_seconds?: number;
  max_rss?: number;
  wall_seconds?: number;
}

export interface JobFailed {
  job?: string;
  claim_id?: string;
  failure_class?: string;
  detail?: string;
  exit_code?: number;
  exit_signal?: string;
  log?: WrittenFile;
  file?: string;
  found_size?: number;
  found_check_sum?: string;
}

export interface JobCancelled {
  job?: string;
  claim_id?: string;
  processes_ended?: number;
  unknown?: boolean;
}

export interface WrittenFile {
  uid?: string;
  file_name?: string;
  path?: string;
  size?: number;
  check_sum?: string;
  sha256?: string;
}

export interface PilotSample {
  slots_used?: number;
  load?: number;
  rss?: number;
  disk_free?: number;
  jobs_done?: number;
  jobs_failed?: number;
  jobs?: JobSample[];
  /** Why it takes nothing for now. */
  resting?: string;
}

export interface JobSample {
  job?: string;
  claim_id?: string;
  phase?: string;
  cpu?: number;
  rss?: number;
  log_bytes?: number;
}

export interface LogPiece {
  request_id?: string;
  content?: Buffer;
  offset?: number;
  size?: number;
  complete?: boolean;
  problem?: string;
}

export interface PilotReportAnswers {
  answers?: PilotReportAnswer[];
}

export interface PilotReportAnswer {
  seq?: number;
  is_success?: boolean;
  msg?: string;
  reason?: string;
  grant?: Grant;
  retryable?: boolean;
}

export interface Grant {
  job?: string;
  task?: string;
  claim_id?: string;
  attempt?: number;
  cur_retry?: number;
  executable?: string;
  args?: string;
  mode?: string;
  device_type?: string;
  /** Of the job in its task; left out is 0. */
  seq?: number;
  timeout_seconds?: number;
  memory_mib?: number;
  storage_url?: string;
  data_out_url?: string;
  /** A directory at or below that, as a URL, which is known to be there. */
  data_out_seen?: string;
  inputs?: JobInput[];
  inputs_total?: number;
  outputs?: JobOutput[];
  log?: JobOutput;
}

export interface JobInput {
  uid?: string;
  idx?: number;
  file_name?: string;
  path?: string;
  size?: number;
  check_sum?: string;
  sha256?: string;
}

export interface JobOutput {
  uid?: string;
  file_name?: string;
}

export interface JobInputsRequest {
  job?: string;
  claim_id?: string;
  from?: number;
}

export interface JobInputs {
  inputs?: JobInput[];
  inputs_total?: number;
}
