/** How the broker stands (proto/workload.proto), as TypeScript sees it once decoded: a field that was not given is missing. */

export interface BrokerStatus {
  configured?: boolean;
  address?: string;
  connected?: boolean;
  since?: number;
  problem?: string;
  attempts?: number;
  version?: string;
  queue_type?: string;
  queues?: BrokerQueue[];
  buried?: BuriedMessages[];
  node?: string;
  heard_by?: string;
}

export interface BrokerQueue {
  name?: string;
  messages?: number;
  consumers?: number;
  unacknowledged?: number;
  dead?: boolean;
  problem?: string;
}

export interface BuriedMessages {
  queue?: string;
  reason?: string;
  count?: number;
}
