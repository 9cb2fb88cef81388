/**
 * The messages of proto/runtime.proto as TypeScript sees them once decoded: a field that was not given is missing (proto3
 * sends no zero and no empty text). Units are those of the proto file: seconds, Unix seconds.
 */

export interface NodeStatus {
  worker_id?: string;
  live_actors?: number;
  /** Names. Missing where a node is of a version before there were several. */
  systems?: string[];
  caught_up?: boolean;
  readers?: ReaderStatus[];
  timers?: TimersStatus;
  share?: number;
  not_serving?: string;
  loops?: LoopStatus[];
  denied_calls?: DeniedCalls[];
}

export interface LoopStatus {
  name?: string;
  state?: string;
  doing?: string;
  since_time?: number;
  next_time?: number;
  node?: string;
  rounds?: number;
  failures?: number;
  last_error?: string;
}

export interface DeniedCalls {
  kind?: string;
  operation?: string;
  count?: number;
}

export interface ReaderStatus {
  name?: string;
  kind?: string;
  checkpoint?: string;
  head?: string;
  caught_up?: boolean;
  behind_seconds?: number;
  parked?: number;
  last_error?: string;
  parked_events?: ParkedEvent[];
  share?: number;
  rebuild?: RebuildStatus;
}

export interface RebuildStatus {
  share?: number;
  checkpoint?: string;
  head?: string;
  last_error?: string;
}

export interface ParkedEvent {
  stream?: string;
  revision?: number;
  type?: string;
  position?: string;
  error?: string;
  attempts?: number;
  parked_time?: number;
}

export interface TimersStatus {
  pending?: number;
  next_due_time?: number;
  firing?: number;
  failing?: number;
  last_error?: string;
  late_seconds?: number;
  most_late_seconds?: number;
}

export interface RedriveRequest {
  reader?: string;
  stream?: string;
}

export interface RedriveResponse {
  applied?: number;
  still_parked?: number;
}

export interface RebuildRequest {
  projection?: string;
}
