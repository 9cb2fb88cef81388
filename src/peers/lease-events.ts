/**
 * What is recorded of a supervisor's lease, decided from its state: pure, so it can be decided again after a conflict.
 *
 * Guarantees: a session that doesn't hold the lease is refused with the reason; nothing is recorded that the history says already;
 * only the node that keeps a lease may call it lost.
 */

import type { SupervisorEvent, SupervisorSnapshot } from '../../machines/peers/supervisor.js';
import { OwlError } from '../base/errors.js';
import type { RecordedEvent } from '../runtime/event-store/event-store.js';

/** The longest lease there is, for events that don't say how long theirs is. */
const LONGEST_LEASE_SECONDS = 3600;

export interface Attachment {
  readonly workerId: string;
  readonly sessionId: string;
  readonly leaseSeconds: number;
  readonly host: string | undefined;
  readonly pid: number | undefined;
  readonly version: string | undefined;
  /** Undefined: whoever reports of its tasks is believed. */
  readonly reportKeyHash: string | undefined;
}

/** A lease as the history has it. */
export interface KeptLease {
  readonly workerId: string;
  readonly sessionId: string;
  readonly leaseSeconds: number;
  /** The node that keeps it; null where the history doesn't say. */
  readonly nodeId: string | null;
}

/** The node that decides, and the time: Unix seconds. */
export interface Here {
  readonly nodeId: string;
  readonly now: number;
}

/** The same session attaching again renews its lease; any other takes it over. */
export function attach(known: SupervisorSnapshot, attachment: Attachment, here: Here): SupervisorEvent[] {
  const { workerId, sessionId, leaseSeconds, host, pid, version, reportKeyHash } = attachment;
  const { context, value } = known;
  const isSame =
    context.sessionId === sessionId &&
    context.leaseSeconds === leaseSeconds &&
    context.reportKeyHash === (reportKeyHash ?? null);
  if (isSame && value !== 'detached') return hear(known, workerId, sessionId, here, false);
  return [
    {
      type: 'SupervisorAttached',
      data: {
        worker_id: workerId,
        session_id: sessionId,
        lease_seconds: leaseSeconds,
        attached_time: here.now,
        node_id: here.nodeId,
        ...(host === undefined ? {} : { host }),
        ...(pid === undefined ? {} : { pid }),
        ...(version === undefined ? {} : { program_version: version }),
        ...(reportKeyHash === undefined ? {} : { report_key_hash: reportKeyHash }),
      },
    },
  ];
}

/**
 * A sign of life of the session, heard by this node, which therefore keeps the lease.
 * @param renews record that it does although the history says so
 * @throws OwlError kind `refused` unless the session holds the lease
 */
export function hear(
  known: SupervisorSnapshot,
  workerId: string,
  sessionId: string,
  { nodeId, now }: Here,
  renews: boolean,
): SupervisorEvent[] {
  assertHolds(known, workerId, sessionId);
  const lease = {
    worker_id: workerId,
    session_id: sessionId,
    lease_seconds: known.context.leaseSeconds,
    node_id: nodeId,
  };
  if (known.value === 'lost') return [{ type: 'SupervisorReturned', data: { ...lease, returned_time: now } }];
  if (known.context.nodeId === nodeId && !renews) return [];
  return [{ type: 'SupervisorLeaseKept', data: { ...lease, kept_time: now } }];
}

/** From the node that kept it to this one, unless it is not as it was any more. */
export function takeOver(known: SupervisorSnapshot, lease: KeptLease, here: Here): SupervisorEvent[] {
  return isKept(known, lease) ? hear(known, lease.workerId, lease.sessionId, here, true) : [];
}

/** @param at when its lease ran out, in Unix seconds */
export function lose(known: SupervisorSnapshot, lease: KeptLease, at: number): SupervisorEvent[] {
  if (!isKept(known, lease)) return [];
  const data = { worker_id: lease.workerId, session_id: lease.sessionId, lost_time: at };
  return [{ type: 'SupervisorLost', data }];
}

/** @throws OwlError kind `refused` unless the session holds the lease, or is the one that gave it back */
export function detach(
  known: SupervisorSnapshot,
  workerId: string,
  sessionId: string,
  reason: string | undefined,
  now: number,
): SupervisorEvent[] {
  if (known.value === 'detached' && known.context.sessionId === sessionId) return [];
  assertHolds(known, workerId, sessionId);
  const data = { worker_id: workerId, session_id: sessionId, detached_time: now };
  return [{ type: 'SupervisorDetached', data: reason === undefined ? data : { ...data, reason } }];
}

/** @throws OwlError kind `refused`, saying who holds the lease and what to do */
export function assertHolds(known: SupervisorSnapshot, workerId: string, sessionId: string): void {
  if (known.value !== 'detached' && known.context.sessionId === sessionId) return;
  throw known.value === 'detached' || known.context.sessionId === null
    ? notAttached(workerId)
    : replacedBy(workerId, known.context.sessionId);
}

export function notAttached(workerId: string): OwlError {
  return new OwlError('refused', `supervisor ${workerId} is not attached; attach with supervisor_attach`);
}

export function replacedBy(workerId: string, sessionId: string): OwlError {
  return new OwlError(
    'refused',
    `supervisor ${workerId} is attached by another session (${sessionId}), which has replaced this one; attach with supervisor_attach`,
  );
}

function isKept({ value, context }: SupervisorSnapshot, { sessionId, nodeId }: KeptLease): boolean {
  return value === 'attached' && context.sessionId === sessionId && context.nodeId === nodeId;
}

/** The lease as an event leaves it; undefined when nobody holds it then. */
export function leaseAfter({ type, data }: RecordedEvent, workerId: string): KeptLease | undefined {
  const { session_id: sessionId, lease_seconds: leaseSeconds, node_id: nodeId } = data;
  if (type === 'SupervisorLost' || type === 'SupervisorDetached' || typeof sessionId !== 'string')
    return undefined;
  return {
    workerId,
    sessionId,
    leaseSeconds: typeof leaseSeconds === 'number' ? leaseSeconds : LONGEST_LEASE_SECONDS,
    nodeId: typeof nodeId === 'string' ? nodeId : null,
  };
}
