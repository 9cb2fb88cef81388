/**
 * Runs one `Reactor`.
 *
 * Guarantees, beside those of the reactor: a command that was refused counts as handled, for the world has moved on; what is slow,
 * fails or is parked delays its own stream alone (lanes.ts), and so do the other commands of an event of which one fails go
 * out (command-sending.ts). The reader takes further events on meanwhile: it holds as many as its window has room for, and of a stream
 * with more it reads them again when it is their turn (lane.ts). The checkpoint is the low-water mark, below which all was reacted to or
 * is parked; what was done beyond it is not done again in this process, unless the store turns out to be another: then what is under
 * way is given up and the reactor begins again. After a crash it is done again, with the same command ids. How far it is it tells other nodes (shared-mark.ts).
 */

import {
  type EventPlace,
  ORDER_ACCEPTED,
  type Position,
  type RecordedEvent,
  START,
  type StreamName,
  type SubscriptionBatch,
} from '../event-store/event-store.js';
import { Checkpoints } from '../readers/checkpoints.js';
import { Cursor } from '../readers/cursor.js';
import { Follower } from '../readers/follower.js';
import { KnownHistory } from '../readers/known-history.js';
import { type ParkedEvent, ParkedEvents } from '../readers/parked-events.js';
import { Parking } from '../readers/parking.js';
import { type RedriveResult, redriveParked } from '../readers/redrive.js';
import { Expansions } from './expansions.js';
import type { MarkValue } from './mark-value.js';
import { react } from './reaction.js';
import { categoriesOf, decideBeginning, REACTOR_VERSION } from './reactor-beginning.js';
import { SpareCommands } from './reactor-limits.js';
import type { ReactorRunnerOptions } from './reactor-options.js';
import { type ReactorStatus, sentenceOf } from './reactor-status.js';
import { SharedMark } from './shared-mark.js';
import { UnderWay } from './under-way.js';

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
  private readonly underWay: UnderWay;
  private readonly expansions: Expansions;
  private readonly sharedMark: SharedMark;
  private readonly spare: SpareCommands;
  private readonly begun: Promise<void>;
  private begin: () => void = () => undefined;
  private keeping = false;
  private keptLast: EventPlace | undefined;
  private ignoreLosses: () => void = () => undefined;
  private redriving: Promise<unknown> = Promise.resolve();

  constructor(options: ReactorRunnerOptions) {
    const { store, db, reactor, clock, logger, restMs, batchSize, backoff, problemOf } = options;
    this.options = options;
    this.spare = options.spare ?? new SpareCommands(1024);
    this.reader = `reactor:${reactor.name}`;
    this.checkpoints = new Checkpoints(db);
    this.parkedEvents = new ParkedEvents(db);
    this.parking = new Parking({
      events: this.parkedEvents,
      reader: this.reader,
      named: { reactor: reactor.name },
      ...{ clock, logger, problemOf },
      lifeCycle: options.lifeCycle,
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
      doneUpTo: () => this.underWay.doneUpTo,
    });
    this.expansions = new Expansions({
      db,
      reader: this.reader,
      logger,
      every: options.progressEvery ?? 1000,
    });
    this.sharedMark = new SharedMark({
      ...{ store, name: this.reader, clock, logger },
      categories: categoriesOf(reactor),
      began: () => this.checkpoints.read(this.reader)?.began ?? this.cursor.position,
      done: () => this.underWay.low?.last,
      newest: () => this.checkpoints.newest()?.last,
      parked: (limit) => this.parking.list(limit),
    });
    this.underWay = new UnderWay({
      ...{ name: reactor.name, store, clock, logger, backoff, parking: this.parking },
      stopping: this.follower.signal,
      streams: options.streams ?? 256,
      window: options.window ?? 4096,
      windowSize: options.windowSize ?? 32 * 1024 * 1024,
      attempts: options.attempts ?? 3,
      react: (event, signal) => this.reactTo(event, signal),
      done: (event) => {
        // What is parked is not gone on with.
        this.expansions.leave(event);
        this.sharedMark.moved(1);
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

  /**
   * Resolves once it is decided and stored where the reactor begins, or when it is stopped before. While the store is away only
   * one waits that is to begin at `now`.
   */
  async start(): Promise<void> {
    const saved = this.checkpoints.read(this.reader);
    if (saved?.version === REACTOR_VERSION) this.cursor.load();
    if (saved !== undefined) this.begin();
    this.ignoreLosses = this.history.onLoss(() => this.underWay.abort());
    this.follower.start();
    await this.begun;
  }

  /** Waits for commands under way, sends no more, and writes the checkpoint. */
  async stop(): Promise<void> {
    this.begin();
    this.ignoreLosses();
    await this.follower.stop();
    await this.underWay.idle();
    await this.redriving;
    try {
      this.expansions.leaveAll();
      const { low } = this.underWay;
      if (low !== undefined) this.cursor.settle(low.position, low.last);
    } catch (error) {
      this.options.logger.warn(
        { err: error, reactor: this.name },
        'last checkpoint not written; some events come again',
      );
    }
    await this.sharedMark.close();
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
      try {
        await this.reactTo(event, this.underWay.signal);
        this.parking.remove(event);
        this.expansions.passed(this.cursor.position);
      } finally {
        this.expansions.leave(event);
      }
    };
    const result = this.redriving.then(() => redriveParked({ parked, reader, store, stream, take }));
    this.redriving = result.catch(() => undefined);
    return result;
  }

  status(): ReactorStatus {
    const status = this.follower.status();
    const waiting = this.underWay.waiting(WAITING_SHOWN);
    return {
      name: this.name,
      ...status,
      // Known also while the store is away.
      checkpoint: status.checkpoint === START ? this.cursor.position : status.checkpoint,
      lastError: status.lastError ?? (waiting[0] && sentenceOf(waiting[0])),
      parked: this.parking.count(),
      retrying: this.underWay.retrying,
      waiting,
    };
  }

  private async open(): Promise<Position> {
    const { reader, checkpoints, parkedEvents: parked, expansions } = this;
    if (checkpoints.read(reader)?.version !== REACTOR_VERSION) await this.underWay.giveUp();
    const mark = await this.markOfOthers();
    await decideBeginning({ ...this.options, reader, checkpoints, parked, expansions, mark });
    this.cursor.load();
    this.parking.load();
    expansions.begin(this.cursor.position);
    if (await this.underWay.open(this.cursor.position)) this.keptLast = undefined;
    this.begin();
    return this.cursor.position;
  }

  private async markOfOthers(): Promise<MarkValue | undefined> {
    // Who is under way goes on by itself.
    if (this.underWay.low !== undefined) return undefined;
    try {
      return await this.sharedMark.read();
    } catch (error) {
      if (this.options.reactor.startFrom !== 'now') this.begin();
      throw error;
    }
  }

  private async handle(batch: SubscriptionBatch): Promise<void> {
    await this.underWay.take(batch, this.follower.followSignal);
    this.keep();
  }

  /** Once for all that is done in one turn. */
  private keepSoon(): void {
    if (this.keeping) return;
    this.keeping = true;
    setImmediate(() => {
      this.keeping = false;
      if (this.underWay.signal.aborted) return;
      try {
        this.keep();
        this.follower.progressed();
      } catch (error) {
        this.follower.interrupt(error);
      }
    });
  }

  /** Writes the low-water mark: at once where events were done, now and then where only what is of no interest was passed. */
  private keep(): void {
    const { low } = this.underWay;
    if (low === undefined) return;
    const { position, last } = low;
    if (last === this.keptLast) {
      this.cursor.rest(position);
      return;
    }
    this.cursor.settle(position, last);
    this.expansions.passed(this.cursor.position);
    // Otherwise another reader of this database is elsewhere.
    if (this.cursor.position === position) this.keptLast = last;
  }

  private async reactTo(event: RecordedEvent, signal: AbortSignal): Promise<void> {
    // Nothing has happened.
    if (event.type === ORDER_ACCEPTED) return;
    const { expansions: progress } = this;
    const { spare } = this;
    const { reactor, executor, clock, logger, parallel = 64 } = this.options;
    await react(event, { reactor, executor, clock, logger, parallel, spare, progress, signal });
    progress.done(event);
  }
}
