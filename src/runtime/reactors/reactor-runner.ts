/**
 * Runs one `Reactor`.
 *
 * Guarantees, beside those of the reactor: a command that was refused counts as handled, for the world has moved on; what is slow,
 * fails or is parked delays its own stream alone (lanes.ts), and so do the other commands of an event of which one fails go
 * out (command-sending.ts). The reader takes further events on meanwhile, as many as its window holds, and then leaves the rest to
 * the store. The checkpoint is the low-water mark, below which all was reacted to or is parked; what was done beyond it
 * is not done again in this process, unless the store turns out to be another: then what is under way is given up and the reactor
 * begins again. After a crash it is done again, with the same command ids.
 */

import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import type { Database } from '../../base/sql.js';
import {
  type EventPlace,
  type EventStore,
  ORDER_ACCEPTED,
  type Position,
  type RecordedEvent,
  START,
  type StreamName,
  type SubscriptionBatch,
} from '../event-store/event-store.js';
import { Checkpoints } from '../readers/checkpoints.js';
import { Cursor } from '../readers/cursor.js';
import { Follower, type FollowerStatus, type FollowSettings } from '../readers/follower.js';
import { KnownHistory } from '../readers/known-history.js';
import { type ParkedEvent, ParkedEvents } from '../readers/parked-events.js';
import { Parking } from '../readers/parking.js';
import { type RedriveResult, redriveParked } from '../readers/redrive.js';
import { Window } from '../readers/window.js';
import { Lanes, type WaitingStream } from './lanes.js';
import { Progress } from './progress.js';
import { react } from './reaction.js';
import type { CommandExecutor, Reactor } from './reactor.js';
import { decideBeginning, REACTOR_VERSION } from './reactor-beginning.js';

export interface ReactorRunnerOptions extends FollowSettings {
  readonly store: EventStore;
  /** Holds the checkpoint and the parked events. */
  readonly db: Database;
  /** Shared by the readers of one database. */
  readonly history?: KnownHistory | undefined;
  readonly reactor: Reactor;
  readonly executor: CommandExecutor;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Streams whose events are reacted to at the same time. Default 256. */
  readonly streams?: number;
  /** Commands of one event under way at the same time. Default 64. */
  readonly parallel?: number;
  /** Events that are taken on and not yet done. Default 4096. */
  readonly window?: number;
  /** How often `react` is tried before the event is parked. Default 3. */
  readonly attempts?: number;
  /** Why this event can't be read, if so: it is parked without being tried. */
  readonly problemOf?: (event: RecordedEvent) => string | undefined;
  /** A checkpoint that moves over nothing of interest is written at most this often. Milliseconds, default 5000. */
  readonly restMs?: number;
}

export interface ReactorStatus extends FollowerStatus {
  readonly name: string;
  readonly parked: number;
  /** Events whose commands wait to be sent again: one of a stream at the most. */
  readonly retrying: number;
  /** Their streams, and why; the first ones. */
  readonly waiting: readonly WaitingStream[];
}

const WAITING_SHOWN = 10;

export class ReactorRunner {
  private readonly options: ReactorRunnerOptions;
  /** Of checkpoint and parked events. Projections have no colon in their names. */
  private readonly reader: string;
  private readonly checkpoints: Checkpoints;
  private readonly parkedEvents: ParkedEvents;
  private readonly parking: Parking;
  private readonly cursor: Cursor;
  private readonly follower: Follower;
  private readonly history: KnownHistory;
  private readonly lanes: Lanes;
  private readonly begun: Promise<void>;
  private begin: () => void = () => undefined;
  /** Undefined until the reactor has begun. */
  private window: Window | undefined;
  /** Gives up what is under way. */
  private work = new AbortController();
  private workEnd: AbortSignal;
  private keeping = false;
  private keptLast: EventPlace | undefined;
  private ignoreLosses: () => void = () => undefined;
  private redriving: Promise<unknown> = Promise.resolve();

  constructor(options: ReactorRunnerOptions) {
    const { store, db, reactor, clock, logger, restMs, batchSize, backoff, problemOf } = options;
    this.options = options;
    this.reader = `reactor:${reactor.name}`;
    this.checkpoints = new Checkpoints(db);
    this.parkedEvents = new ParkedEvents(db);
    this.parking = new Parking({
      events: this.parkedEvents,
      reader: this.reader,
      named: { reactor: reactor.name },
      ...{ clock, logger, problemOf },
    });
    this.cursor = new Cursor({
      checkpoints: this.checkpoints,
      reader: this.reader,
      version: REACTOR_VERSION,
      clock,
      restMs,
    });
    this.history = options.history ?? new KnownHistory({ store, db, clock, logger });
    this.follower = new Follower({
      name: this.reader,
      store,
      history: this.history,
      categories: reactor.categories,
      clock,
      logger,
      batchSize,
      backoff,
      open: () => this.open(),
      handle: (batch) => this.handle(batch),
      doneUpTo: () => (this.window?.isEmpty === false ? this.window.low.position : undefined),
    });
    this.workEnd = this.follower.signal;
    this.lanes = new Lanes({
      ...{ name: reactor.name, clock, logger, backoff, parking: this.parking },
      streams: options.streams ?? 256,
      attempts: options.attempts ?? 3,
      react: (event, signal) => this.reactTo(event, signal),
      done: (event) => {
        this.window?.done(event);
        this.keepSoon();
      },
    });
    this.begun = new Promise((resolve) => {
      this.begin = resolve;
    });
  }

