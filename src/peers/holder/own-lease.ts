/**
 * A lease as its holder sees it: until when it may act, by its own clock.
 *
 * Guarantees: the time counts from the sending of the newest heartbeat that was confirmed, for that is the earliest that the
 * other end can have begun to count; it is boot time, so a process that was stopped and a machine that slept are no younger for
 * it; whoever asks `mayAct` looks at the clock, so nothing is done after a pause before it was noticed; what ended does not
 * begin again.
 */

import type { Clock } from '../../base/clock.js';
import { actsForMs, type LeaseTerms } from './lease-terms.js';

/** Timers stand still while the machine sleeps, so the clock is looked at this often at the least. */
const LOOKS_AFTER_MS = 500;

export interface OwnLeaseHooks {
  /**
   * Policy `end`: processes may live until then, and others may begin in their place at `givenUpMs`. For their keeper, which ends them
   * whatever has become of this process. Boot time.
   */
  renewed?(untilMs: number, givenUpMs: number): void;
  /** Policy `end`: the time is over. Called once; nothing may be done any more. */
  end?(): void;
  /** Policy `pause`: nothing may be served, sent or decided from now on. */
  pause?(): void;
  /** It was confirmed again after a pause. */
  resume?(): void;
}

export class OwnLease {
  private readonly clock: Clock;
  private readonly hooks: OwnLeaseHooks;
  private state: 'none' | 'held' | 'paused' | 'over' = 'none';
  private terms: LeaseTerms | undefined;
  private until = Number.NEGATIVE_INFINITY;
  private givenUp = Number.NEGATIVE_INFINITY;
  private cancel = (): void => undefined;

  constructor(clock: Clock, hooks: OwnLeaseHooks) {
    this.clock = clock;
    this.hooks = hooks;
  }

  /** Whether the holder may do what others must not do at the same time. Looks at the clock. */
  mayAct(): boolean {
    this.look();
    return this.state === 'held';
  }

  get isOver(): boolean {
    return this.state === 'over';
  }

  /** Boot time in milliseconds; Infinity when nothing ends it, -Infinity before the first confirmation. */
  get untilMs(): number {
    return this.until;
  }

  /** @param sentAt boot time in milliseconds, read before the heartbeat was sent */
  confirm(sentAt: number, terms: LeaseTerms): void {
    this.look();
    if (this.state === 'over') return;
    this.terms = terms;
    this.until = Math.max(this.until, sentAt + actsForMs(terms));
    if (terms.policy.kind === 'end') {
      this.givenUp = Math.max(this.givenUp, sentAt + terms.policy.giveUpSeconds * 1000);
      this.hooks.renewed?.(this.until, this.givenUp);
    }
    if (this.clock.sinceBoot() < this.until) {
      const wasPaused = this.state === 'paused';
      this.state = 'held';
      if (wasPaused) this.hooks.resume?.();
    }
    this.watch();
  }

  /** Somebody else holds it, or it was given back: nothing may be done any more, and nothing is told. */
  close(): void {
    this.state = 'over';
    this.cancel();
  }

  private look(): void {
    if (this.state !== 'held' || this.clock.sinceBoot() < this.until) return;
    this.cancel();
    if (this.terms?.policy.kind === 'end') {
      this.state = 'over';
      this.hooks.end?.();
    } else {
      this.state = 'paused';
      this.hooks.pause?.();
    }
  }

  private watch(): void {
    this.cancel();
    if (this.state !== 'held' || this.until === Number.POSITIVE_INFINITY) return;
    const leftMs = this.until - this.clock.sinceBoot();
    this.cancel = this.clock.after(Math.min(Math.max(leftMs, 0), LOOKS_AFTER_MS), () => {
      this.look();
      this.watch();
    });
  }
}
