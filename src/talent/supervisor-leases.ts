/**
 * The leases of supervisors: who is attached, and who has gone silent.
 *
 * Guarantees: attaching, losing, returning and detaching are events of the supervisor's actor, single heartbeats are kept
 * in memory only; one session holds a lease, and a heartbeat of another is refused; a supervisor that counts as lost and
 * is heard of is recorded as returned, however the two cross; after a restart of talent every attached supervisor gets a
 * full lease from then on before it counts as lost, since talent's silence is not its fault.
 */

import type { Logger } from 'pino';
import {
  SUPERVISOR_EVENTS,
  type SupervisorEvent,
  type SupervisorSnapshot,
  supervisorMachine,
} from '../../machines/supervisor.js';
import type { ActorSystem } from '../runtime/actor-system.js';
import type { ActorType } from '../runtime/actor-type.js';
import type { Clock } from '../runtime/clock.js';
import { OwlError } from '../runtime/errors.js';
import type { RecordedEvent } from '../runtime/event-store/event-store.js';
import { isRefusal } from '../runtime/failure-kinds.js';

export const supervisor: ActorType<typeof supervisorMachine> = {
  category: 'supervisor',
  version: 1,
  machine: supervisorMachine,
  events: SUPERVISOR_EVENTS,
};

export interface Attachment {
  readonly workerId: string;
  readonly sessionId: string;
  readonly leaseSeconds: number;
  readonly host: string | undefined;
  readonly pid: number | undefined;
  readonly version: string | undefined;
}

export interface Lease {
  readonly workerId: string;
  readonly sessionId: string;
  readonly leaseSeconds: number;
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number;
}

interface HeldLease extends Lease {
  expiresAt: number;
  /** Set when the history may know better: the next heartbeat looks there instead of only moving `expiresAt`. */
  doubtful: boolean;
  cancel: () => void;
}

/** A session that somebody follows; aborts, with the reason, once it holds the lease no more. */
interface FollowedSession {
  readonly sessionId: string;
  readonly over: AbortController;
}

/** Before a loss that could not be recorded is recorded again. */
const RETRY_MS = 1_000;