  get name(): string {
    return this.options.reactor.name;
  }

  /** Resolves once it is decided and stored where the reactor begins, or when it is stopped before. */
  async start(): Promise<void> {
    const saved = this.checkpoints.read(this.reader);
    if (saved?.version === REACTOR_VERSION) this.cursor.load();
    if (saved !== undefined) this.begin();
    this.ignoreLosses = this.history.onLoss(() => this.work.abort());
    this.follower.start();
    await this.begun;
  }

  /** Waits for commands under way, sends no more, and writes the checkpoint. */
  async stop(): Promise<void> {
    this.begin();
    this.ignoreLosses();
    await this.follower.stop();
    await this.lanes.idle();
    await this.redriving;
    try {
      if (this.window !== undefined) this.cursor.settle(this.window.low.position, this.window.low.last);
    } catch (error) {
      this.options.logger.warn(
        { err: error, reactor: this.name },
        'last checkpoint not written; some events come again',
      );
    }
  }

  /**
   * Resolves once everything up to `position` was reacted to and acknowledged, or parked.
   * @throws OwlError kind `unavailable` when the reactor is stopped; the signal's reason when that aborts
   */
  caughtUpTo(position: Position, signal?: AbortSignal): Promise<void> {
    return this.follower.caughtUpTo(position, signal);
  }

  /** The first parked events, in order of position. */
  parked(limit = 1000): readonly ParkedEvent[] {
    return this.parking.list(limit);
  }

  /**
   * Reacts to parked events again, in order. Of each stream it ends at the first that fails again.
   * @throws OwlError when store, database or a command's target fail for now, or the reactor is stopped
   */
  redrive(stream?: StreamName): Promise<RedriveResult> {
    const { reader, parkedEvents: parked } = this;
    const { store } = this.options;
    const take = async (event: RecordedEvent) => {
      await this.reactTo(event, this.workEnd);
      this.parking.remove(event);
    };
    const result = this.redriving.then(() => redriveParked({ parked, reader, store, stream, take }));
    this.redriving = result.catch(() => undefined);
    return result;
  }

  status(): ReactorStatus {
    const status = this.follower.status();
    const waiting = this.lanes.waiting(WAITING_SHOWN);
    return {
      name: this.name,
      ...status,
      // Known also while the store is away.
      checkpoint: status.checkpoint === START ? this.cursor.position : status.checkpoint,
      lastError: status.lastError ?? waiting[0]?.reason,
      parked: this.parking.count(),
      retrying: this.lanes.retrying,
      waiting,
    };
  }

  private async open(): Promise<Position> {
    const { reader, checkpoints, parkedEvents: parked } = this;
    if (checkpoints.read(reader)?.version !== REACTOR_VERSION) await this.giveUp();
    await decideBeginning({ ...this.options, reader, checkpoints, parked });
    this.cursor.load();
    this.parking.load();
    await this.openWindow();
    this.begin();
    return this.cursor.position;
  }

  /** Goes on with what is under way if the store holds the newest of it: then it holds what was before that, too. */
  private async openWindow(): Promise<void> {
    const { window, work } = this;
    const last = work.signal.aborted ? undefined : window?.taken.last;
    if (last !== undefined && (await this.options.store.holds(last))) {
      window?.forgetPassed();
      return;
    }
    await this.giveUp();
    this.work = new AbortController();
    this.workEnd = AbortSignal.any([this.follower.signal, this.work.signal]);
    // Each lane that waits listens to it.
    setMaxListeners(0, this.workEnd);
    this.window = new Window(this.cursor.position, this.options.window ?? 4096);
    this.keptLast = undefined;
  }

  private async giveUp(): Promise<void> {
    this.work.abort();
    await this.lanes.idle();
  }

  private async handle(batch: SubscriptionBatch): Promise<void> {
    const { window, lanes, workEnd } = this;
    const { followSignal } = this.follower;
    if (window === undefined) return;
    for (const event of batch.events) {
      if (window.isFull) await window.room(followSignal);
      if (followSignal.aborted) return;
      if (window.take(event)) lanes.put(event, workEnd);
    }
    window.pass(batch.checkpoint);
    this.keep(window);
  }

  /** Once for all that is done in one turn. */
  private keepSoon(): void {
    if (this.keeping) return;
    this.keeping = true;
    setImmediate(() => {
      this.keeping = false;
      const { window, follower, workEnd } = this;
      if (window === undefined || workEnd.aborted) return;
      try {
        this.keep(window);
        follower.progressed();
      } catch (error) {
        follower.interrupt(error);
      }
    });
  }

  /** Writes the low-water mark: at once where events were done, now and then where only what is of no interest was passed. */
  private keep({ low: { position, last } }: Window): void {
    if (last === this.keptLast) {
      this.cursor.rest(position);
      return;
    }
    this.cursor.settle(position, last);
    // Otherwise another reader of this database is elsewhere.
    if (this.cursor.position === position) this.keptLast = last;
  }

  private async reactTo(event: RecordedEvent, signal: AbortSignal): Promise<void> {
    // Nothing has happened.
    if (event.type === ORDER_ACCEPTED) return;
    const { reactor, executor, clock, logger, parallel = 64 } = this.options;
    const progress = { of: () => new Progress(), moved: () => undefined };
    await react(event, { reactor, executor, clock, logger, parallel, progress, signal });
  }
}
