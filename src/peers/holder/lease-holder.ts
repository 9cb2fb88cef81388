/**
 * The peer's end of a lease: attaches, beats, comes back after a break, and gives the lease back. What carries the three calls
 * is the caller's: they are functions.
 *
 * Guarantees: what the terms say of silence is kept by the holder's own clock (own-lease.ts), and looked at before each
 * heartbeat and each answer; under `end` and `pause` a session that was refused is over and does not come back, and one whose
 * calls come to nothing beats again but never attaches again, so it takes nothing from who replaced it; under `go on` it attaches anew.
 */

import { Backoff, settlesWithin, untilAborted, wait } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { messageOf, OwlError } from '../../base/errors.js';
import { BEATS_IN_A_LEASE, type LeaseTerms } from './lease-terms.js';
import { OwnLease, type OwnLeaseHooks } from './own-lease.js';

/** How long giving the lease back may take. */
const LEAVES_WITHIN_MS = 2_000;
/** A call whose answer takes longer is no help: the next one is due. For the first, of which no terms are known. */
const ATTACHES_WITHIN_MS = 10_000;

export interface LeaseCalls<Grant extends LeaseTerms> {
  /** @param withinMs an answer that takes longer is of no use */
  attach(withinMs: number): Promise<Grant>;
  beat(grant: Grant, withinMs: number): Promise<Grant>;
  leave(grant: Grant, reason: string): Promise<void>;
}

export interface LeaseHolderHooks<Grant extends LeaseTerms> extends OwnLeaseHooks {
  attached?(grant: Grant): void;
  /** What goes on as long as the other end is there, a stream of work for instance. Its end is a break. */
  serve?(grant: Grant, signal: AbortSignal): Promise<void>;
  /** A break, or no way to attach; `wasAttached` tells which. */
  away?(reason: string, wasAttached: boolean): void;
  /** Policy `go on`: refused. Resolves when attaching is to be tried again. */
  refused?(error: OwlError, signal: AbortSignal): Promise<void>;
  /** Policies `end` and `pause`: this session holds the lease no more and stops at once. Called once. */
  fenced?(reason: string): void;
}

export interface LeaseHolderOptions<Grant extends LeaseTerms> {
  readonly calls: LeaseCalls<Grant>;
  readonly clock: Clock;
  readonly hooks?: LeaseHolderHooks<Grant>;
  /** Why it is a break when `serve` ends without an error. */
  readonly servedReason?: string;
}

export class LeaseHolder<Grant extends LeaseTerms> {
  private readonly calls: LeaseCalls<Grant>;
  private readonly clock: Clock;
  private readonly hooks: LeaseHolderHooks<Grant>;
  private readonly servedReason: string;
  private readonly backoff = new Backoff({ firstMs: 100, longestMs: 5_000 });
  private readonly stopping = new AbortController();
  private readonly own: OwnLease;
  private running: Promise<void> | undefined;
  /** While the other end is there. */
  private current: Grant | undefined;
  /** The newest one, also during a break. */
  private known: Grant | undefined;

  constructor({ calls, clock, hooks = {}, servedReason = 'it was ended there' }: LeaseHolderOptions<Grant>) {
    this.calls = calls;
    this.clock = clock;
    this.hooks = hooks;
    this.servedReason = servedReason;
    this.own = new OwnLease(clock, {
      renewed: (untilMs, givenUpMs) => hooks.renewed?.(untilMs, givenUpMs),
      pause: () => hooks.pause?.(),
      resume: () => hooks.resume?.(),
      end: () => {
        this.stopping.abort();
        hooks.end?.();
      },
    });
  }

  start(): void {
    this.running ??= this.run();
  }

  /** Whether what only one may do at a time may be done now: to be asked before each such act. Looks at the clock. */
  mayAct(): boolean {
    return this.own.mayAct();
  }

  /** The lease, while the other end is there. */
  get grant(): Grant | undefined {
    return this.current;
  }

  /** It has begun to be of use again: the next break is answered as the first. */
  isWell(): void {
    this.backoff.reset();
  }

  /** Resolves once the session is over: fenced, ended or stopped. */
  async ended(): Promise<void> {
    await this.running;
  }

  /** Gives the lease back where the other end can be reached. */
  async stop(reason: string): Promise<void> {
    const { current } = this;
    const isOver = this.own.isOver;
    this.stopping.abort();
    await this.running;
    this.own.close();
    if (current === undefined || isOver) return;
    await settlesWithin(this.clock, LEAVES_WITHIN_MS, this.calls.leave(current, reason));
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const error = await this.attempt();
      if (signal.aborted) return;
      const wasAttached = this.current !== undefined;
      this.current = undefined;
      // Any other answer, of a node that knows no such peers for instance, says nothing of who holds the lease.
      const isFinal = error instanceof OwlError && error.kind === 'refused';
      if (isFinal && this.known !== undefined && this.known.policy.kind !== 'go on')
        return this.fence(messageOf(error));
      this.hooks.away?.(error === undefined ? this.servedReason : messageOf(error), wasAttached);
      await wait(this.clock, this.pauseMs(), signal);
      if (isFinal) await this.hooks.refused?.(error, signal);
    }
  }

  /** Until a call or what goes on fails, which it answers. */
  private async attempt(): Promise<unknown> {
    try {
      await this.reach();
      const { current } = this;
      if (current === undefined) return undefined;
      this.hooks.attached?.(current);
      await this.whileHeld(current);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  private async reach(): Promise<void> {
    const { known } = this;
    if (known === undefined || known.policy.kind === 'go on')
      await this.confirmed((withinMs) => this.calls.attach(withinMs), ATTACHES_WITHIN_MS);
    else await this.beat(known);
  }

  private async whileHeld(grant: Grant): Promise<void> {
    const over = new AbortController();
    const end = (): void => over.abort();
    // Also when it is stopped already: the stop may have come while it was attaching.
    const signal = AbortSignal.any([this.stopping.signal, over.signal]);
    const serving = this.hooks.serve?.(grant, signal) ?? untilAborted(signal);
    await Promise.all([this.beatUntil(signal).finally(end), serving.finally(end)]);
  }

  private async beatUntil(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { current } = this;
      if (current === undefined) return;
      await wait(this.clock, beatMsOf(current), signal);
      if (!signal.aborted) await this.beat(current);
    }
  }

  private async beat(grant: Grant): Promise<void> {
    await this.confirmed((withinMs) => this.calls.beat(grant, withinMs), beatMsOf(grant));
  }

  private async confirmed(call: (withinMs: number) => Promise<Grant>, withinMs: number): Promise<void> {
    const sentAt = this.clock.sinceBoot();
    // A process that was stopped until now may have nothing to confirm any more.
    this.own.mayAct();
    if (this.own.isOver) return;
    const grant = await call(withinMs);
    this.own.confirm(sentAt, grant);
    if (this.own.isOver) return;
    this.current = grant;
    this.known = grant;
  }

  /** No longer than from beat to beat where silence has consequences. */
  private pauseMs(): number {
    const { known } = this;
    const longestMs =
      known === undefined || known.policy.kind === 'go on' ? Number.POSITIVE_INFINITY : beatMsOf(known);
    return Math.min(this.backoff.next(), longestMs);
  }

  private fence(reason: string): void {
    this.own.close();
    this.stopping.abort();
    this.hooks.fenced?.(reason);
  }
}

function beatMsOf({ leaseSeconds }: LeaseTerms): number {
  return (leaseSeconds * 1000) / BEATS_IN_A_LEASE;
}