export interface SupervisorLeasesOptions {
  readonly system: ActorSystem;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class SupervisorLeases {
  private readonly held = new Map<string, HeldLease>();
  private readonly followed = new Map<string, FollowedSession>();
  private readonly system: ActorSystem;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private stopped = false;

  constructor({ system, clock, logger }: SupervisorLeasesOptions) {
    this.system = system;
    this.clock = clock;
    this.logger = logger;
  }

  /** Watches over a lease that the history says is held. */
  resume(workerId: string, sessionId: string, leaseSeconds: number): void {
    if (!this.held.has(workerId)) this.hold(workerId, sessionId, leaseSeconds);
  }

  /**
   * Takes note of what the history says of supervisors. A loss may have been recorded while its supervisor was heard, here
   * or on another node of the same store; another session may have attached there. What contradicts what is held here is
   * looked up: by the next heartbeat, and for who follows the session at once. Late or repeated events do no harm.
   */
  observe(events: readonly RecordedEvent[]): void {
    for (const { type, data } of events) {
      const { worker_id: workerId, session_id: sessionId } = data;
      if (typeof workerId !== 'string') continue;
      const holds = type === 'SupervisorAttached' || type === 'SupervisorReturned';
      const lease = this.held.get(workerId);
      if (lease !== undefined && !(holds && lease.sessionId === sessionId)) lease.doubtful = true;
      const followed = this.followed.get(workerId);
      if (followed !== undefined && !(holds && followed.sessionId === sessionId))
        void this.lookUp(workerId, followed.sessionId);
    }
  }

  stop(): void {
    this.stopped = true;
    for (const { cancel } of this.held.values()) cancel();
    this.held.clear();
  }

  /** Takes over from any other session. The same session attaching again renews its lease. */
  async attach(attachment: Attachment, by: string): Promise<Lease> {
    const { workerId, sessionId, leaseSeconds } = attachment;
    await this.system.execute(supervisor, workerId, {
      by,
      decide: (known) => this.decideAttach(known, attachment),
    });
    this.endFollowed(workerId, (session) => session !== sessionId, replacedBy(workerId, sessionId));
    return this.hold(workerId, sessionId, leaseSeconds);
  }

  /** @throws OwlError kind `refused` when another session holds the lease or nobody does: attach anew */
  async heartbeat(workerId: string, sessionId: string, by: string): Promise<Lease> {
    const lease = this.held.get(workerId);
    if (lease !== undefined && lease.sessionId === sessionId && !lease.doubtful) {
      lease.expiresAt = this.clock.now() + lease.leaseSeconds * 1000;
      return lease;
    }
    const { snapshot } = await this.system.execute(supervisor, workerId, {
      by,
      decide: (known) => {
        assertHolds(known, workerId, sessionId);
        if (known.value === 'attached') return [];
        return [returned(workerId, sessionId, this.clock.now() / 1000)];
      },
    });
    return this.hold(workerId, sessionId, snapshot.context.leaseSeconds);
  }

  async detach(workerId: string, sessionId: string, reason: string | undefined, by: string): Promise<void> {
    await this.system.execute(supervisor, workerId, {
      by,
      decide: (known) => {
        if (known.value === 'detached' && known.context.sessionId === sessionId) return [];
        assertHolds(known, workerId, sessionId);
        return [detached(workerId, sessionId, this.clock.now() / 1000, reason)];
      },
    });
    this.endFollowed(workerId, (session) => session === sessionId, notAttached(workerId));
    this.release(workerId);
  }

  /**
   * Answers a signal that aborts, with an OwlError as the reason, once the session holds the lease no more: it detached or
   * another replaced it. A session that is lost still holds it.
   * @throws OwlError kind `refused` unless this session holds the lease of this supervisor
   */
  async follow(workerId: string, sessionId: string): Promise<AbortSignal> {
    const { snapshot } = await this.system.read(supervisor, workerId);
    assertHolds(snapshot, workerId, sessionId);
    const known = this.followed.get(workerId);
    if (known?.sessionId === sessionId) return known.over.signal;
    const over = new AbortController();
    this.followed.set(workerId, { sessionId, over });
    return over.signal;
  }

  /** Ends the following of a session that the history does not know as the holder any more. */
  private async lookUp(workerId: string, sessionId: string): Promise<void> {
    try {
      const { snapshot } = await this.system.read(supervisor, workerId);
      assertHolds(snapshot, workerId, sessionId);
    } catch (error) {
      if (isRefusal(error)) this.endFollowed(workerId, (session) => session === sessionId, error);
      else this.logger.warn({ err: error, workerId }, 'whose session holds the lease could not be looked up');
    }
  }

  private endFollowed(workerId: string, concerns: (sessionId: string) => boolean, reason: OwlError): void {
    const known = this.followed.get(workerId);
    if (known === undefined || !concerns(known.sessionId)) return;
    this.followed.delete(workerId);
    known.over.abort(reason);
  }

  private decideAttach(known: SupervisorSnapshot, attachment: Attachment): SupervisorEvent[] {
    const { workerId, sessionId, leaseSeconds, host, pid, version } = attachment;
    const same = known.context.sessionId === sessionId && known.context.leaseSeconds === leaseSeconds;
    const now = this.clock.now() / 1000;
    if (same && known.value === 'attached') return [];
    if (same && known.value === 'lost') return [returned(workerId, sessionId, now)];
    return [
      {
        type: 'SupervisorAttached',
        data: {
          worker_id: workerId,
          session_id: sessionId,
          lease_seconds: leaseSeconds,
          attached_time: now,
          ...(host === undefined ? {} : { host }),
          ...(pid === undefined ? {} : { pid }),
          ...(version === undefined ? {} : { program_version: version }),
        },
      },
    ];
  }

  private hold(workerId: string, sessionId: string, leaseSeconds: number): Lease {
    this.release(workerId);
    const expiresAt = this.clock.now() + leaseSeconds * 1000;
    const lease: HeldLease = {
      workerId,
      sessionId,
      leaseSeconds,
      expiresAt,
      doubtful: false,
      cancel: () => undefined,
    };
    if (this.stopped) return lease;
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
    lease.cancel = this.clock.after(lease.expiresAt - this.clock.now(), () => {
      if (this.held.get(lease.workerId) !== lease) return;
      if (lease.expiresAt > this.clock.now()) this.watch(lease);
      else void this.lose(lease);
    });
  }

  private async lose(lease: HeldLease): Promise<void> {
    const { workerId, sessionId, expiresAt } = lease;
    this.held.delete(workerId);
    try {
      const { events } = await this.system.execute(supervisor, workerId, {
        by: 'lease',
        decide: (known) => {
          const holds = known.value === 'attached' && known.context.sessionId === sessionId;
          return holds ? [lost(workerId, sessionId, expiresAt / 1000)] : [];
        },
      });
      if (events.length === 0) return;
      this.observe(events);
      this.logger.warn({ workerId, sessionId }, 'a supervisor has gone silent; its tasks are marked');
    } catch (error) {
      if (this.stopped) return;
      this.logger.error({ err: error, workerId }, 'the loss of a supervisor was not recorded; trying again');
      // Not held meanwhile: whether the loss is stored is unknown, and a heartbeat looks it up.
      this.clock.after(RETRY_MS, () => {
        if (!this.stopped && !this.held.has(workerId)) void this.lose(lease);
      });
    }
  }
}

function assertHolds(known: SupervisorSnapshot, workerId: string, sessionId: string): void {
  if (known.value !== 'detached' && known.context.sessionId === sessionId) return;
  throw known.value === 'detached' || known.context.sessionId === null
    ? notAttached(workerId)
    : replacedBy(workerId, known.context.sessionId);
}

function notAttached(workerId: string): OwlError {
  return new OwlError('refused', `supervisor ${workerId} is not attached; attach with supervisor_attach`);
}

function replacedBy(workerId: string, sessionId: string): OwlError {
  return new OwlError(
    'refused',
    `supervisor ${workerId} is attached by another session (${sessionId}), which has replaced this one; attach with supervisor_attach`,
  );
}

function lost(workerId: string, sessionId: string, at: number): SupervisorEvent {
  return { type: 'SupervisorLost', data: { worker_id: workerId, session_id: sessionId, lost_time: at } };
}

function returned(workerId: string, sessionId: string, at: number): SupervisorEvent {
  return {
    type: 'SupervisorReturned',
    data: { worker_id: workerId, session_id: sessionId, returned_time: at },
  };
}

function detached(
  workerId: string,
  sessionId: string,
  at: number,
  reason: string | undefined,
): SupervisorEvent {
  const data = { worker_id: workerId, session_id: sessionId, detached_time: at };
  return { type: 'SupervisorDetached', data: reason === undefined ? data : { ...data, reason } };
}
