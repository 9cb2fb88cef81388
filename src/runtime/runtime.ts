/**
 * The runtime, put together: what a system on it declares (actor types, projections, reactors, loops) comes to life here.
 *
 * Guarantees: nothing serves before what it rests on is there, and everything ends in the opposite order; queries that
 * await `readYourWrites` see all this node has acknowledged, and after a restart all that was stored before it, or are
 * refused in time; a query waits for the read models that it names, and for no other; a node starts while its store is away, and goes on by itself once that is back; when the store turns out to be
 * a restored or another one (known-history.ts), nothing that was known of the old one is relied on any more.
 *
 * A second system is another set of declarations. Nothing in this folder knows what the actors are about.
 */

import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { BackoffOptions } from '../base/backoff.js';
import type { Clock } from '../base/clock.js';
import { OwlError } from '../base/errors.js';
import { Releasers } from '../base/releasers.js';
import { every } from '../base/repeat.js';
import { openDatabase, type SqliteDatabase } from '../base/sqlite.js';
import { ActorSnapshots } from './actors/actor-snapshots.js';
import { ActorSystem, type ActorSystemLimits } from './actors/actor-system.js';
import type { ActorType } from './actors/actor-type.js';
import { type EventStore, type Position, type RecordedEvent, START } from './event-store/event-store.js';
import { SchemaRegistry, withSchemas } from './event-store/schema-checked-store.js';
import { LifeCycle } from './life-cycle/life-cycle.js';
import { LOOP_LEASES } from './loops/lease-records.js';
import type { Loop } from './loops/loop.js';
import type { LoopStatus } from './loops/loop-status.js';
import { Loops } from './loops/loops.js';
import type { Reactor } from './reactors/reactor.js';
import { reactorLimits } from './reactors/reactor-limits.js';
import { ReactorRunner } from './reactors/reactor-runner.js';
import type { ReactorStatus } from './reactors/reactor-status.js';
import { OwnWrites } from './read-models/own-writes.js';
import type { Projection } from './read-models/projection.js';
import { type AppliedListener, Projector, type ProjectorStatus } from './read-models/projector.js';
import { type Unreadable, UnreadableEvents } from './read-models/unreadable-events.js';
import { InheritedEnd } from './readers/inherited-end.js';
import { KnownHistory } from './readers/known-history.js';
import { type Reader, readerOf } from './readers/reader.js';
import { sharedReading } from './readers/shared-reading.js';
import { Timers } from './timers/timers.js';
import type { TimersStatus } from './timers/timers-status.js';

