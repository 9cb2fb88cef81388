/**
 * Keeps one link to the node that leads, and makes a new one when it is lost: at once, then with growing pauses.
 *
 * Guarantees: there is at most one link, and it is made only to a node that leads and is ready. A link is given up when the
 * node says that another leads (then that one is tried first) or that it is not ready, when the connection breaks, and
 * when answers are overdue and nothing else comes either. A denial makes it read the credentials again: if they are others by now,
 * or the node denies this user everything, the link is given up, and the store is away until the node lets somebody in.
 * That one call is beyond the user's rights is told to its caller and costs nobody else the link. Nothing that is logged or thrown holds a credential.
 */

import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import { Backoff, wait } from '../../../../base/backoff.js';
import type { Clock } from '../../../../base/clock.js';
import { StoreUnavailableError } from '../../../../base/errors.js';
import { CallError, callErrorOf, explain, unavailable } from './call-error.js';
import { type ConnectionSettings, type Endpoint, formatEndpoint } from './connection-string.js';
import { findLeader } from './discovery.js';
import { type Link, openLink } from './link.js';
import { loadSecurity, type Security } from './security.js';

export interface ConnectionOptions {
  readonly settings: ConnectionSettings;
  readonly credentialsFile: string | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Milliseconds for one call. */
  readonly deadlineMs: number;
  /** Hears when the store goes away and when it is back. */
  readonly onAvailability: (availability: Availability) => void;
}

export interface Availability {
  readonly available: boolean;
  /** Why not, or which node answers. */
  readonly reason: string;
}

/** Attempts to connect are shorter than calls, so that a call outlives one that hangs. */
const CONNECT_MS = 2_000;
const LONGEST_PAUSE_MS = 2_000;
const CLOSED = 'the event store is closed; open it again';

export class Connection {
  readonly closed: AbortSignal;
  /** Milliseconds for one call. */
  readonly deadlineMs: number;
  private readonly options: ConnectionOptions;
  private readonly controller = new AbortController();
  private readonly backoff: Backoff;
  private current: Link | undefined;
  private connecting: Promise<Link> | undefined;
  private rechecking: Promise<void> | undefined;
  /** Who leads, as the last link knew; tried before asking around. */
  private leader: Endpoint | undefined;
  private lastFailure: CallError | undefined;
  private available: boolean | undefined;

  constructor(options: ConnectionOptions) {
    this.options = options;
    this.deadlineMs = options.deadlineMs;
    this.backoff = new Backoff({ longestMs: LONGEST_PAUSE_MS });
    this.closed = this.controller.signal;
    setMaxListeners(0, this.closed);
  }

  /**
   * The link, as soon as there is one. Waits for half the time that calls have, so that the other half is left for the call.
   * @param deadline of the call, in running time
   * @throws CallError the failure of the last attempt when there is none by then, `cancelled` when the signal aborts
   */
  async link(deadline: number, signal: AbortSignal = this.closed): Promise<Link> {
    const { current } = this;
    if (current?.ready) return current;
    if (current !== undefined) this.giveUp(current, new CallError('lost', 'the connection was closed'));
    return this.until(deadline - this.deadlineMs / 2, this.connect(), signal);
  }

  /**
   * Runs a call that may be repeated, until it succeeds, fails for good or the deadline has passed.
   * @param what the call, for the message
   * @throws StoreUnavailableError or what `call` throws that is no CallError
   */
  async repeat<T>(what: string, call: (link: Link, deadline: number) => Promise<T>): Promise<T> {
    const deadline = this.deadline();
    const backoff = new Backoff({ longestMs: LONGEST_PAUSE_MS });
    for (;;) {
      try {
        const link = await this.link(deadline);
        return await this.on(link, () => call(link, deadline));
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        const pause = backoff.next();
        if (!error.passing || this.options.clock.monotonic() + pause >= deadline)
          throw unavailable(what, error);
        await this.pause(pause);
      }
    }
  }

  /**
   * Runs a call on a link and draws the conclusions for the link from how it went.
   * @throws CallError as the call
   */
  async on<T>(link: Link, call: () => Promise<T>): Promise<T> {
    const startedAt = this.options.clock.monotonic();
    try {
      const answer = await call();
      this.backoff.reset();
      link.heardAt = this.options.clock.monotonic();
      return answer;
    } catch (error) {
      const failure = callErrorOf(error);
      // The library has words of its own for what becomes of a call when its link is given up.
      const swept = link.closed.aborted && (failure.kind === 'lost' || failure.kind === 'unexpected');
      if (swept) throw callErrorOf(link.closed.reason).forOthers();
      this.notice(link, failure, startedAt);
      throw failure;
    }
  }

  /** Waits before a call is made again. Like a call, it keeps the process alive. */
  async pause(pauseMs: number, signal: AbortSignal = this.closed): Promise<void> {
    const release = keepProcessAlive();
    await wait(this.options.clock, pauseMs, signal);
    release();
  }

  /** By when a call that starts now must be answered, in running time. */
  deadline(): number {
    return this.options.clock.monotonic() + this.deadlineMs;
  }

  close(): void {
    this.controller.abort();
    this.current?.close(cancelled());
    this.current = undefined;
  }

