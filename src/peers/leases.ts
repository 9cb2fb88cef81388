/**
 * The leases of supervisors: who is attached, and who has gone silent.
 *
 * Guarantees: attaching, losing, returning and detaching are events of the supervisor's actor, single heartbeats are kept
 * in memory only; one session holds a lease, and a heartbeat of another is refused; one node keeps a lease, the one that
 * heard its supervisor last, and only that one calls it lost; a node that is gone is followed by another; a supervisor that
 * counts as lost and is heard of is recorded as returned, however the two cross. How a lease runs out is told in held-leases.ts.
 */

import type { Logger } from 'pino';
import type {
  SupervisorEvent,
  SupervisorSnapshot,
  supervisorMachine,
} from '../../machines/peers/supervisor.js';
import type { Clock } from '../base/clock.js';
import { isRefusal } from '../base/failure-kinds.js';
import type { ListeningTime } from '../base/listening-time.js';
import type { ActorSystem } from '../runtime/actors/actor-system.js';
import type { CommandResult } from '../runtime/actors/actor-type.js';
import type { RecordedEvent } from '../runtime/event-store/event-store.js';
import { FollowedSessions } from './followed-sessions.js';
import { type HeldLease, HeldLeases, type Lease } from './held-leases.js';
import * as leaseEvents from './lease-events.js';
import {
  type Attachment,
  type Here,
  type KeptLease,
  leaseAfter,
  notAttached,
  replacedBy,
} from './lease-events.js';
import { LeasesElsewhere, RENEWED_AFTER_LEASES } from './leases-elsewhere.js';
import { supervisor } from './supervisor-type.js';

/** Before a loss that could not be recorded is recorded again. */
const RETRY_MS = 1_000;
export interface SupervisorLeasesOptions {
  readonly system: ActorSystem;
  readonly clock: Clock;
  readonly listening: ListeningTime;
  readonly logger: Logger;
  /** This node. */
  readonly nodeId: string;
  /** Other nodes keep leases in the same store. */
  readonly shared: boolean;
  /** Somebody speaks for a supervisor, whatever can be recorded of it; undefined: as a new session. */
  readonly onHeard?: (workerId: string, sessionId: string | undefined) => void;
}

export class SupervisorLeases {
  private readonly held: HeldLeases;
  private readonly elsewhere: LeasesElsewhere;
  private readonly followed: FollowedSessions;
  private readonly system: ActorSystem;
  private readonly clock: Clock;
  private readonly listening: ListeningTime;
  private readonly onHeard: (workerId: string, sessionId: string | undefined) => void;
  private readonly logger: Logger;
  private readonly nodeId: string;
  private readonly shared: boolean;
  private stopped = false;

  constructor(options: SupervisorLeasesOptions) {
    const { system, clock, listening, logger, nodeId, shared } = options;
    this.system = system;
    this.clock = clock;
    this.listening = listening;
    this.onHeard = options.onHeard ?? (() => undefined);
    this.held = new HeldLeases(clock, listening, (lease) => void this.lose(lease));
    this.logger = logger;
    this.nodeId = nodeId;
    this.shared = shared;
    this.followed = new FollowedSessions(async (id) => (await system.read(supervisor, id)).snapshot, logger);
    this.elsewhere = new LeasesElsewhere(listening, (lease, revision) => void this.takeOver(lease, revision));
  }

  /** Watches over a lease that the history says is held, or over who keeps it. @param revision of its newest event */
  resume(lease: KeptLease, revision: number): void {
    if (this.stopped || this.held.has(lease.workerId)) return;
    if (lease.nodeId === this.nodeId) this.hold(lease, revision, false);
    else if (this.shared) this.elsewhere.watch(lease, revision);
    else void this.takeOver(lease, revision);
  }

  /**
   * Takes note of what the history says of supervisors. A loss may have been recorded while its supervisor was heard, here
   * or on another node of the same store; another session may have attached there, or its lease may be kept there now. What
   * contradicts what is held here is looked up: by the next heartbeat, and for who follows the session at once. Late or
   * repeated events do no harm.
   */
  observe(events: readonly RecordedEvent[]): void {
    for (const event of events) {
      const { worker_id: workerId } = event.data;
      if (typeof workerId !== 'string') continue;
      const lease = leaseAfter(event, workerId);
      void this.followed.check(workerId, lease?.sessionId);
      const held = this.held.get(workerId);
      if (held !== undefined && held.revision >= event.revision) continue;
      if (held !== undefined) held.doubtful = true;
      if (lease === undefined) this.elsewhere.forget(workerId);
      else if (lease.nodeId !== this.nodeId && !this.stopped) {
        this.held.release(workerId);
        this.elsewhere.watch(lease, event.revision);
      }
    }
  }

  stop(): void {
    this.stopped = true;
    this.held.stop();
    this.elsewhere.stop();
  }

  /** Takes over from any other session. The same session attaching again renews its lease. */
  async attach(attachment: Attachment, by: string): Promise<Lease> {
    const { workerId, sessionId } = attachment;
    this.held.hear(workerId, sessionId);
    this.onHeard(workerId, undefined);
    const done = await this.system.execute(supervisor, workerId, {
      by,
      decide: (known) => leaseEvents.attach(known, attachment, this.here()),
    });
    this.followed.end(workerId, (session) => session !== sessionId, replacedBy(workerId, sessionId));
    return this.hold(attachment, done.revision, done.events.length > 0);
  }

