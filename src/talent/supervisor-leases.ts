/**
 * The leases of supervisors: who is attached, and who has gone silent.
 *
 * Guarantees: attaching, losing, returning and detaching are events of the supervisor's actor, single heartbeats are kept
 * in memory only; one session holds a lease, and a heartbeat of another is refused; one node keeps a lease, the one that
 * heard its supervisor last, and only that one calls it lost; a node that is gone is followed by another; a supervisor that
 * counts as lost and is heard of is recorded as returned, however the two cross; after a restart of talent every supervisor
 * whose lease it keeps gets a full one from then on before it counts as lost, since talent's silence is not its fault.
 */

import type { Logger } from 'pino';
import {
  SUPERVISOR_EVENTS,
  type SupervisorEvent,
  type SupervisorSnapshot,
  supervisorMachine,
} from '../../machines/supervisor.js';
import type { ActorSystem } from '../runtime/actor-system.js';
import type { ActorType, CommandResult } from '../runtime/actor-type.js';
import type { Clock } from '../runtime/clock.js';
import type { RecordedEvent } from '../runtime/event-store/event-store.js';
import { isRefusal } from '../runtime/failure-kinds.js';
import { FollowedSessions } from './followed-sessions.js';
import * as leaseEvents from './lease-events.js';
import { type Attachment, type Here, type KeptLease, notAttached, replacedBy } from './lease-events.js';
import { LeasesElsewhere, RENEWED_AFTER_LEASES } from './leases-elsewhere.js';

export const supervisor: ActorType<typeof supervisorMachine> = {
  category: 'supervisor',
  version: 3,
  machine: supervisorMachine,
  events: SUPERVISOR_EVENTS,
};

export interface Lease {
  readonly workerId: string;
  readonly sessionId: string;
  readonly leaseSeconds: number;
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number;
}

interface HeldLease extends Lease {
  expiresAt: number;
  /** Of the newest event it rests on. */
  readonly revision: number;
  /** When it is to be recorded again that it is kept, for other nodes to know; ms since the epoch. */
  renewAt: number;
  /** Its loss could not be recorded and is tried again then, unless it is heard of; ms since the epoch. */
  retryAt: number;
  /** Set when the history may know better: the next heartbeat looks there instead of only moving `expiresAt`. */
  doubtful: boolean;
  cancel: () => void;
}

/** Before a loss that could not be recorded is recorded again. */
const RETRY_MS = 1_000;

/** The longest lease there is, for events that don't say how long theirs is. */
const LONGEST_LEASE_SECONDS = 3600;

export interface SupervisorLeasesOptions {
  readonly system: ActorSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  /** This node. */
  readonly nodeId: string;
  /** Other nodes keep leases in the same store. */
  readonly shared: boolean;
}

export class SupervisorLeases {
  private readonly held = new Map<string, HeldLease>();
  private readonly elsewhere: LeasesElsewhere;
  private readonly followed: FollowedSessions;
  private readonly system: ActorSystem;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly nodeId: string;
  private readonly shared: boolean;
  private stopped = false;

