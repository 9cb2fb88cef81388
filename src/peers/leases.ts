/**
 * The leases of a system's peers: who is attached, and who has gone silent. A heartbeat is a call of a function here,
 * whatever carried it.
 *
 * Guarantees: attaching, losing, returning and detaching are events of the peer's actor, single heartbeats are kept
 * in memory only; one session holds a lease, and a heartbeat of another is refused; one node keeps a lease, the one that
 * heard its peer last, and only that one calls it lost; a node that is gone is followed by another, after as long
 * as its kind of peer asks for (what that costs in events: peer-kind.ts), and a store that was away is no silence of that node; a peer that
 * counts as lost and is heard of is recorded as returned, however the two cross. What is damaged in the store is told once and
 * left alone until it is mended: its peer is refused with the reason, and nothing is tried again for ever. How a lease runs out is told in
 * held-leases.ts.
 *
 * Where holders rest on what is confirmed to them, a node of several confirms a heartbeat from memory only while no other could have
 * taken the lease over; then the store has to take its word first, and while that is away nothing is confirmed.
 */

import type { Logger } from 'pino';
import type { AnyStateMachine, SnapshotFrom } from 'xstate';
import type { Clock } from '../base/clock.js';
import { DamagedStreamError } from '../base/errors.js';
import { isRefusal } from '../base/failure-kinds.js';
import type { ListeningTime } from '../base/listening-time.js';
import type { ActorSystem } from '../runtime/actors/actor-system.js';
import type { CommandResult, DomainEvent } from '../runtime/actors/actor-type.js';
import { idOf, type RecordedEvent } from '../runtime/event-store/event-store.js';
import type { LifeCycle } from '../runtime/life-cycle/life-cycle.js';
import { tellsLeases } from '../runtime/life-cycle/telling.js';
import { FollowedSessions } from './followed-sessions.js';
import { type HeldLease, HeldLeases, type Lease } from './held-leases.js';
import { BEATS_IN_A_LEASE, type LeasePolicy } from './holder/lease-terms.js';
import { type Attachment, type Here, type KeptLease, LeaseDecisions } from './lease-events.js';
import { LeasesElsewhere } from './leases-elsewhere.js';
import { type Handover, type PeerKind, SELDOM } from './peer-kind.js';

/** Before a loss that could not be recorded is recorded again. */
const RETRY_MS = 1_000;

export interface PeerLeasesOptions<M extends AnyStateMachine> {
  readonly kind: PeerKind<M>;
  /** Under all but *go on* a confirmation is a promise that nobody calls the peer lost for a time. */
  readonly policy: LeasePolicy;
  readonly system: ActorSystem;
  readonly clock: Clock;
  readonly listening: ListeningTime;
  readonly logger: Logger;
  readonly lifeCycle?: LifeCycle;
  /** This node. */
  readonly nodeId: string;
  /** Other nodes keep leases in the same store. */
  readonly shared: boolean;
  /** Somebody speaks for a peer, whatever can be recorded of it; undefined: as a new session. */
  readonly onHeard?: (peerId: string, sessionId: string | undefined) => void;
}

export class PeerLeases<M extends AnyStateMachine> {
  private readonly kind: PeerKind<M>;
  private readonly decisions: LeaseDecisions<M>;
  private readonly handover: Handover;
  private readonly held: HeldLeases;
  private readonly elsewhere: LeasesElsewhere;
  private readonly followed: FollowedSessions;
  private readonly system: ActorSystem;
  private readonly clock: Clock;
  private readonly listening: ListeningTime;
  private readonly onHeard: (peerId: string, sessionId: string | undefined) => void;
  private readonly logger: Logger;
  private readonly lifeCycle: LifeCycle | undefined;
  private readonly nodeId: string;
  private readonly shared: boolean;
  /** What is confirmed has to hold, and another node may see it otherwise. */
  private readonly promises: boolean;
  /** Peers whose keeper was looked for in vain: the store did not answer. */
  private readonly deaf = new Set<string>();
  /** Peers of which something stored is damaged. */
  private readonly damaged = new Set<string>();
  private stopped = false;

