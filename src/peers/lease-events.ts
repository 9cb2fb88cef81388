/**
 * What is recorded of a peer's lease, decided from its state: pure, so it can be decided again after a conflict.
 *
 * Guarantees: a session that doesn't hold the lease is refused with the reason; nothing is recorded that the history says already;
 * only the node that keeps a lease may call it lost.
 */

import type { AnyStateMachine, SnapshotFrom } from 'xstate';
import { OwlError } from '../base/errors.js';
import type { DomainEvent } from '../runtime/actors/actor-type.js';
import { idOf, type JsonObject, type RecordedEvent } from '../runtime/event-store/event-store.js';
import type { PeerKind, PeerLease } from './peer-kind.js';

/** The longest lease there is, for events that don't say how long theirs is. */
const LONGEST_LEASE_SECONDS = 3600;

export interface Attachment {
  readonly peerId: string;
  readonly sessionId: string;
  readonly leaseSeconds: number;
  readonly host: string | undefined;
  readonly pid: number | undefined;
  readonly version: string | undefined;
  /** What else its system knows of it: fields of the event. */
  readonly more: JsonObject;
}

/** A lease as the history has it. */
export interface KeptLease {
  readonly peerId: string;
  readonly sessionId: string;
  readonly leaseSeconds: number;
  /** The node that keeps it; null where the history doesn't say. */
  readonly nodeId: string | null;
}

export interface LastHeard {
  /** When this node heard the session last, as the wall clock shows it: milliseconds; undefined where it has not. */
  readonly lastHeard?: number | undefined;
}

/** The node that decides, and the time: Unix seconds. */
export interface Here {
  readonly nodeId: string;
  readonly now: number;
}

/** What a lease does after an event. */
export type LeaseNews = { readonly lease: KeptLease | undefined } | undefined;

export class LeaseDecisions<M extends AnyStateMachine> {
  private readonly kind: PeerKind<M>;

  constructor(kind: PeerKind<M>) {
    this.kind = kind;
  }

  /**
   * The same session attaching again renews its lease; any other takes it over, unless its kind says that it may not while the one
   * that has it is heard. One that was silent for the length of its lease is recorded as lost, and then any may.
   * @param renews record that this node keeps it although the history says so
   * @throws OwlError as its kind says
   */
  attach(known: SnapshotFrom<M>, attachment: Attachment, here: Here, renews: boolean): DomainEvent[] {
    const { peerId, sessionId, leaseSeconds, host, pid, version, more } = attachment;
    const lease = this.kind.leaseOf(known);
    const isSame =
      lease.sessionId === sessionId && lease.leaseSeconds === leaseSeconds && this.kind.knows(known, more);
    if (isSame && lease.status !== 'detached') return this.hear(known, peerId, sessionId, here, renews);
    const isHeld = lease.status === 'attached' && lease.sessionId !== sessionId;
    const whyNot = isHeld ? this.kind.whyNotFrom?.(known, more) : undefined;
    if (whyNot !== undefined) throw whyNot;
    return [
      {
        type: this.kind.events.attached,
        data: {
          [this.kind.idField]: peerId,
          session_id: sessionId,
          lease_seconds: leaseSeconds,
          attached_time: here.now,
          node_id: here.nodeId,
          ...(host === undefined ? {} : { host }),
          ...(pid === undefined ? {} : { pid }),
          ...(version === undefined ? {} : { program_version: version }),
          ...more,
        },
      },
    ];
  }

  /**
   * A sign of life of the session, heard by this node, which therefore keeps the lease.
   * @param renews record that it does although the history says so
   * @throws OwlError kind `refused` unless the session holds the lease
   */
  hear(
    known: SnapshotFrom<M>,
    peerId: string,
    sessionId: string,
    { nodeId, now }: Here,
    renews: boolean,
  ): DomainEvent[] {
    const held = this.assertHolds(known, peerId, sessionId);
    const { events, idField } = this.kind;
    const lease = {
      [idField]: peerId,
      session_id: sessionId,
      lease_seconds: held.leaseSeconds,
      node_id: nodeId,
    };
    if (held.status === 'lost') return [{ type: events.returned, data: { ...lease, returned_time: now } }];
    if (held.nodeId === nodeId && !renews) return [];
    return [{ type: events.kept, data: { ...lease, kept_time: now } }];
  }

