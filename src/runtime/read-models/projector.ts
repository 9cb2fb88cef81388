/**
 * Keeps a read model up to date with the event store (rule 5 of the architecture).
 *
 * Guarantees:
 * - every event is applied exactly once: rows and checkpoint move in one transaction, guarded by the old checkpoint, so
 *   crashes, restarts and a second projector on the same database change nothing;
 * - an event that can't be applied is parked and visible, and so is what follows it in its stream; the rest goes on;
 * - a failing store or database is waited for and shows in `status`; nothing is skipped for it;
 * - a listener that throws misses the event it threw at, and nobody else misses anything;
 * - `caughtUpTo` makes queries read what this node has acknowledged;
 * - a read model of another version, or one built from events that the store no longer holds, and every `rebuild`, is filled
 *   beside the live tables and swapped in, all of them at once.
 */

import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import { OwlError } from '../../base/errors.js';
import type { Database } from '../../base/sql.js';
import {
  type EventStore,
  type Position,
  type RecordedEvent,
  START,
  type StreamName,
  type SubscriptionBatch,
} from '../event-store/event-store.js';
import type { LifeCycle } from '../life-cycle/life-cycle.js';
import { Checkpoints, LostHistoryError } from '../readers/checkpoints.js';
import { Follower, type FollowerStatus, type FollowSettings } from '../readers/follower.js';
import { KnownHistory } from '../readers/known-history.js';
import { type ParkedEvent, ParkedEvents } from '../readers/parked-events.js';
import { type RedriveResult, redriveParked } from '../readers/redrive.js';
import { type Projection, tablesOf } from './projection.js';
import { ReadModel, type ReadModelOptions } from './read-model.js';
import { hasShadow, isLost, openTable, type ReadModelDatabase } from './read-model-tables.js';
import { Rebuild, type RebuildOptions, type RebuildStatus } from './rebuild.js';

export interface ProjectorOptions extends FollowSettings {
  readonly store: EventStore;
  /** Holds the table, its checkpoint and its parked events. */
  readonly db: Database;
  /** Shared by the readers of one database. */
  readonly history?: KnownHistory | undefined;
  readonly projection: Projection;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lifeCycle?: LifeCycle | undefined;
  /** How often an event is tried before it is parked. Default 3. */
  readonly attempts?: number;
  /** Why this event can't be read, if so: it is parked without being tried. */
  readonly problemOf?: ((event: RecordedEvent) => string | undefined) | undefined;
  /** A checkpoint that moves over nothing of interest is written at most this often. Milliseconds, default 5000. */
  readonly restMs?: number;
}

export interface ProjectorStatus extends FollowerStatus {
  readonly name: string;
  readonly version: number;
  readonly parked: number;
  /**
   * How far a rebuild under way is. While the live table is of another version, it stands still until the swap, and the
   * rebuild's share is the projector's.
   */
  readonly rebuild: RebuildStatus | undefined;
}

/**
 * Called after the commit, with every event of the projection's categories in order. One that throws is called again with
 * each event of that batch by itself.
 */
export type AppliedListener = (events: readonly RecordedEvent[]) => void;

export class Projector {
  private readonly options: ProjectorOptions;
  private readonly at: ReadModelDatabase;
  /** What table and shadow follow, and how. */
  private readonly follow: RebuildOptions['follow'];
  private readonly follower: Follower;
  private readonly model: Omit<ReadModelOptions, 'reader' | 'tables'>;
  private readonly listeners = new Set<AppliedListener>();
  private readonly madeAnew = new Set<() => void>();
  private live: ReadModel | undefined;
  private rebuilding: Rebuild | undefined;
  private held: Promise<void> | undefined;
  private releaseHeld: () => void = () => undefined;

  constructor(options: ProjectorOptions) {
    const { store, db, projection, clock, logger, attempts, problemOf, restMs, batchSize, backoff } = options;
    const { lifeCycle } = options;
    this.options = options;
    this.at = { db, checkpoints: new Checkpoints(db), parked: new ParkedEvents(db) };
    this.model = {
      at: this.at,
      projection,
      clock,
      logger,
      lifeCycle,
      attempts: attempts ?? 3,
      problemOf,
      restMs,
    };
    const history = options.history ?? new KnownHistory({ store, db, clock, logger });
    const { categories } = projection;
    this.follow = { store, history, categories, clock, logger, batchSize, backoff };
    this.follower = new Follower({
      ...this.follow,
      name: projection.name,
      open: (before) => this.open(before),
      handle: (batch) => this.handle(batch),
    });
  }

  get name(): string {
    return this.options.projection.name;
  }

  get categories(): readonly string[] {
    return this.options.projection.categories;
  }

  /**
   * Creates the tables where there are none and begins to follow. When it resolves, the tables can be queried; they hold
   * what they held, `caughtUpTo` tells when it holds more.
   * @throws whatever the database throws
   */
  async start(): Promise<void> {
    const { projection } = this.options;
    if (openTable(this.at, projection) === 'ready') {
      this.live = this.openLive();
      this.follower.start();
      if (hasShadow(this.at, projection)) this.beginRebuild();
    } else {
      this.beginRebuild();
    }
  }

  /** Finishes the batch under way and writes the checkpoint. Those who wait for a position get an error. */
  async stop(): Promise<void> {
    this.release();
    // It may be waiting for the rebuild.
    const stopped = this.follower.stop();
    await this.rebuilding?.stop();
    await stopped;
    try {
      this.live?.settle(this.follower.position);
    } catch (error) {
      this.options.logger.warn(
        { err: error, projection: this.name },
        'last checkpoint not written; some events come again',
      );
    }
  }