  /** @throws OwlError kind `refused` when another session holds the lease or nobody does: attach anew */
  async heartbeat(workerId: string, sessionId: string, by: string): Promise<Lease> {
    // A session that is heard is not silent, whatever can be recorded of it at the moment.
    const lease = this.held.hear(workerId, sessionId);
    const renews = this.shared && (lease === undefined || lease.renewAt <= this.listening.now());
    if (lease === undefined || lease.doubtful) return await this.recordHeard(workerId, sessionId, by, renews);
    if (renews) void this.renew(lease);
    return lease;
  }

  async detach(workerId: string, sessionId: string, reason: string | undefined, by: string): Promise<void> {
    await this.system.execute(supervisor, workerId, {
      by,
      decide: (known) => leaseEvents.detach(known, workerId, sessionId, reason, this.here().now),
    });
    this.followed.end(workerId, (session) => session === sessionId, notAttached(workerId));
    this.held.release(workerId);
  }

  /**
   * Answers a signal that aborts, with an OwlError as the reason, once the session holds the lease no more.
   * @throws OwlError kind `refused` unless this session holds the lease of this supervisor
   */
  follow(workerId: string, sessionId: string): Promise<AbortSignal> {
    return this.followed.follow(workerId, sessionId);
  }

  private async recordHeard(
    workerId: string,
    sessionId: string,
    by: string,
    renews: boolean,
  ): Promise<Lease> {
    this.onHeard(workerId, sessionId);
    const { snapshot, revision, events } = await this.system.execute(supervisor, workerId, {
      by,
      decide: (known) => leaseEvents.hear(known, workerId, sessionId, this.here(), renews),
    });
    const { leaseSeconds } = snapshot.context;
    return this.hold({ workerId, sessionId, leaseSeconds }, revision, events.length > 0);
  }

  /** In the background: whether the store can be reached is not the supervisor's affair. */
  private async renew(lease: HeldLease): Promise<void> {
    const { workerId, sessionId, leaseSeconds } = lease;
    lease.renewAt = Number.POSITIVE_INFINITY;
    try {
      await this.recordHeard(workerId, sessionId, 'lease', true);
    } catch (error) {
      lease.renewAt = this.listening.now() + leaseSeconds * 1000;
      lease.doubtful ||= isRefusal(error);
      this.logger.warn({ err: error, workerId }, 'that a lease is kept was not recorded; trying again');
    }
  }

  /** @param recorded whether it is on record by now that this node keeps it */
  private hold(kept: Omit<KeptLease, 'nodeId'>, revision: number, recorded: boolean): Lease {
    const { workerId, leaseSeconds } = kept;
    const now = this.listening.now();
    const renewAt = recorded
      ? now + RENEWED_AFTER_LEASES * leaseSeconds * 1000
      : this.held.get(workerId)?.renewAt;
    const lease = this.held.make(kept, revision, renewAt ?? now);
    if (this.stopped) return lease;
    this.elsewhere.forget(workerId);
    this.held.hold(lease);
    return lease;
  }

  private async lose(lease: HeldLease): Promise<void> {
    const { workerId, sessionId } = lease;
    const { nodeId } = this;
    try {
      const { events } = await this.record(workerId, (known) =>
        leaseEvents.lose(known, { ...lease, nodeId }, this.here().now),
      );
      if (events.length === 0) return;
      this.observe(events);
      this.logger.warn({ workerId, sessionId }, 'a supervisor has gone silent; its tasks are marked');
    } catch (error) {
      if (this.stopped) return;
      this.logger.error({ err: error, workerId }, 'the loss of a supervisor was not recorded; trying again');
      if (this.held.has(workerId)) return;
      // Whether the loss is stored is unknown: a heartbeat looks it up.
      lease.doubtful = true;
      lease.retryAt = this.listening.now() + RETRY_MS;
      this.held.hold(lease);
    }
  }

  /** The supervisor gets a full lease from then on: that its node is gone says nothing of it. */
  private async takeOver(lease: KeptLease, revision: number): Promise<void> {
    const { workerId, nodeId } = lease;
    try {
      // What is read of the store here may be late: its keeper may have said something since.
      const newest = await this.system.read(supervisor, workerId);
      if (newest.revision > revision) return this.resumeFrom(workerId, newest);
      const done = await this.record(workerId, (known) => leaseEvents.takeOver(known, lease, this.here()));
      if (done.events.length === 0) return;
      this.hold(lease, done.revision, true);
      this.logger.warn({ workerId, nodeId }, 'a lease is taken over from a node that keeps it no more');
    } catch (error) {
      if (this.stopped) return;
      this.logger.error({ err: error, workerId, nodeId }, 'a lease was not taken over; trying again later');
      this.elsewhere.watch(lease, revision, 1);
    }
  }

  private resumeFrom(
    workerId: string,
    { snapshot, revision }: CommandResult<typeof supervisorMachine>,
  ): void {
    const { sessionId, leaseSeconds, nodeId } = snapshot.context;
    if (snapshot.value !== 'attached' || sessionId === null) return;
    this.resume({ workerId, sessionId, leaseSeconds, nodeId }, revision);
  }

  private record(
    workerId: string,
    decide: (known: SupervisorSnapshot) => SupervisorEvent[],
  ): Promise<CommandResult<typeof supervisorMachine>> {
    return this.system.execute(supervisor, workerId, { by: 'lease', decide });
  }

  private here(): Here {
    return { nodeId: this.nodeId, now: this.clock.now() / 1000 };
  }
}
