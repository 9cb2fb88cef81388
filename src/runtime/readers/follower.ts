/**
 * Follows the event store from a durable checkpoint on: what projector and reactor have in common.
 *
 * Guarantees: batches are handled one after another and in order, and a reader that only takes their events on counts as being
 * where all is done; a batch that fails is given again, after a growing
 * delay, until it succeeds or the follower is stopped, and the failure is visible meanwhile; `stop` lets the batch under
 * way come to its end; before the first batch, and before the first after an interruption, it is made sure that the store still
 * holds what was handled, and if it does not, following begins anew; catching up on a long history lets everything else in the process have its turn, and how far it is
 * can be told at any moment, also while the store is away.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from 'pino';
import { Backoff, type BackoffOptions, wait } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { messageOf, OwlError } from '../../base/errors.js';
import { type EventStore, type Position, START, type SubscriptionBatch } from '../event-store/event-store.js';
import { CatchUpLog } from './catch-up-log.js';
import { LostHistoryError } from './checkpoints.js';
import type { KnownHistory } from './known-history.js';
import { PositionWaiters } from './position-waiters.js';

export interface FollowSettings {
  /** Upper bound for the events of one batch. Default: the store's. */
  readonly batchSize?: number | undefined;
  /** Delays between attempts while store or database fail. */
  readonly backoff?: BackoffOptions | undefined;
}

export interface FollowerOptions extends FollowSettings {
  /** Of its checkpoint; for logs and errors as well. */
  readonly name: string;
  readonly store: EventStore;
  readonly history: KnownHistory;
  readonly categories: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * Says after which position following begins, from the durable checkpoint, which is `LOST` when the store no longer holds
   * what was handled.
   * @param before where it stood when it failed, as far as the store is known to be the same; undefined the first time, and
   *   when what was handled is lost
   */
  open(before: Position | undefined): Position | Promise<Position>;
  handle(batch: SubscriptionBatch): void | Promise<void>;
  /**
   * Of a reader whose `handle` only takes events on: up to where all is done, as long as not all is that was taken on. Asked after
   * each batch and with each `progressed`.
   */
  doneUpTo?(): Position | undefined;
}

export interface FollowerStatus {
  /** Everything up to here was handled. */
  readonly checkpoint: Position;
  /** The newest position of the store this follower has heard of. */
  readonly head: Position;
  /**
   * How much of what is stored was handled, 0 to 1, as the store measures positions; 1 while it is caught up. It falls when
   * more is stored in the meantime than handled. Undefined as long as the store has not told where it ends.
   */
  readonly share: number | undefined;
  /** The end of the store was reached, nothing has failed since, and no batch is under way. */
  readonly caughtUp: boolean;
  /** Milliseconds since it was last caught up (or began); 0 while it is. */
  readonly behindMs: number;
  /** Why it does not get on at the moment. */
  readonly lastError: string | undefined;
}

/** While a reader is behind, the store is asked so often where it ends. */
const HEAD_AGE_MS = 1_000;

export class Follower {
  private readonly options: FollowerOptions;
  private readonly waiters = new PositionWaiters();
  private readonly backoff: Backoff;
  private readonly catchUpLog: CatchUpLog;
  private readonly stopping = new AbortController();
  private following = new AbortController();
  private followEnd: AbortSignal = this.stopping.signal;
  private ignoreLosses: () => void = () => undefined;
  private running: Promise<void> | undefined;
  private reached: Position | undefined;
  /** Up to here batches were handled; beyond `reached` only by a reader that takes events on. */
  private taken: Position = START;
  private tookAll = false;
  private interruption: { readonly error: unknown } | undefined;
  private head: Position = START;
  private headAskedAt = 0;
  private caughtUp = false;
  private behindSince: number;
  /** While a batch takes more than a moment. */
  private handlingSince: number | undefined;
  private lastError: string | undefined;

  constructor(options: FollowerOptions) {
    this.options = options;
    this.backoff = new Backoff(options.backoff);
    const { name, clock, logger } = options;
    this.catchUpLog = new CatchUpLog({ reader: name, clock, logger, share: () => this.status().share });
    this.behindSince = options.clock.monotonic();
  }

  /** Everything up to here was handled. */
  get position(): Position {
    return this.reached ?? START;
  }

  /** Aborts when the follower is to stop. */
  get signal(): AbortSignal {
    return this.stopping.signal;
  }

  /** Aborts when the batch under way is not worth finishing: the follower is to stop, or what it handles is lost. */
  get followSignal(): AbortSignal {
    return this.followEnd;
  }

  start(): void {
    if (this.running !== undefined) return;
    this.ignoreLosses = this.options.history.onLoss(() => this.beginAnew());
    this.catchUpLog.begin();
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.ignoreLosses();
    this.catchUpLog.stop();
    this.waiters.rejectAll(this.stoppedError());
    await this.running;
  }

  /** More of what was taken on is done. */
  progressed(): void {
    if (this.reached !== undefined && !this.following.signal.aborted) this.advance();
  }

  /** Ends the subscription because of a failure behind `handle`, as one of `handle` would; following goes on after a delay. */
  interrupt(error: unknown): void {
    this.interruption = { error };
    this.following.abort();
  }