  private notice(link: Link, error: CallError, startedAt: number): void {
    if (error.kind === 'notLeader' || error.kind === 'notReady') this.giveUp(link, error);
    // One broken or slow call is no broken connection: others are under way on it.
    if (error.kind === 'lost' && !link.ready) this.giveUp(link, error);
    if (error.kind === 'deadline' && link.heardAt <= startedAt) this.giveUp(link, error);
    if (error.kind === 'denied') this.recheck(link, error);
  }

  private recheck(link: Link, error: CallError): void {
    if (this.rechecking !== undefined || this.current !== link) return;
    this.rechecking = this.isDenied(link)
      .then((denied) => {
        if (denied) this.giveUp(link, error);
      })
      .finally(() => {
        this.rechecking = undefined;
      });
  }

  /** Whether the link is of no more use to its user, or there is another user by now. */
  private async isDenied(link: Link): Promise<boolean> {
    const { settings, credentialsFile } = this.options;
    // A file that can't be read now says nothing; the node does.
    const security = await loadSecurity(settings, credentialsFile).catch(() => undefined);
    if (security !== undefined && security.authorization !== link.authorization) return true;
    return link.probe(CONNECT_MS).then(
      () => false,
      (error) => callErrorOf(error).kind === 'denied',
    );
  }

  private giveUp(link: Link, cause: CallError): void {
    if (this.current !== link) return;
    this.current = undefined;
    this.leader = cause.leader;
    link.close(cause);
    if (this.closed.aborted) return;
    this.options.logger.warn(
      { node: formatEndpoint(link.endpoint), reason: explain(cause), leader: cause.leader },
      'connection to EventStoreDB given up',
    );
    this.connect().catch(() => {});
  }

  private connect(): Promise<Link> {
    this.connecting ??= this.connectUntilItWorks().finally(() => {
      this.connecting = undefined;
    });
    return this.connecting;
  }

  private async connectUntilItWorks(): Promise<Link> {
    const { logger, clock } = this.options;
    while (!this.closed.aborted) {
      try {
        const link = await this.connectOnce();
        if (this.closed.aborted) {
          link.close(cancelled());
          break;
        }
        this.current = link;
        link.onLost(() => this.giveUp(link, new CallError('lost', 'the connection was closed')));
        logger.info({ node: formatEndpoint(link.endpoint) }, 'connected to EventStoreDB');
        this.tell({ available: true, reason: `connected to ${formatEndpoint(link.endpoint)}` });
        return link;
      } catch (error) {
        const failure = callErrorOf(error);
        if (failure.kind === 'cancelled') break;
        this.leader = undefined;
        this.lastFailure = failure;
        const pause = this.backoff.next();
        logger.warn(
          { reason: explain(failure), retryInMs: Math.round(pause) },
          'no connection to EventStoreDB',
        );
        this.tell({ available: false, reason: explain(failure) });
        await wait(clock, pause, this.closed);
      }
    }
    throw cancelled();
  }

  private async connectOnce(): Promise<Link> {
    const { settings, credentialsFile } = this.options;
    const security = await loadSecurity(settings, credentialsFile);
    const endpoint = this.leader ?? (await this.choose(security));
    try {
      return await this.openLink(endpoint, security);
    } catch (error) {
      const { leader } = callErrorOf(error);
      if (leader === undefined) throw error;
      return await this.openLink(leader, security);
    }
  }

  private async openLink(endpoint: Endpoint, security: Security): Promise<Link> {
    const { settings, clock } = this.options;
    const link = await openLink(endpoint, settings, security, { clock, withinMs: CONNECT_MS }, this.closed);
    link.heardAt = clock.monotonic();
    return link;
  }

  private async choose(security: Security): Promise<Endpoint> {
    const { settings, clock } = this.options;
    const [only] = settings.hosts;
    if (!settings.discover && only !== undefined) return only;
    return findLeader(settings, security, clock.now() + settings.gossipTimeoutMs, this.closed);
  }

  private tell(availability: Availability): void {
    if (this.available === availability.available) return;
    this.available = availability.available;
    this.options.onAvailability(availability);
  }

  private until(deadline: number, link: Promise<Link>, signal: AbortSignal): Promise<Link> {
    const release = keepProcessAlive();
    return new Promise((resolve, reject) => {
      const settle = (settlement: () => void) => {
        release();
        cancelTimer();
        signal.removeEventListener('abort', giveUp);
        settlement();
      };
      const giveUp = () => settle(() => reject(cancelled()));
      const cancelTimer = this.options.clock.after(deadline - this.options.clock.monotonic(), () =>
        settle(() => reject(this.lastFailure ?? new CallError('deadline', 'no connection in time'))),
      );
      signal.addEventListener('abort', giveUp, { once: true });
      if (signal.aborted) giveUp();
      link.then(
        (open) => settle(() => resolve(open)),
        (error) => settle(() => reject(error)),
      );
    });
  }
}

/** Whoever waits for an answer is still at work, though there may be no socket and the clock's timers don't count. */
function keepProcessAlive(): () => void {
  const timer = setInterval(() => {}, 2_147_483_647);
  return () => clearInterval(timer);
}

function cancelled(): CallError {
  return new CallError('cancelled', CLOSED);
}

/** For calls on a store that has been closed. */
export function closedError(): StoreUnavailableError {
  return new StoreUnavailableError(CLOSED, 'refused');
}
