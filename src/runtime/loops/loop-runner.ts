/**
 * Runs one `Loop`.
 *
 * Guarantees, beside those of the loop: a failure is tried again with growing delays, which no event shortens, and shows in
 * `status`; it keeps neither other loops nor the node from their work. `begin` and `round` are never under way at the same time,
 * nor two of them. `stop` aborts the round, waits for its end for so long, and gives the lease back only when it has ended: one
 * that goes on keeps others away until the lease is over.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from 'pino';
import { Backoff, type BackoffOptions, orAborted, wait } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { messageOf, OwlError } from '../../base/errors.js';
import type { RecordedEvent } from '../event-store/event-store.js';
import type { LifeCycle } from '../life-cycle/life-cycle.js';
import type { AppliedListener } from '../read-models/projector.js';
import type { Loop, LoopContext, LoopRest } from './loop.js';
import type { LoopLease, LoopTurn } from './loop-lease.js';
import type { LoopStatus } from './loop-status.js';

/** The read models of a node, as loops rest on them. */
export interface LoopReadModels {
  /** Waits, through outages, until these hold all that is stored by now, whoever stored it. @throws what the store throws */
  holdAll(names: readonly string[], signal: AbortSignal): Promise<void>;
  /** The same for what this node has acknowledged. */
  holdOwn(names: readonly string[], signal: AbortSignal): Promise<void>;
  /** @returns takes the listener away again */
  onApplied(name: string, listener: AppliedListener): () => void;
  /** Told when one of these was filled anew, or is about to be since the store holds something else. @returns as above */
  onMadeAnew(names: readonly string[], listener: () => void): () => void;
}

export interface LoopRunnerOptions {
  readonly loop: Loop;
  readonly lease: LoopLease;
  readonly readModels: LoopReadModels;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lifeCycle: LifeCycle;
  /** Of rounds that fail. Default 100 ms to 30 s. */
  readonly backoff?: BackoffOptions;
  /** How long `stop` waits for the round under way. Milliseconds, default 10,000. */
  readonly endsWithinMs?: number;
}

const BACKOFF: BackoffOptions = { firstMs: 100, longestMs: 30_000 };
const ENDS_WITHIN_MS = 10_000;
/** The wall clock may be set, and Node takes no timeout above 24.8 days. */
const LONGEST_NAP_MS = 60_000;

export class LoopRunner {
  private readonly options: LoopRunnerOptions;
  private readonly backoff: Backoff;
  private readonly stopping = new AbortController();
  private readonly unfollow: (() => void)[] = [];
  /** From taking the lease until it is over, or the loop has to begin anew. */
  private term = new AbortController();
  private running: Promise<void> | undefined;
  private stopped: Promise<void> | undefined;
  private following = false;
  /** Something has happened since the last round began to look. */
  private wanted = false;
  private endNap: () => void = () => undefined;
  private shown: Pick<LoopStatus, 'state' | 'since' | 'until' | 'why'>;
  private rounds = 0;
  private failures = 0;

  constructor(options: LoopRunnerOptions) {
    this.options = options;
    this.backoff = new Backoff(options.backoff ?? BACKOFF);
    this.shown = { state: 'waiting', since: options.clock.now(), until: undefined, why: undefined };
  }

  get name(): string {
    return this.options.loop.name;
  }

  /** Begins by itself once it can. */
  start(): void {
    if (this.running !== undefined) return;
    const { loop, readModels } = this.options;
    for (const name of loop.readModels)
      this.unfollow.push(readModels.onApplied(name, (events) => this.applied(events)));
    this.unfollow.push(readModels.onMadeAnew(loop.readModels, () => this.beginAnew()));
    this.running = this.run();
  }

  /** Again is the same. Never rejects. */
  stop(): Promise<void> {
    this.stopped ??= this.end();
    return this.stopped;
  }

  status(): LoopStatus {
    const { name, rounds, failures } = this;
    const { node, problem } = this.options.lease;
    const { shown } = this;
    const why = shown.state === 'elsewhere' ? problem : shown.why;
    return { name, ...shown, why, node, rounds, failures };
  }

  private async end(): Promise<void> {
    this.endTerm(this.stopping, new OwlError('unavailable', `the loop ${this.name} is stopped`));
    for (const unfollow of this.unfollow.splice(0)) unfollow();
    if (await this.ends()) {
      await this.options.lease.giveBack();
      this.show('ended');
    } else {
      const told = { loop: this.name, since: this.shown.since };
      this.options.logger.error(told, 'a loop does not end; it is left to itself with its lease');
    }
  }

  private async run(): Promise<void> {
    const { signal: stopped } = this.stopping;
    while (!stopped.aborted) {
      const term = new AbortController();
      this.term = term;
      this.show('elsewhere');
      const turn = await this.options.lease.take(stopped, (reason) => this.endTerm(term, reason));
      if (turn === undefined) return;
      await this.runTerm(turn, term);
      this.following = false;
    }
  }

  private async runTerm(turn: LoopTurn, term: AbortController): Promise<void> {
    const { signal } = term;
    await this.untilDone(signal, () => this.begin(turn, term));
    while (!signal.aborted) {
      const rest = await this.untilDone(signal, () => this.round(turn, term));
      if (rest !== undefined) await this.rest(rest, signal);
      // A round that answers at once, and finds more to do each time, leaves the others their turns.
      await nextTurn();
    }
  }

