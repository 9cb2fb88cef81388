/**
 * The sessions of peers that somebody follows, a stream of work for instance, to hear when they hold their lease no more.
 *
 * Guarantee: a signal aborts, with an OwlError as the reason, once its session has detached or was replaced, here or on
 * another node; a session that is lost still holds its lease.
 */

import type { Logger } from 'pino';
import type { OwlError } from '../base/errors.js';
import { isRefusal } from '../base/failure-kinds.js';

interface FollowedSession {
  readonly sessionId: string;
  readonly over: AbortController;
}

export class FollowedSessions {
  /** By peer: one session holds a lease. */
  private readonly sessions = new Map<string, FollowedSession>();
  private readonly assertHolds: (peerId: string, sessionId: string) => Promise<void>;
  private readonly logger: Logger;

  /** @param assertHolds as it is stored: rejects with an OwlError of kind `refused` when that session holds no lease */
  constructor(assertHolds: (peerId: string, sessionId: string) => Promise<void>, logger: Logger) {
    this.assertHolds = assertHolds;
    this.logger = logger;
  }

  /** @throws OwlError kind `refused` unless this session holds the lease of this peer */
  async follow(peerId: string, sessionId: string): Promise<AbortSignal> {
    await this.assertHolds(peerId, sessionId);
    const known = this.sessions.get(peerId);
    if (known?.sessionId === sessionId) return known.over.signal;
    const over = new AbortController();
    this.sessions.set(peerId, { sessionId, over });
    return over.signal;
  }

  /** Somebody else holds the lease by now, or nobody. @param concerns which session that is the end of */
  end(peerId: string, concerns: (sessionId: string) => boolean, reason: OwlError): void {
    const known = this.sessions.get(peerId);
    if (known === undefined || !concerns(known.sessionId)) return;
    this.sessions.delete(peerId);
    known.over.abort(reason);
  }

  /** History has named a holder, or none, which may be old news: looks up who it is now. */
  async check(peerId: string, named: string | undefined): Promise<void> {
    const followed = this.sessions.get(peerId)?.sessionId;
    if (followed === undefined || followed === named) return;
    try {
      await this.assertHolds(peerId, followed);
    } catch (error) {
      if (isRefusal(error)) this.end(peerId, (sessionId) => sessionId === followed, error);
      else this.logger.warn({ err: error, peerId }, 'whose session holds the lease could not be looked up');
    }
  }
}
