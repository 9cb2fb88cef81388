/**
 * The sessions of supervisors that somebody follows, a stream of work for instance, to hear when they hold their lease no more.
 *
 * Guarantee: a signal aborts, with an OwlError as the reason, once its session has detached or was replaced, here or on
 * another node; a session that is lost still holds its lease.
 */

import type { Logger } from 'pino';
import type { SupervisorSnapshot } from '../../machines/peers/supervisor.js';
import type { OwlError } from '../base/errors.js';
import { isRefusal } from '../base/failure-kinds.js';
import { assertHolds } from './lease-events.js';

interface FollowedSession {
  readonly sessionId: string;
  readonly over: AbortController;
}

export class FollowedSessions {
  /** By worker: one session holds a lease. */
  private readonly sessions = new Map<string, FollowedSession>();
  private readonly read: (workerId: string) => Promise<SupervisorSnapshot>;
  private readonly logger: Logger;

  /** @param read the supervisor as it is stored */
  constructor(read: (workerId: string) => Promise<SupervisorSnapshot>, logger: Logger) {
    this.read = read;
    this.logger = logger;
  }

  /** @throws OwlError kind `refused` unless this session holds the lease of this supervisor */
  async follow(workerId: string, sessionId: string): Promise<AbortSignal> {
    assertHolds(await this.read(workerId), workerId, sessionId);
    const known = this.sessions.get(workerId);
    if (known?.sessionId === sessionId) return known.over.signal;
    const over = new AbortController();
    this.sessions.set(workerId, { sessionId, over });
    return over.signal;
  }

  /** Somebody else holds the lease by now, or nobody. @param concerns which session that is the end of */
  end(workerId: string, concerns: (sessionId: string) => boolean, reason: OwlError): void {
    const known = this.sessions.get(workerId);
    if (known === undefined || !concerns(known.sessionId)) return;
    this.sessions.delete(workerId);
    known.over.abort(reason);
  }

  /** History has named a holder, or none, which may be old news: looks up who it is now. */
  async check(workerId: string, named: string | undefined): Promise<void> {
    const followed = this.sessions.get(workerId)?.sessionId;
    if (followed === undefined || followed === named) return;
    try {
      assertHolds(await this.read(workerId), workerId, followed);
    } catch (error) {
      if (isRefusal(error)) this.end(workerId, (sessionId) => sessionId === followed, error);
      else this.logger.warn({ err: error, workerId }, 'whose session holds the lease could not be looked up');
    }
  }
}