export interface RuntimeOptions {
  readonly store: EventStore;
  /** The SQLite file of read models, timers and snapshots; may be the embedded store's own. */
  readonly databasePath: string;
  readonly actorTypes: readonly ActorType[];
  readonly projections: readonly Projection[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Who listens to what happens. Default: one that only `lifeCycle` of the runtime gives. */
  readonly lifeCycle?: LifeCycle;
  readonly limits?: Partial<ActorSystemLimits>;
  /** Other nodes append to the same store. Default false. */
  readonly shared?: boolean;
  /** What other nodes call this one, where they share a store. Default: a random one. */
  readonly nodeId?: string;
  /** How long a query waits for the read models at the most. Milliseconds, default 30,000. */
  readonly queryWaitMs?: number;
}

export interface RuntimeStatus {
  readonly liveActors: number;
  readonly projections: readonly ProjectorStatus[];
  readonly reactors: readonly ReactorStatus[];
  readonly loops: readonly LoopStatus[];
  readonly timers: TimersStatus;
  /** Every read model holds all that is stored. */
  readonly caughtUp: boolean;
  /** The smallest share of a read model; undefined while that of one isn't known. See `FollowerStatus.share`. */
  readonly share: number | undefined;
}

/** What everything that follows the store is made of. */
interface Reading {
  readonly store: EventStore;
  readonly db: SqliteDatabase;
  readonly history: KnownHistory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lifeCycle: LifeCycle;
  readonly backoff: BackoffOptions;
  readonly problemOf: SchemaRegistry['problemOf'];
}

const QUERY_WAIT_MS = 30_000;
/** A store that was away is noticed within seconds of its return, however long that took. */
const LONGEST_PAUSE_MS = 2_000;

/** An actor without commands for so long is let go. */
const IDLE_MS = 10 * 60_000;

/** The runtime as declared, not started. @throws what the database throws; OwlError for declarations that clash */
export function openRuntime(options: RuntimeOptions): Runtime {
  const registry = new SchemaRegistry([...options.actorTypes, LOOP_LEASES]);
  const db = openDatabase(options.databasePath);
  try {
    return new Runtime(partsOf(options, registry, db));
  } catch (error) {
    db.close();
    throw error;
  }
}

function partsOf(options: RuntimeOptions, registry: SchemaRegistry, db: SqliteDatabase): RuntimeParts {
  const { actorTypes, projections, clock, logger, shared = false, limits = {} } = options;
  const { queryWaitMs = QUERY_WAIT_MS, nodeId = randomUUID() } = options;
  const lifeCycle = options.lifeCycle ?? new LifeCycle(logger, clock);
  const store = withSchemas(options.store, registry, lifeCycle);
  const history = new KnownHistory({ store: options.store, db, clock, logger });
  const snapshots = new ActorSnapshots(db, logger);
  const system = new ActorSystem({ store, clock, snapshots, shared, limits, lifeCycle });
  registry.onDamage((stream) => system.distrust(stream));
  const reading: Reading = {
    ...{ store, db, history, clock, logger, lifeCycle },
    backoff: { longestMs: LONGEST_PAUSE_MS },
    problemOf: (event) => registry.problemOf(event),
  };
  const closing = new AbortController();
  const inherited = new InheritedEnd({ ...reading, signal: closing.signal });
  // One reading for those that are at the end of the store nearly always.
  const shownIn = new Set(projections.flatMap(({ categories }) => categories));
  for (const { category, timers } of actorTypes) if (timers !== undefined) shownIn.add(category);
  const common = { ...reading, store: sharedReading(store, [...shownIn]) };
  const projectors = projections.map((projection) => new Projector({ ...common, projection }));
  const ownWrites = new OwnWrites({ inherited, system, queryWaitMs, closing: closing.signal });
  return {
    ...{ reading, system, inherited, closing, projectors, ownWrites },
    loops: new Loops({ ...reading, projectors, ownWrites, sharedAs: shared ? nodeId : undefined }),
    timers: new Timers({ ...common, types: actorTypes, executor: system }),
    unreadable: new UnreadableEvents({ ...reading, projectors, ownWrites }),
  };
}

/** What a runtime is put together from. */
interface RuntimeParts {
  readonly reading: Reading;
  readonly system: ActorSystem;
  readonly inherited: InheritedEnd;
  readonly projectors: readonly Projector[];
  readonly loops: Loops;
  readonly timers: Timers;
  readonly ownWrites: OwnWrites;
  readonly unreadable: UnreadableEvents;
  readonly closing: AbortController;
}

export class Runtime {
  readonly store: EventStore;
  readonly db: SqliteDatabase;
  readonly system: ActorSystem;
  readonly lifeCycle: LifeCycle;
  private readonly parts: RuntimeParts;
  private readonly reactors: ReactorRunner[] = [];
  private readonly releasers: Releasers;

  constructor(parts: RuntimeParts) {
    this.parts = parts;
    this.store = parts.reading.store;
    this.db = parts.reading.db;
    this.lifeCycle = parts.reading.lifeCycle;
    this.system = parts.system;
    this.releasers = new Releasers(parts.reading.logger);
    this.releasers.add('read models', () => parts.reading.db.close());
  }

  /**
   * Resolves when commands are taken and the tables of all read models can be queried. While the store is away both wait
   * for it, each for its time.
   * @param reactorsOf asked once the tables can be queried, and before anything is reacted to
   */
  async start(reactorsOf: () => Promise<readonly Reactor[]> = async () => []): Promise<void> {
    const { reading, inherited, projectors, timers, closing } = this.parts;
    await inherited.begin();
    this.releasers.add('end of the store', () => inherited.learnt());
    this.releasers.add(
      'losses',
      reading.history.onLoss(() => this.beginAnew()),
    );
    this.releasers.add('actors', () => this.system.close());
    void every({ clock: reading.clock, pauseMs: IDLE_MS / 10, signal: closing.signal }, () =>
      this.system.passivateIdle(IDLE_MS),
    );
    for (const projector of projectors) {
      await projector.start();
      this.releasers.add(projector.name, () => projector.stop());
    }
    const reactors = await reactorsOf();
    const limits = reactorLimits(reactors.length, this.system.mostLive);
    for (const reactor of reactors) {
      const runner = new ReactorRunner({ ...reading, ...limits, reactor, executor: this.system });
      this.reactors.push(runner);
      await runner.start();
      this.releasers.add(reactor.name, () => runner.stop());
    }
    await timers.start();
    this.releasers.add('timers', () => timers.stop());
    // Who writes from now on tries again when another process has the lock: readers with their next attempt.
    this.db.waitNoMore();
  }