  constructor(options: PeerLeasesOptions<M>) {
    const { kind, policy, system, clock, listening, logger, nodeId, shared } = options;
    this.kind = kind;
    this.decisions = new LeaseDecisions(kind);
    this.handover = kind.handover ?? SELDOM;
    if (this.handover.goneAfter <= this.handover.recordedAfter + 1)
      throw new Error(
        `the silence of a ${kind.noun} would be taken for that of the node that keeps its lease`,
      );
    this.system = system;
    this.clock = clock;
    this.listening = listening;
    this.onHeard = options.onHeard ?? (() => undefined);
    this.logger = logger;
    this.lifeCycle = options.lifeCycle;
    this.nodeId = nodeId;
    this.shared = shared;
    this.promises = shared && policy.kind !== 'go on';
    const goneAfter = this.promises ? this.handover.goneAfter : Number.POSITIVE_INFINITY;
    this.held = new HeldLeases(clock, listening, goneAfter, {
      ranOut: (lease) => void this.lose(lease),
      changed: tellsLeases(options.lifeCycle, kind.noun),
    });
    this.followed = new FollowedSessions(async (peerId, sessionId) => {
      this.decisions.assertHolds((await system.read(kind.type, peerId)).snapshot, peerId, sessionId);
    }, logger);
    this.elsewhere = new LeasesElsewhere({
      listening,
      goneAfter: this.handover.goneAfter,
      takeOver: (lease, revision) => void this.takeOver(lease, revision),
    });
  }

  /** Watches over a lease that the history says is held, or over who keeps it. @param revision of its newest event */
  resume(lease: KeptLease, revision: number): void {
    if (this.stopped || this.held.has(lease.peerId)) return;
    if (lease.nodeId === this.nodeId) this.hold(lease, revision, undefined);
    else if (this.shared) this.elsewhere.watch(lease, revision);
    else void this.takeOver(lease, revision);
  }

  /**
   * Takes note of what the history says of peers. A loss may have been recorded while its peer was heard, here
   * or on another node of the same store; another session may have attached there, or its lease may be kept there now. What
   * contradicts what is held here is looked up: by the next heartbeat, and for who follows the session at once. Late or
   * repeated events do no harm.
   */
  observe(events: readonly RecordedEvent[]): void {
    for (const event of events) {
      const news = this.decisions.newsOf(event);
      if (news === undefined) continue;
      const { lease } = news;
      const peerId = idOf(event.stream);
      void this.followed.check(peerId, lease?.sessionId);
      // Its events can be read again.
      if (this.damaged.delete(peerId)) void this.lookUp(peerId);
      const held = this.held.get(peerId);
      if (held !== undefined && held.revision >= event.revision) continue;
      if (held !== undefined) held.doubtful = true;
      if (lease === undefined) this.elsewhere.forget(peerId);
      else if (lease.nodeId !== this.nodeId && !this.stopped) {
        this.held.release(peerId);
        this.elsewhere.watch(lease, event.revision);
      }
    }
  }

  stop(): void {
    this.stopped = true;
    this.held.stop();
    this.elsewhere.stop();
  }

  /** Takes over from any other session; the same one renews its lease. @param id known from before: it is a heartbeat */
  async attach(attachment: Attachment, by: string, id?: string): Promise<Lease> {
    const { peerId, sessionId } = attachment;
    this.held.hear(peerId, sessionId);
    this.onHeard(peerId, undefined);
    const sentAt = this.clock.sinceBoot();
    const decide = (known: SnapshotFrom<M>) =>
      this.decisions.attach(known, attachment, this.here(), this.promises);
    const command = id === undefined ? { by, decide } : { id, by, decide };
    const done = await this.system.execute(this.kind.type, peerId, command);
    if (done.duplicate) return await this.heartbeat(peerId, sessionId, by);
    const replaced = this.decisions.replacedBy(peerId, sessionId);
    this.followed.end(peerId, (session) => session !== sessionId, replaced);
    return this.hold(attachment, done.revision, done.events.length > 0 ? sentAt : undefined);
  }