  /**
   * Resolves once everything up to `position` is in the table, or parked.
   * @throws OwlError kind `unavailable` when the projector is stopped; the signal's reason when that aborts
   */
  caughtUpTo(position: Position, signal?: AbortSignal): Promise<void> {
    return this.follower.caughtUpTo(position, signal);
  }

  /** Fills the read model anew and swaps it in; resolves after the swap. A rebuild under way is joined. */
  rebuild(): Promise<void> {
    if (this.follower.signal.aborted) {
      return Promise.reject(
        new OwlError('unavailable', `${this.name} is stopped; start it before a rebuild`),
      );
    }
    return this.beginRebuild().done;
  }

  /** @returns takes the listener away again */
  onApplied(listener: AppliedListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Tells when the table was filled anew and swapped in: what was applied to it meanwhile is told to nobody. @returns as above */
  onMadeAnew(listener: () => void): () => void {
    this.madeAnew.add(listener);
    return () => this.madeAnew.delete(listener);
  }

  /** The first parked events, in order of position. */
  parked(limit = 1000): readonly ParkedEvent[] {
    return this.at.parked.list(this.name, limit);
  }

  /**
   * Applies parked events again, in order, each with its removal in one transaction. Of each stream it ends at the
   * first that fails again.
   * @throws OwlError when store or database fail, or the read model is being rebuilt
   */
  redrive(stream?: StreamName): Promise<RedriveResult> {
    const { store } = this.options;
    const { parked } = this.at;
    const rebuildable = this.live?.tellsCutOffs ?? false;
    const take = (event: RecordedEvent) => {
      if (this.live === undefined) {
        throw new OwlError('unavailable', `${this.name} is being rebuilt; redrive it once that is done`);
      }
      if (this.live.applyParked(event)) this.announce([event]);
    };
    return redriveParked({ parked, reader: this.name, store, stream, rebuildable, take });
  }

  /** The first event of a stream that is parked: what the table shows of the stream is what was before it. */
  firstParked(stream: StreamName): ParkedEvent | undefined {
    return this.live?.firstParked(stream);
  }

  status(): ProjectorStatus {
    const { version } = this.options.projection;
    const status = this.follower.status();
    const rebuild = this.rebuilding?.status();
    return {
      name: this.name,
      version,
      ...status,
      // Known also while the store is away.
      checkpoint: status.checkpoint === START ? (this.live?.position ?? START) : status.checkpoint,
      lastError:
        status.lastError ??
        (isLost(this.at, this.name) ? new LostHistoryError(this.name).message : undefined),
      share: this.live === undefined ? rebuild?.share : status.share,
      parked: this.at.parked.count(this.name),
      rebuild,
    };
  }

  private openLive(): ReadModel {
    const tables = tablesOf(this.options.projection).map(({ table }) => table);
    return new ReadModel({ ...this.model, reader: this.name, tables });
  }

  /** After a failure it goes on behind what was announced last: what others applied since is announced here as well. */
  private async open(before: Position | undefined): Promise<Position> {
    if (isLost(this.at, this.name)) {
      this.live = undefined;
      await this.beginRebuild().done;
      return this.liveModel().position;
    }
    const live = this.liveModel();
    live.load();
    return before ?? live.position;
  }

  private handle(batch: SubscriptionBatch): void | Promise<void> {
    if (this.held !== undefined) return this.handleLater(this.held, batch);
    this.liveModel().apply(batch);
    if (batch.events.length > 0) this.announce(batch.events);
  }

  private async handleLater(released: Promise<void>, batch: SubscriptionBatch): Promise<void> {
    await released;
    // What was held may have been given up meanwhile.
    this.follower.followSignal.throwIfAborted();
    await this.handle(batch);
  }

  private liveModel(): ReadModel {
    this.live ??= this.openLive();
    return this.live;
  }

  private announce(events: readonly RecordedEvent[]): void {
    const { lifeCycle } = this.options;
    if (lifeCycle?.wants('events applied'))
      lifeCycle.tell({ type: 'events applied', projection: this.name, events: events.length });
    for (const listener of this.listeners) this.tell(listener, events);
  }

  /** One event that a listener throws at keeps neither other listeners nor other events from being announced. */
  private tell(listener: AppliedListener, events: readonly RecordedEvent[]): void {
    try {
      listener(events);
    } catch (error) {
      if (events.length > 1) {
        for (const event of events) this.tell(listener, [event]);
        return;
      }
      const { stream, revision, type } = events[0] ?? {};
      this.options.logger.error(
        { err: error, projection: this.name, stream, revision, type },
        'a listener of applied events threw',
      );
    }
  }

  private beginRebuild(): Rebuild {
    if (this.rebuilding !== undefined) return this.rebuilding;
    const { projection, logger } = this.options;
    const rebuild = new Rebuild({
      follow: this.follow,
      model: this.model,
      hold: () => this.hold(),
      release: () => this.release(),
      swapped: () => this.takeSwapped(),
    });
    this.rebuilding = rebuild;
    logger.info({ projection: this.name, version: projection.version }, 'rebuild of the read model begins');
    rebuild.start();
    return rebuild;
  }

  private takeSwapped(): void {
    this.live = this.openLive();
    this.rebuilding = undefined;
    this.options.logger.info(
      { projection: this.name, checkpoint: this.live.position },
      'rebuilt read model swapped in',
    );
    this.follower.start();
    for (const listener of this.madeAnew) listener();
  }

  private hold(): void {
    this.held ??= new Promise((resolve) => {
      this.releaseHeld = resolve;
    });
  }

  private release(): void {
    this.held = undefined;
    this.releaseHeld();
  }
}