  /**
   * After `start`: each begins by itself once its read models are caught up.
   * @throws Error for a read model that was not declared
   */
  startLoops(loops: readonly Loop[]): void {
    this.releasers.add('loops', () => this.stopLoops());
    this.parts.loops.start(loops);
  }

  /** Waits for the rounds under way. `close` does it too; before, for loops that rest on what ends before the runtime. */
  async stopLoops(): Promise<void> {
    await this.parts.loops.stop();
  }

  /** Ends loops, reactors and timers, drains the actors, writes the checkpoints. The store stays open: it was given. */
  async close(): Promise<void> {
    this.parts.closing.abort(new OwlError('unavailable', 'this node is shutting down; ask another or later'));
    await this.releasers.releaseAll();
  }

  /**
   * Waits until these read models hold what this node has acknowledged of their events, and everything up to `atLeast`.
   * @param readModels names of the projections that the query reads; default: all
   * @throws OwlError kind `unavailable` when that takes too long, the store is away for instance
   */
  async readYourWrites(readModels = this.names(), atLeast: Position = START): Promise<void> {
    await this.parts.ownWrites.shown(
      readModels.map((name) => this.projector(name)),
      atLeast,
    );
  }

  /**
   * Waits for the same through outages, for as long as it takes.
   * @throws OwlError kind `unavailable` when the runtime is closed before
   */
  async caughtUp(readModels = this.names()): Promise<void> {
    await this.parts.ownWrites.caughtUp(readModels.map((name) => this.projector(name)));
  }

  /** Which of these events of the store nobody may go by, and why. See `UnreadableEvents.in`. */
  unreadableIn(events: readonly RecordedEvent[]): Promise<ReadonlyMap<RecordedEvent, Unreadable>> {
    return this.parts.unreadable.in(events);
  }

  onApplied(projection: string, listener: AppliedListener): void {
    this.projector(projection).onApplied(listener);
  }

  /** @throws Error when no such projection was declared */
  projector(name: string): Projector {
    const found = this.parts.projectors.find((projector) => projector.name === name);
    if (found === undefined) throw new Error(`no projection ${name} was declared`);
    return found;
  }

  /** The timers are one of them as long as they have parked anything: how they are, `status` says. */
  readers(): readonly Reader[] {
    const { reader: timers } = this.parts.timers;
    const { lifeCycle } = this;
    return [
      ...this.parts.projectors.map((projector) => readerOf('projection', projector, lifeCycle)),
      ...this.reactors.map((reactor) => readerOf('reactor', reactor, lifeCycle)),
      ...(timers.parked(1).length === 0 ? [] : [readerOf('timers', timers, lifeCycle)]),
    ];
  }

  status(): RuntimeStatus {
    const projections = this.parts.projectors.map((projector) => projector.status());
    return {
      liveActors: this.system.live,
      projections,
      reactors: this.reactors.map((reactor) => reactor.status()),
      loops: this.parts.loops.status(),
      timers: this.parts.timers.status(),
      caughtUp: projections.every(({ caughtUp }) => caughtUp),
      share: smallestOf(projections.map(({ share }) => share)),
    };
  }

  private names(): readonly string[] {
    return this.parts.projectors.map(({ name }) => name);
  }

  private beginAnew(): void {
    this.system.doubtAll();
    this.parts.inherited.beginAnew();
  }
}

/** Of nothing: 1, for nothing is missing. */
function smallestOf(shares: readonly (number | undefined)[]): number | undefined {
  const known = shares.filter((share) => share !== undefined);
  return known.length < shares.length ? undefined : Math.min(1, ...known);
}
