/** What pilots send, as proto/workload.proto has it. Every field may be missing. */

import type { GrantMessage } from '../jobs/grants.js';

export interface WorkRequest {
  pilot?: string;
  session_id?: string;
}

export interface WrittenFile {
  uid?: string;
  file_name?: string;
  path?: string;
  size?: number;
  check_sum?: string;
  sha256?: string;
}

interface OfClaim {
  job?: string;
  claim_id?: string;
}

export interface StartedMessage extends OfClaim {
  pid?: number;
  boot_id?: string;
  start_time?: string;
  inputs_checked?: number;
}

export interface FinishedMessage extends OfClaim {
  exit_code?: number;
  outputs?: WrittenFile[];
  log?: WrittenFile;
  cpu_seconds?: number;
  max_rss?: number;
  wall_seconds?: number;
}

export interface FailedMessage extends OfClaim {
  failure_class?: string;
  detail?: string;
  exit_code?: number;
  exit_signal?: string;
  log?: WrittenFile;
  file?: string;
  found_size?: number;
  found_check_sum?: string;
}

export interface CancelledMessage extends OfClaim {
  processes_ended?: number;
  unknown?: boolean;
}

export interface JobSampleMessage extends OfClaim {
  phase?: string;
  cpu?: number;
  rss?: number;
  log_bytes?: number;
}

export interface SampleMessage {
  slots_used?: number;
  load?: number;
  rss?: number;
  disk_free?: number;
  jobs_done?: number;
  jobs_failed?: number;
  jobs?: JobSampleMessage[];
  resting?: string;
}

export interface LogPieceMessage {
  request_id?: string;
  content?: Uint8Array;
  offset?: number;
  size?: number;
  complete?: boolean;
  problem?: string;
}

export interface PilotReport extends WorkRequest {
  seq?: number;
  command_id?: string;
  claim?: { job?: string; cur_retry?: number };
  started?: StartedMessage;
  finished?: FinishedMessage;
  failed?: FailedMessage;
  cancelled?: CancelledMessage;
  sample?: SampleMessage;
  log?: LogPieceMessage;
}

export interface PilotReportAnswer {
  seq?: number;
  is_success?: boolean;
  msg?: string;
  reason?: string;
  grant?: GrantMessage;
  retryable?: boolean;
}

export interface PilotReportAnswers {
  answers?: PilotReportAnswer[];
}