  /** @throws OwlError kind `refused` when another session holds the lease or nobody does: attach anew */
  async heartbeat(peerId: string, sessionId: string, by: string): Promise<Lease> {
    // A session that is heard is not silent, whatever can be recorded of it at the moment.
    const lease = this.held.hear(peerId, sessionId);
    const isDue = lease === undefined || lease.renewAt <= this.listening.now();
    const renews = this.shared && (isDue || (this.promises && lease.doubtful));
    if (lease === undefined || lease.doubtful) return await this.recordHeard(peerId, sessionId, by, renews);
    if (renews) void this.renew(lease);
    return lease;
  }

  async detach(peerId: string, sessionId: string, reason: string | undefined, by: string): Promise<void> {
    await this.system.execute(this.kind.type, peerId, {
      by,
      decide: (known) => this.decisions.detach(known, peerId, sessionId, reason, this.here().now),
    });
    this.followed.end(peerId, (session) => session === sessionId, this.decisions.notAttached(peerId));
    this.held.release(peerId);
  }

  /**
   * Answers a signal that aborts, with an OwlError as the reason, once the session holds the lease no more.
   * @throws OwlError kind `refused` unless this session holds the lease of this peer
   */
  follow(peerId: string, sessionId: string): Promise<AbortSignal> {
    return this.followed.follow(peerId, sessionId);
  }

  private async recordHeard(peerId: string, sessionId: string, by: string, renews: boolean): Promise<Lease> {
    this.onHeard(peerId, sessionId);
    const sentAt = this.clock.sinceBoot();
    const { snapshot, revision, events } = await this.system.execute(this.kind.type, peerId, {
      by,
      decide: (known) => this.decisions.hear(known, peerId, sessionId, this.here(), renews),
    });
    const { leaseSeconds } = this.kind.leaseOf(snapshot);
    return this.hold({ peerId, sessionId, leaseSeconds }, revision, events.length > 0 ? sentAt : undefined);
  }

  /** In the background: whether the store can be reached is not the peer's affair. */
  private async renew(lease: HeldLease): Promise<void> {
    const { peerId, sessionId, leaseSeconds } = lease;
    lease.renewAt = Number.POSITIVE_INFINITY;
    try {
      await this.recordHeard(peerId, sessionId, 'lease', true);
    } catch (error) {
      lease.renewAt = this.listening.now() + this.retryAfter * leaseSeconds * 1000;
      lease.doubtful ||= isRefusal(error);
      this.logger.warn({ err: error, peerId }, 'that a lease is kept was not recorded; trying again');
    }
  }

  /** @param recordedAt when word was sent that this node keeps it, which is on record by now; undefined: none was */
  private hold(kept: Omit<KeptLease, 'nodeId'>, revision: number, recordedAt: number | undefined): Lease {
    const { peerId, leaseSeconds } = kept;
    const now = this.listening.now();
    const before = this.held.get(peerId) ?? { renewAt: now, keptAt: Number.NEGATIVE_INFINITY };
    const renewAt = now + this.handover.recordedAfter * leaseSeconds * 1000;
    const recorded = recordedAt === undefined ? before : { renewAt, keptAt: recordedAt };
    const lease = this.held.make(kept, { revision, renewAt: recorded.renewAt, keptAt: recorded.keptAt });
    if (this.stopped) return lease;
    if (!this.held.has(peerId))
      this.lifeCycle?.tell({ type: 'lease taken', what: this.kind.noun, id: peerId });
    this.elsewhere.forget(peerId);
    this.held.hold(lease);
    return lease;
  }