  constructor({ system, clock, logger, nodeId, shared }: SupervisorLeasesOptions) {
    this.system = system;
    this.clock = clock;
    this.logger = logger;
    this.nodeId = nodeId;
    this.shared = shared;
    this.followed = new FollowedSessions(async (id) => (await system.read(supervisor, id)).snapshot, logger);
    this.elsewhere = new LeasesElsewhere(clock, (lease, revision) => void this.takeOver(lease, revision));
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
        this.release(workerId);
        this.elsewhere.watch(lease, event.revision);
      }
    }
  }

  stop(): void {
    this.stopped = true;
    for (const { cancel } of this.held.values()) cancel();
    this.held.clear();
    this.elsewhere.stop();
  }

  /** Takes over from any other session. The same session attaching again renews its lease. */
  async attach(attachment: Attachment, by: string): Promise<Lease> {
    const { workerId, sessionId } = attachment;
    this.hear(workerId, sessionId);
    const done = await this.system.execute(supervisor, workerId, {
      by,
      decide: (known) => leaseEvents.attach(known, attachment, this.here()),
    });
    this.followed.end(workerId, (session) => session !== sessionId, replacedBy(workerId, sessionId));
    return this.hold(attachment, done.revision, done.events.length > 0);
  }

  /** @throws OwlError kind `refused` when another session holds the lease or nobody does: attach anew */
  async heartbeat(workerId: string, sessionId: string, by: string): Promise<Lease> {
    const lease = this.hear(workerId, sessionId);
    const renews = this.shared && (lease === undefined || lease.renewAt <= this.clock.now());
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
    this.release(workerId);
  }

  /**
   * Answers a signal that aborts, with an OwlError as the reason, once the session holds the lease no more.
   * @throws OwlError kind `refused` unless this session holds the lease of this supervisor
   */
  follow(workerId: string, sessionId: string): Promise<AbortSignal> {
    return this.followed.follow(workerId, sessionId);
  }

  /** A session that is heard is not silent, whatever can be recorded of it at the moment. */
  private hear(workerId: string, sessionId: string): HeldLease | undefined {
    const lease = this.held.get(workerId);
    if (lease?.sessionId !== sessionId) return undefined;
    lease.expiresAt = this.clock.now() + lease.leaseSeconds * 1000;
    return lease;
  }

  private async recordHeard(
    workerId: string,
    sessionId: string,
    by: string,
    renews: boolean,
  ): Promise<Lease> {
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
      lease.renewAt = this.clock.now() + leaseSeconds * 1000;
      lease.doubtful ||= isRefusal(error);
      this.logger.warn({ err: error, workerId }, 'that a lease is kept was not recorded; trying again');
    }
  }

  /** @param recorded whether it is on record by now that this node keeps it */
  private hold(
    { workerId, sessionId, leaseSeconds }: Omit<KeptLease, 'nodeId'>,
    revision: number,
    recorded: boolean,
  ): Lease {
    const now = this.clock.now();
    const renewAt = recorded
      ? now + RENEWED_AFTER_LEASES * leaseSeconds * 1000
      : this.held.get(workerId)?.renewAt;
    const lease: HeldLease = {
      workerId,
      sessionId,
      leaseSeconds,
      expiresAt: now + leaseSeconds * 1000,
      revision,
      renewAt: renewAt ?? now,
      retryAt: 0,
      doubtful: false,
      cancel: () => undefined,
    };
    this.release(workerId);
    if (this.stopped) return lease;
    this.elsewhere.forget(workerId);
    this.held.set(workerId, lease);
    this.watch(lease);
    return lease;
  }

  private release(workerId: string): void {
    this.held.get(workerId)?.cancel();
    this.held.delete(workerId);
  }

  /** Heartbeats only move `expiresAt`; the timer looks again when it finds that it was moved. */
  private watch(lease: HeldLease): void {
    const due = () => Math.max(lease.expiresAt, lease.retryAt) - this.clock.now();
    lease.cancel = this.clock.after(due(), () => {
      if (this.held.get(lease.workerId) !== lease) return;
      if (due() > 0) this.watch(lease);
      else void this.lose(lease);
    });
  }

  private async lose(lease: HeldLease): Promise<void> {
    const { workerId, sessionId, expiresAt } = lease;
    const { nodeId } = this;
    this.held.delete(workerId);
    try {
      const { events } = await this.record(workerId, (known) =>
        leaseEvents.lose(known, { ...lease, nodeId }, expiresAt / 1000),
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
      lease.retryAt = this.clock.now() + RETRY_MS;
      this.held.set(workerId, lease);
      this.watch(lease);
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

/** The lease as an event leaves it; undefined when nobody holds it then. */
function leaseAfter({ type, data }: RecordedEvent, workerId: string): KeptLease | undefined {
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