  /** From the node that kept it to this one, unless it is not as it was any more. */
  takeOver(known: SnapshotFrom<M>, lease: KeptLease, here: Here): DomainEvent[] {
    return this.isKept(known, lease) ? this.hear(known, lease.peerId, lease.sessionId, here, true) : [];
  }

  /** @param at when its lease ran out, in Unix seconds */
  lose(known: SnapshotFrom<M>, lease: KeptLease & LastHeard, at: number): DomainEvent[] {
    if (!this.isKept(known, lease)) return [];
    const { events, idField } = this.kind;
    const data = { [idField]: lease.peerId, session_id: lease.sessionId, lost_time: at };
    const heard = lease.lastHeard === undefined ? {} : { heard_time: lease.lastHeard / 1000 };
    return [{ type: events.lost, data: { ...data, ...heard } }];
  }

  /** @throws OwlError kind `refused` unless the session holds the lease, or is the one that gave it back */
  detach(
    known: SnapshotFrom<M>,
    peerId: string,
    sessionId: string,
    reason: string | undefined,
    now: number,
  ): DomainEvent[] {
    const lease = this.kind.leaseOf(known);
    if (lease.status === 'detached' && lease.sessionId === sessionId) return [];
    this.assertHolds(known, peerId, sessionId);
    const { events, idField } = this.kind;
    const data = { [idField]: peerId, session_id: sessionId, detached_time: now };
    return [{ type: events.detached, data: reason === undefined ? data : { ...data, reason } }];
  }

  /** @throws OwlError kind `refused`, saying who holds the lease and what to do */
  assertHolds(known: SnapshotFrom<M>, peerId: string, sessionId: string): PeerLease {
    const lease = this.kind.leaseOf(known);
    if (lease.status !== 'detached' && lease.sessionId === sessionId) return lease;
    throw lease.status === 'detached' || lease.sessionId === null
      ? this.notAttached(peerId)
      : this.replacedBy(peerId, lease.sessionId);
  }

  notAttached(peerId: string): OwlError {
    const { noun, attachCall } = this.kind;
    return new OwlError('refused', `${noun} ${peerId} is not attached; attach with ${attachCall}`);
  }

  replacedBy(peerId: string, sessionId: string): OwlError {
    const { noun, attachCall } = this.kind;
    return new OwlError(
      'refused',
      `${noun} ${peerId} is attached by another session (${sessionId}), which has replaced this one; attach with ${attachCall}`,
    );
  }

  /**
   * The lease as an event leaves it, of which `lease` is undefined when nobody holds it then. Undefined for an event that is
   * none of a lease: a peer may have others.
   */
  newsOf({ stream, type, data }: RecordedEvent): LeaseNews {
    const { attached, kept, lost, returned, detached } = this.kind.events;
    if (type === lost || type === detached) return { lease: undefined };
    if (type !== attached && type !== kept && type !== returned) return undefined;
    const { session_id: sessionId, lease_seconds: leaseSeconds, node_id: nodeId } = data;
    if (typeof sessionId !== 'string') return { lease: undefined };
    return {
      lease: {
        peerId: idOf(stream),
        sessionId,
        leaseSeconds: typeof leaseSeconds === 'number' ? leaseSeconds : LONGEST_LEASE_SECONDS,
        nodeId: typeof nodeId === 'string' ? nodeId : null,
      },
    };
  }

  private isKept(known: SnapshotFrom<M>, { sessionId, nodeId }: KeptLease): boolean {
    const lease = this.kind.leaseOf(known);
    return lease.status === 'attached' && lease.sessionId === sessionId && lease.nodeId === nodeId;
  }
}
