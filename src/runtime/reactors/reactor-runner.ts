/**
 * Runs one `Reactor`.
 *
 * Guarantees, beside those of the reactor: a command that was refused counts as handled, for the world has moved on; one
 * that could not be carried out now is sent again, with growing delays and without end, and shows in `status`; an event
 * the reactor throws at is parked after a few attempts, and so is what follows it in its stream, while other streams go on, and
 * so do the other commands of an event of which one fails (reaction.ts). A batch is done when all its events are: one that waits for an outage holds up the next batch. When the store no longer
 * holds what was reacted to, what is left of the batch is given up and the reactor begins again.
 */

import type { Logger } from 'pino';
import { Backoff, wait } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { messageOf } from '../../base/errors.js';
import { isTransient } from '../../base/failure-kinds.js';
import { limitConcurrency } from '../../base/limit-concurrency.js';
import type { Database } from '../../base/sql.js';
import {
  type EventStore,
  ORDER_ACCEPTED,
  type Position,
  type RecordedEvent,
  START,
  type StreamName,
  type SubscriptionBatch,
} from '../event-store/event-store.js';
import { CheckpointMovedError, Checkpoints, lastOf } from '../readers/checkpoints.js';
import { Cursor } from '../readers/cursor.js';
import { Follower, type FollowerStatus, type FollowSettings } from '../readers/follower.js';
import { KnownHistory } from '../readers/known-history.js';
import { type ParkedEvent, ParkedEvents } from '../readers/parked-events.js';
import { Parking } from '../readers/parking.js';
import { type RedriveResult, redriveParked } from '../readers/redrive.js';
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
  /** Streams whose events are reacted to at the same time. Default 16. */
  readonly streams?: number;
  /** Commands of one event under way at the same time. Default 64. */
  readonly parallel?: number;
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
  /** Events whose commands wait to be sent again. */
  readonly retrying: number;
}

export class ReactorRunner {
  private readonly options: ReactorRunnerOptions;
  /** Of checkpoint and parked events. Projections have no colon in their names. */
  private readonly reader: string;
  private readonly checkpoints: Checkpoints;
  private readonly parkedEvents: ParkedEvents;
  private readonly parking: Parking;
  private readonly cursor: Cursor;
  private readonly follower: Follower;
  private readonly limited: ReturnType<typeof limitConcurrency>;
  private readonly begun: Promise<void>;
  private begin: () => void = () => undefined;
  private readonly retries = new Map<Position, string>();
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
    this.follower = new Follower({
      name: this.reader,
      store,
      history: options.history ?? new KnownHistory({ store, db, clock, logger }),
      categories: reactor.categories,
      clock,
      logger,
      batchSize,
      backoff,
      open: () => this.open(),
      handle: (batch) => this.handle(batch),
    });
    this.limited = limitConcurrency(options.streams ?? 16);
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
    this.follower.start();
    await this.begun;
  }

  /** Waits for commands under way, sends no more, and writes the checkpoint. */
  async stop(): Promise<void> {
    this.begin();
    await this.follower.stop();
    await this.redriving;
    try {
      this.cursor.settle(this.follower.position);
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
      await this.reactTo(event);
      this.parking.remove(event);
    };
    const result = this.redriving.then(() => redriveParked({ parked, reader, store, stream, take }));
    this.redriving = result.catch(() => undefined);
    return result;
  }

  status(): ReactorStatus {
    const status = this.follower.status();
    const [waitingFor] = this.retries.values();
    return {
      name: this.name,
      ...status,
      // Known also while the store is away.
      checkpoint: status.checkpoint === START ? this.cursor.position : status.checkpoint,
      lastError: status.lastError ?? waitingFor,
      parked: this.parking.count(),
      retrying: this.retries.size,
    };
  }

  private async open(): Promise<Position> {
    const { reader, checkpoints, parkedEvents: parked } = this;
    await decideBeginning({ ...this.options, reader, checkpoints, parked });
    this.cursor.load();
    this.parking.load();
    this.begin();
    return this.cursor.position;
  }

  private async handle(batch: SubscriptionBatch): Promise<void> {
    if (batch.events.length === 0) {
      this.cursor.rest(batch.checkpoint);
      return;
    }
    const handled = await Promise.allSettled(
      eventsByStream(batch.events).map((events) => this.limited(() => this.handleInOrder(events))),
    );
    for (const outcome of handled) if (outcome.status === 'rejected') throw outcome.reason;
    try {
      this.cursor.move(batch.checkpoint, lastOf(batch.events));
      this.cursor.confirm(batch.checkpoint);
    } catch (error) {
      if (!(error instanceof CheckpointMovedError)) throw error;
      this.cursor.load();
    }
  }

  private async handleInOrder(events: readonly RecordedEvent[]): Promise<void> {
    for (const event of events) {
      this.follower.followSignal.throwIfAborted();
      if (!this.parking.parkUntried(event)) await this.reactWithRetries(event);
    }
  }

  /** What was sent for the event before a failure is sent again with it, under the same ids. */
  private async reactWithRetries(event: RecordedEvent): Promise<void> {
    const { clock, logger, attempts = 3 } = this.options;
    const { followSignal: signal } = this.follower;
    const backoff = new Backoff(this.options.backoff);
    let thrown = 0;
    try {
      for (;;) {
        const error = await this.reactTo(event).catch(toError);
        if (error === undefined) return;
        if (signal.aborted) throw error;
        if (!isTransient(error)) thrown += 1;
        if (thrown >= attempts) {
          this.parking.park(event, error.message, thrown);
          return;
        }
        this.retries.set(event.position, error.message);
        logger.warn({ err: error, reactor: this.name, event: event.id }, 'reacting failed; trying again');
        await wait(clock, backoff.next(), signal);
      }
    } finally {
      this.retries.delete(event.position);
    }
  }

  private async reactTo(event: RecordedEvent): Promise<void> {
    // Nothing has happened.
    if (event.type === ORDER_ACCEPTED) return;
    const { reactor, executor, clock, logger, parallel = 64 } = this.options;
    const progress = { of: () => new Progress(), moved: () => undefined };
    const { signal } = this.follower;
    await react(event, { reactor, executor, clock, logger, parallel, progress, signal });
  }
}

function eventsByStream(events: readonly RecordedEvent[]): RecordedEvent[][] {
  const streams = new Map<StreamName, RecordedEvent[]>();
  for (const event of events) {
    const known = streams.get(event.stream);
    if (known === undefined) streams.set(event.stream, [event]);
    else known.push(event);
  }
  return [...streams.values()];
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error));
}
