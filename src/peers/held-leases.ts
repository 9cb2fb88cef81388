/**
 * The leases that this node keeps, and when one of them has run out.
 *
 * Guarantees: the node's own silence is not the peer's. A lease runs out in time in which this node was listening,
 * whatever becomes of the wall clock. After anything that held the node up for as long as it is from one heartbeat to the
 * next, every lease is a full one, since who beat in vain has to find its way back first. A lease that has run out is looked
 * at again after what had arrived meanwhile was read, and only then `ranOut` is called. A lease that another node may keep by
 * now, since the store has taken no word of this one for so long, is doubtful; sleep of the machine counts for that.
 */

import type { Clock } from '../base/clock.js';
import { KeptLately } from '../base/kept-lately.js';
import { hearOut, type ListeningTime } from '../base/listening-time.js';
import { BEATS_IN_A_LEASE } from './holder/lease-terms.js';
import type { KeptLease, LastHeard } from './lease-events.js';

/** Of peers, beyond those whose leases are kept here. */
const MOST_HEARD = 10_000;

export interface Lease {
  readonly peerId: string;
  readonly sessionId: string;
  readonly leaseSeconds: number;
  /** As the wall clock shows it: milliseconds since the Unix epoch. */
  readonly expiresAt: number;
}

/** Points in time are those of the listening time, unless they are shown. */
export interface HeldLease extends Lease, LastHeard {
  expiresAt: number;
  /** A sign of life, or what counts as one. */
  heardAt: number;
  lastHeard: number | undefined;
  /** Of the newest event it rests on. */
  readonly revision: number;
  /** When the last word that this node keeps it was sent to the store, which took it. Milliseconds since boot. */
  readonly keptAt: number;
  /** When it is to be recorded again that it is kept, for other nodes to know. */
  renewAt: number;
  /** Its loss could not be recorded and is tried again then, unless it is heard of. */
  retryAt: number;
  /** Set when the history may know better: the next heartbeat looks there instead of only moving `heardAt`. */
  doubtful: boolean;
  cancel: () => void;
}

export class HeldLeases {
  private readonly held = new Map<string, HeldLease>();
  /** Who was heard last of each peer; whether that session holds the lease is not known then. */
  private readonly heard = new KeptLately<string, { readonly sessionId: string; readonly at: number }>({
    limit: MOST_HEARD,
    weightOf: () => 1,
  });
  private readonly clock: Clock;
  private readonly listening: ListeningTime;
  /** In lengths of the lease; Infinity: whoever keeps it, a heartbeat that is heard does no harm. */
  private readonly goneAfter: number;
  private readonly ranOut: (lease: HeldLease) => void;
  private readonly changed: (leases: number) => void;
  private readonly ignoreHoldUps: () => void;

  /**
   * @param ranOut the lease is not held any more by then
   * @param changed told how many are held, after each change of that
   */
  constructor(
    clock: Clock,
    listening: ListeningTime,
    goneAfter: number,
    { ranOut, changed }: { ranOut(lease: HeldLease): void; changed(leases: number): void },
  ) {
    this.clock = clock;
    this.listening = listening;
    this.goneAfter = goneAfter;
    this.ranOut = ranOut;
    this.changed = changed;
    this.ignoreHoldUps = listening.onHeldUp((heldUpMs) => this.forgive(heldUpMs));
  }

  get(peerId: string): HeldLease | undefined {
    return this.held.get(peerId);
  }

  has(peerId: string): boolean {
    return this.held.has(peerId);
  }

  /** A full one from now on. */
  make(
    { peerId, sessionId, leaseSeconds }: Omit<KeptLease, 'nodeId'>,
    { revision, renewAt, keptAt }: Pick<HeldLease, 'revision' | 'renewAt' | 'keptAt'>,
  ): HeldLease {
    const heard = this.heard.get(peerId);
    return {
      peerId,
      sessionId,
      leaseSeconds,
      lastHeard: heard?.sessionId === sessionId ? heard.at : undefined,
      expiresAt: this.clock.now() + leaseSeconds * 1000,
      heardAt: this.listening.now(),
      revision,
      keptAt,
      renewAt,
      retryAt: 0,
      doubtful: false,
      cancel: () => undefined,
    };
  }

  /** In the place of any other of its peer. */
  hold(lease: HeldLease): void {
    const before = this.held.get(lease.peerId);
    before?.cancel();
    this.held.set(lease.peerId, lease);
    if (before === undefined) this.changed(this.held.size);
    this.watch(lease);
  }

  /** A sign of life; undefined when that session holds no lease here. */
  hear(peerId: string, sessionId: string): HeldLease | undefined {
    const now = this.clock.now();
    this.heard.set(peerId, { sessionId, at: now });
    const lease = this.held.get(peerId);
    if (lease?.sessionId !== sessionId) return undefined;
    this.prolong(lease);
    lease.lastHeard = now;
    const keptForMs = this.clock.sinceBoot() - lease.keptAt;
    if (keptForMs >= this.goneAfter * lease.leaseSeconds * 1000) lease.doubtful = true;
    return lease;
  }

  release(peerId: string): void {
    this.held.get(peerId)?.cancel();
    if (this.held.delete(peerId)) this.changed(this.held.size);
  }

  stop(): void {
    for (const { cancel } of this.held.values()) cancel();
    this.held.clear();
    this.changed(0);
    this.ignoreHoldUps();
  }

  private prolong(lease: HeldLease): void {
    lease.heardAt = this.listening.now();
    lease.expiresAt = this.clock.now() + lease.leaseSeconds * 1000;
  }

  private forgive(heldUpMs: number): void {
    for (const lease of this.held.values())
      if (heldUpMs * BEATS_IN_A_LEASE >= lease.leaseSeconds * 1000) this.prolong(lease);
  }

  /** Heartbeats only move `heardAt`; the alarm looks again when it finds that it was moved. */
  private watch(lease: HeldLease): void {
    lease.cancel = this.listening.after(this.timeLeft(lease), () => {
      if (!this.goesOn(lease)) void this.lookAgain(lease);
    });
  }

  private async lookAgain(lease: HeldLease): Promise<void> {
    await hearOut();
    if (this.goesOn(lease)) return;
    this.release(lease.peerId);
    this.ranOut(lease);
  }

  /** Another has its place by now, or it was heard of and is watched as before. */
  private goesOn(lease: HeldLease): boolean {
    if (this.held.get(lease.peerId) !== lease) return true;
    if (this.timeLeft(lease) <= 0) return false;
    this.watch(lease);
    return true;
  }

  private timeLeft({ heardAt, leaseSeconds, retryAt }: HeldLease): number {
    return Math.max(heardAt + leaseSeconds * 1000, retryAt) - this.listening.now();
  }
}