  /**
   * Resolves once everything up to `position` was handled.
   * @throws OwlError kind `unavailable` when the follower is stopped; the signal's reason when that aborts
   */
  caughtUpTo(position: Position, signal?: AbortSignal): Promise<void> {
    if (this.signal.aborted) return Promise.reject(this.stoppedError());
    // Before it has begun nothing is sure, not even that what was handled is still there.
    if (this.reached !== undefined && position <= this.reached) return Promise.resolve();
    this.noteHead(position);
    return this.waiters.add(position, signal);
  }

  status(): FollowerStatus {
    const { position: checkpoint, head, handlingSince, lastError } = this;
    const caughtUp = this.caughtUp && handlingSince === undefined;
    const since = this.caughtUp ? handlingSince : this.behindSince;
    const behindMs = since === undefined ? 0 : Math.max(this.options.clock.monotonic() - since, 0);
    const share = caughtUp ? 1 : this.share();
    return { checkpoint, head, share, caughtUp, behindMs, lastError };
  }

  private share(): number | undefined {
    return this.head === START ? undefined : this.options.store.shareOf(this.position, this.head);
  }

  private async run(): Promise<void> {
    const { clock } = this.options;
    while (!this.signal.aborted) {
      this.following = new AbortController();
      this.followEnd = AbortSignal.any([this.signal, this.following.signal]);
      try {
        await this.follow(this.followEnd);
        if (!this.followEnd.aborted) this.fail('the event store ended the subscription');
      } catch (error) {
        if (this.signal.aborted) return;
        if (!this.followEnd.aborted) this.fail(messageOf(error), error);
      }
      const { interruption } = this;
      this.interruption = undefined;
      if (interruption !== undefined) this.fail(messageOf(interruption.error), interruption.error);
      if (this.following.signal.aborted && interruption === undefined) this.fallBehind();
      else await wait(clock, this.backoff.next(), this.signal);
    }
  }

  private async follow(signal: AbortSignal): Promise<void> {
    const { store, history, name, categories, batchSize } = this.options;
    const known = await history.check(name, signal);
    const before = this.reached !== undefined && this.reached > known ? known : this.reached;
    const after = await this.options.open(before);
    const head = await store.head();
    if (signal.aborted) return;
    this.reached = after;
    this.taken = after;
    this.tookAll = false;
    this.head = after > head ? after : head;
    this.headAskedAt = this.options.clock.monotonic();
    this.waiters.reach(after);
    const subscription = store.subscribe({
      after,
      categories,
      signal,
      ...(batchSize === undefined ? {} : { batchSize }),
    });
    for await (const given of subscription) {
      // Behind an interruption it may be another store.
      if (given.resumed) this.following.abort();
      if (signal.aborted) return;
      // What reached the end of the store has also passed the events up to `head` that did not match.
      const batch = given.caughtUp && given.checkpoint < head ? { ...given, checkpoint: head } : given;
      this.noteHead(batch.checkpoint);
      const handling = this.options.handle(batch);
      if (handling !== undefined) await this.finish(handling);
      if (signal.aborted && !this.signal.aborted) return;
      this.succeed(batch);
      if (batch.caughtUp) continue;
      this.askForHead();
      await nextTurn();
    }
  }

  private async finish(handling: Promise<void>): Promise<void> {
    this.handlingSince = this.options.clock.monotonic();
    try {
      await handling;
    } finally {
      this.handlingSince = undefined;
    }
  }

  private succeed(batch: SubscriptionBatch): void {
    this.taken = batch.checkpoint;
    this.tookAll = batch.caughtUp;
    this.lastError = undefined;
    this.backoff.reset();
    this.advance();
  }

  private advance(): void {
    const behind = this.options.doneUpTo?.();
    const reached = behind === undefined || behind > this.taken ? this.taken : behind;
    const caughtUp = this.tookAll && behind === undefined;
    this.reached = reached;
    if (caughtUp) this.catchUpLog.done();
    if (caughtUp !== this.caughtUp) {
      this.caughtUp = caughtUp;
      this.behindSince = this.options.clock.monotonic();
    }
    this.waiters.reach(reached);
  }

  /** What was handled is lost, and with it the positions that are waited for. */
  private beginAnew(): void {
    this.following.abort();
    this.reached = undefined;
    this.head = START;
    this.waiters.rejectAll(new LostHistoryError(this.options.name));
    this.fallBehind();
  }

  private fail(message: string, error?: unknown): void {
    this.lastError = message;
    this.fallBehind();
    if (error === undefined) return;
    const { logger, name } = this.options;
    logger.warn(
      { err: error, reader: name, checkpoint: this.position },
      'following the event store failed; trying again',
    );
  }

  private fallBehind(): void {
    if (this.caughtUp) this.behindSince = this.options.clock.monotonic();
    this.caughtUp = false;
  }

  /** Not waited for: what only says how far it is must not slow it down, and may fail. */
  private askForHead(): void {
    const { store, clock } = this.options;
    if (clock.monotonic() - this.headAskedAt < HEAD_AGE_MS) return;
    this.headAskedAt = clock.monotonic();
    store.head().then(
      (head) => this.noteHead(head),
      () => undefined,
    );
  }

  private noteHead(position: Position): void {
    if (position > this.head) this.head = position;
  }

  private stoppedError(): OwlError {
    return new OwlError('unavailable', `${this.options.name} is stopped; ask again once it is started`);
  }
}
