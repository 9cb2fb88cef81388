/** What a system says of its peers: the actor type that holds their leases, what its events are called, and what they do. */

import type { AnyStateMachine, SnapshotFrom } from 'xstate';
import type { LeaseContext, LeaseEventNames, LeaseStatus } from '../../machines/peers/lease.js';
import type { OwlError } from '../base/errors.js';
import type { ActorType } from '../runtime/actors/actor-type.js';
import type { JsonObject } from '../runtime/event-store/event-store.js';

export interface PeerKind<M extends AnyStateMachine = AnyStateMachine> {
  /** Its category is that of the peers; its machine has the part of machines/peers/lease.ts. */
  readonly type: ActorType<M>;
  readonly events: LeaseEventNames;
  /** The field of its events that holds the id of the peer. */
  readonly idField: string;
  /** What people call such a peer: `worker`. */
  readonly noun: string;
  /** The call that attaches it, for refusals that say what to do. */
  readonly attachCall: string;
  /** The lease as the machine has it. */
  leaseOf(snapshot: SnapshotFrom<M>): PeerLease;
  /**
   * Whether what a session says of itself beside its lease is stored already, so that attaching again records nothing.
   * @param more what it says: fields of the event of attaching
   */
  knows(snapshot: SnapshotFrom<M>, more: JsonObject): boolean;
  /**
   * Why a session that says this of itself may not take the lease from the one that has it and is heard; undefined: it may. Left out,
   * every session may, for a peer that begins anew is no other.
   * @param more as above
   */
  whyNotFrom?(snapshot: SnapshotFrom<M>, more: JsonObject): OwlError | undefined;
  /** Undefined: not often, and late. */
  readonly handover?: Handover;
}

export interface PeerLease extends LeaseContext {
  readonly status: LeaseStatus;
}

/**
 * How nodes that share a store follow one another, in lengths of the lease. The node that keeps a lease records that it does
 * with the first heartbeat after `recordedAfter`; one that has recorded nothing for `goneAfter` counts as gone, and another
 * keeps the lease from then on.
 *
 * A peer that falls silent is lost one lease after its last heartbeat, at most `recordedAfter` + 1 after the last record; so
 * `goneAfter` has to be more, or its silence is taken for its keeper's.
 */
export interface Handover {
  readonly recordedAfter: number;
  readonly goneAfter: number;
}

/** An event for each peer in ten to eleven lengths of its lease: with 30 s some 280 a day. Who is gone is followed after 30. */
export const SELDOM: Handover = { recordedAfter: 10, goneAfter: 30 };

/**
 * A keeper that is gone is followed within two lengths of the lease. It costs an event for each peer in every length of its
 * lease: with 30 s some 2,900 a day, with 200 peers one every 150 ms.
 */
export const WITHIN_TWO_LEASES: Handover = { recordedAfter: 0.75, goneAfter: 1.9 };