  private async lose(lease: HeldLease): Promise<void> {
    const { peerId, sessionId } = lease;
    try {
      const { events } = await this.record(peerId, (known) =>
        this.decisions.lose(known, { ...lease, nodeId: this.nodeId }, this.here().now),
      );
      if (events.length === 0) return;
      this.observe(events);
      this.lifeCycle?.tell({ type: 'lease lost', what: this.kind.noun, id: peerId, reason: 'gone silent' });
      this.logger.warn({ peerId, sessionId }, `a ${this.kind.noun} has gone silent`);
    } catch (error) {
      if (this.stopped || this.isDamaged(error, peerId)) return;
      const what = `the loss of a ${this.kind.noun} was not recorded; trying again`;
      this.logger.error({ err: error, peerId }, what);
      if (this.held.has(peerId)) return;
      // Whether the loss is stored is unknown: a heartbeat looks it up.
      lease.doubtful = true;
      lease.retryAt = this.listening.now() + RETRY_MS;
      this.held.hold(lease);
    }
  }

  /** The peer gets a full lease from then on: that its node is gone says nothing of it. */
  private async takeOver(lease: KeptLease, revision: number): Promise<void> {
    const { peerId, nodeId } = lease;
    try {
      const wasDeaf = this.deaf.has(peerId);
      this.deaf.add(peerId);
      // What is read of the store here may be late: its keeper may have said something since.
      const newest = await this.system.read(this.kind.type, peerId);
      this.deaf.delete(peerId);
      if (newest.revision > revision) return this.resumeFrom(peerId, newest);
      // While the store was away its keeper could not say anything either: it has its whole time again.
      if (wasDeaf && this.shared) return this.elsewhere.watch(lease, revision);
      const sentAt = this.clock.sinceBoot();
      const done = await this.record(peerId, (known) => this.decisions.takeOver(known, lease, this.here()));
      if (done.events.length === 0) return;
      this.hold(lease, done.revision, sentAt);
      this.logger.warn({ peerId, nodeId }, 'a lease is taken over from a node that keeps it no more');
    } catch (error) {
      if (this.stopped || this.isDamaged(error, peerId)) return;
      this.logger.error({ err: error, peerId, nodeId }, 'a lease was not taken over; trying again later');
      this.elsewhere.watch(lease, revision, 1);
    }
  }

  private resumeFrom(peerId: string, { snapshot, revision }: CommandResult<M>): void {
    const { status, sessionId, leaseSeconds, nodeId } = this.kind.leaseOf(snapshot);
    if (status !== 'attached' || sessionId === null) return;
    this.resume({ peerId, sessionId, leaseSeconds, nodeId }, revision);
  }

  private record(
    peerId: string,
    decide: (known: SnapshotFrom<M>) => DomainEvent[],
  ): Promise<CommandResult<M>> {
    return this.system.execute(this.kind.type, peerId, { by: 'lease', decide });
  }

  /** Nobody knows who holds it until somebody mends the stream, so nothing is tried again. Told here, for once. */
  private isDamaged(error: unknown, peerId: string): boolean {
    if (!(error instanceof DamagedStreamError)) return false;
    const what = `the lease of a ${this.kind.noun} is watched no more: what is stored of it is damaged`;
    this.logger.error({ err: error, peerId }, what);
    this.damaged.add(peerId);
    return true;
  }

  private async lookUp(peerId: string): Promise<void> {
    try {
      this.resumeFrom(peerId, await this.system.read(this.kind.type, peerId));
    } catch (error) {
      if (this.stopped || this.isDamaged(error, peerId)) return;
      this.logger.error({ err: error, peerId }, 'a lease is watched again with the next heartbeat only');
    }
  }

  /** Before it is recorded again that a lease is kept, in lengths of the lease: others must not think this node gone meanwhile. */
  private get retryAfter(): number {
    return Math.min(1, this.handover.recordedAfter / BEATS_IN_A_LEASE);
  }

  private here(): Here {
    return { nodeId: this.nodeId, now: this.clock.now() / 1000 };
  }
}