  private async begin(turn: LoopTurn, term: AbortController): Promise<void> {
    const { loop, readModels } = this.options;
    this.show('waiting');
    await readModels.holdAll(loop.readModels, term.signal);
    this.following = true;
    const context = this.context(turn, term);
    context.assertMayAct();
    await loop.begin?.(context);
  }

  private async round(turn: LoopTurn, term: AbortController): Promise<LoopRest> {
    const { loop, readModels, lifeCycle } = this.options;
    this.show('waiting');
    await readModels.holdOwn(loop.readModels, term.signal);
    const context = this.context(turn, term);
    context.assertMayAct();
    this.wanted = false;
    this.show('running');
    const began = lifeCycle.now();
    const rest = await loop.round(context);
    if (Number.isNaN(rest.until)) throw new Error(`a round of the loop ${this.name} rests until NaN`);
    this.rounds += 1;
    if (lifeCycle.wants('loop round'))
      lifeCycle.tell({ type: 'loop round', loop: this.name, tookMs: lifeCycle.now() - began });
    return rest;
  }

  private context(turn: LoopTurn, term: AbortController): LoopContext {
    const { signal } = term;
    return {
      now: this.options.clock.now(),
      signal,
      assertMayAct: () => {
        if (!turn.mayAct())
          this.endTerm(term, new OwlError('unavailable', `the lease of the loop ${this.name} is over`));
        signal.throwIfAborted();
      },
    };
  }

  /** What `work` answers the first time that it doesn't throw; undefined when the signal has aborted. */
  private async untilDone<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T | undefined> {
    const { clock, logger, lifeCycle } = this.options;
    while (!signal.aborted) {
      try {
        const done = await work();
        this.failures = 0;
        this.backoff.reset();
        return done;
      } catch (error) {
        if (signal.aborted) return undefined;
        this.failures += 1;
        const { failures } = this;
        const delayMs = this.backoff.next();
        this.show('failing', { until: clock.now() + delayMs, why: messageOf(error) });
        logger.warn({ err: error, loop: this.name, failures }, 'a loop failed; trying again');
        if (lifeCycle.wants('loop failed'))
          lifeCycle.tell({ type: 'loop failed', loop: this.name, failures, reason: messageOf(error) });
        await wait(clock, delayMs, signal);
      }
    }
    return undefined;
  }

  private async rest({ until, why }: LoopRest, signal: AbortSignal): Promise<void> {
    if (this.wanted || signal.aborted) return;
    const { clock } = this.options;
    this.show('resting', { until, why });
    // Where the wall clock is set back meanwhile, a round finds out what is to wait for by now: it would be an hour more for one hour.
    const longest = until === undefined ? undefined : clock.monotonic() + until - clock.now();
    while (!this.wanted && !signal.aborted) {
      if (until === undefined || longest === undefined) {
        await this.nap(undefined);
        continue;
      }
      const leftMs = Math.min(until - clock.now(), longest - clock.monotonic());
      if (leftMs <= 0) return;
      await this.nap(Math.min(leftMs, LONGEST_NAP_MS));
    }
  }

  private nap(napMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const cancel =
        napMs === undefined ? () => undefined : this.options.clock.after(napMs, () => this.endNap());
      this.endNap = () => {
        cancel();
        this.endNap = () => undefined;
        resolve();
      };
    });
  }

  private applied(events: readonly RecordedEvent[]): void {
    if (!this.following) return;
    const { loop, logger } = this.options;
    try {
      if (loop.applied?.(events) === false) return;
    } catch (error) {
      logger.error(
        { err: error, loop: this.name },
        'a loop could not follow what was applied; it begins anew',
      );
      this.beginAnew();
    }
    this.wanted = true;
    this.endNap();
  }

  private beginAnew(): void {
    this.options.lease.doubt();
    this.endTerm(
      this.term,
      new OwlError('unavailable', `the read models of the loop ${this.name} are made anew`),
    );
  }

  private endTerm(ended: AbortController, reason: Error): void {
    ended.abort(reason);
    if (ended === this.stopping) this.term.abort(reason);
    this.endNap();
  }

  private show(state: LoopStatus['state'], more: Partial<Pick<LoopStatus, 'until' | 'why'>> = {}): void {
    if (state === this.shown.state && state !== 'failing') return;
    const { until, why } = more;
    this.shown = { state, since: this.options.clock.now(), until, why };
    const { lifeCycle } = this.options;
    if (state !== 'running' && lifeCycle.wants('loop waits'))
      lifeCycle.tell({ type: 'loop waits', loop: this.name, state, why });
  }

  /** False when that takes too long. */
  private async ends(): Promise<boolean> {
    const { clock, endsWithinMs = ENDS_WITHIN_MS } = this.options;
    const patience = new AbortController();
    const cancel = clock.after(endsWithinMs, () => patience.abort());
    try {
      await orAborted(this.running ?? Promise.resolve(), patience.signal);
      return true;
    } catch {
      return false;
    } finally {
      cancel();
    }
  }
}
