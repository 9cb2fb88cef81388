/** The messages of owl.Peers (proto/runtime.proto). Every field may be missing. */

export interface PeerAttachRequest {
  category?: string;
  peer_id?: string;
  session_id?: string;
  protocol_min?: number;
  protocol_max?: number;
  host?: string;
  pid?: number;
  version?: string;
  body?: string;
}

export interface PeerBeatRequest {
  category?: string;
  peer_id?: string;
  session_id?: string;
}

export interface PeerLeaveRequest extends PeerBeatRequest {
  reason?: string;
}

export interface PeerLease {
  category?: string;
  peer_id?: string;
  session_id?: string;
  protocol?: number;
  lease_seconds?: number;
  expires_at?: number;
  policy?: string;
  give_up_seconds?: number;
  margin_seconds?: number;
  pause_share?: number;
}

export interface PeerStatus {
  category?: string;
  peer_id?: string;
  session_id?: string;
  status?: string;
  lease_seconds?: number;
  host?: string;
  pid?: number;
  version?: string;
  node_id?: string;
  attached_time?: number;
  lost_time?: number;
  returned_time?: number;
  detached_time?: number;
  remarks?: string;
  body?: string;
}

export interface PeerList {
  peers?: PeerStatus[];
}
