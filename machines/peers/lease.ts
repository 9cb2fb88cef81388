/**
 * The part of a peer's machine that is its lease, as far as it is history: attached, lost, returned, detached, and which node
 * keeps it. Single heartbeats are not events. A system composes it into a machine of its own, with events named its way:
 * as the whole of it or as one region of a parallel one.
 *
 * What it guarantees:
 * - one session holds the lease at a time: a peer that starts anew attaches with a new session and replaces the old one,
 *   whose heartbeats are refused from then on;
 * - one node keeps the lease at a time: the one that recorded it last, which alone hears the heartbeats and may say that the
 *   peer is lost;
 * - only an attached peer can be lost, and only a lost one can return;
 * - who detached in order is not lost, and comes back by attaching.
 */

/** What a system calls its five events: `PilotAttached` and so on. */
export interface LeaseEventNames {
  readonly attached: string;
  /** The node that keeps the lease says that it still does, or that it does from now on. */
  readonly kept: string;
  /** No heartbeat came for the length of the lease. */
  readonly lost: string;
  /** The lost session is heard again. */
  readonly returned: string;
  readonly detached: string;
}

/** Fields of the events beside the peer's id, and what else the system has to say. Points in time are Unix seconds. */
export const ATTACHED_FIELDS = {
  session_id: 'text',
  host: 'text?',
  pid: 'integer?',
  program_version: 'text?',
  lease_seconds: 'integer',
  attached_time: 'number',
  /** The node that keeps the lease; absent in histories from before several nodes shared a store. */
  node_id: 'text?',
} as const;
export const KEPT_FIELDS = {
  session_id: 'text',
  lease_seconds: 'integer',
  kept_time: 'number',
  node_id: 'text',
} as const;
export const LOST_FIELDS = {
  session_id: 'text',
  /** When its lease was over. */
  lost_time: 'number',
  /** When it was heard last; absent where the node that kept the lease has not heard it itself. */
  heard_time: 'number?',
} as const;
export const RETURNED_FIELDS = {
  session_id: 'text',
  lease_seconds: 'integer?',
  returned_time: 'number',
  node_id: 'text?',
} as const;
export const DETACHED_FIELDS = { session_id: 'text', detached_time: 'number', reason: 'text?' } as const;

export interface LeaseContext {
  /** The session that holds the lease, or held it last; null before the first. */
  readonly sessionId: string | null;
  readonly leaseSeconds: number;
  /** The node that keeps the lease; null while it is not known. */
  readonly nodeId: string | null;
}

export type LeaseStatus = 'detached' | 'attached' | 'lost';

export const NO_LEASE: LeaseContext = { sessionId: null, leaseSeconds: 0, nodeId: null };

/** What is known once a session has attached. */
export function leaseOf(attached: {
  readonly session_id: string;
  readonly lease_seconds: number;
  readonly node_id?: string;
}): LeaseContext {
  const { session_id: sessionId, lease_seconds: leaseSeconds, node_id: nodeId = null } = attached;
  return { sessionId, leaseSeconds, nodeId };
}

/** What changes when a node says that it keeps the lease, or has heard a lost session. */
export function keptBy({ node_id }: { readonly node_id?: string }): Pick<LeaseContext, 'nodeId'> {
  return { nodeId: node_id ?? null };
}

/**
 * The states, of which `detached` is the first. The machine has two actions: `attach` assigns `leaseOf` the event, `keep`
 * assigns `keptBy` it.
 */
export function leaseStates(names: LeaseEventNames) {
  const attach = { target: 'attached', actions: 'attach' } as const;
  return {
    detached: { on: { [names.attached]: attach } },
    attached: {
      on: {
        [names.attached]: attach,
        [names.kept]: { actions: 'keep' } as const,
        [names.lost]: { target: 'lost' } as const,
        [names.detached]: { target: 'detached' } as const,
      },
    },
    lost: {
      on: {
        [names.attached]: attach,
        [names.returned]: { target: 'attached', actions: 'keep' } as const,
        [names.detached]: { target: 'detached' } as const,
      },
    },
  } as const;
}
