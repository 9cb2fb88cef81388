/**
 * The runtime, put together: what a system on it declares (actor types, projections, reactors) comes to life here.
 *
 * Guarantees: nothing serves before what it rests on is there, and everything ends in the opposite order; queries that
 * await `readYourWrites` see all this node has acknowledged, and after a restart all that was stored before it, or are
 * refused in time; a query waits for the read models that it names, and for no other; a node starts while its store is away, and goes on by itself once that is back; when the store turns out to be
 * a restored or another one (known-history.ts), nothing that was known of the old one is relied on any more.
 *
 * A second system is another set of declarations. Nothing in this folder knows what the actors are about.
 */

import type { Logger } from 'pino';
import type { BackoffOptions } from '../base/backoff.js';
import type { Clock } from '../base/clock.js';
import { OwlError } from '../base/errors.js';
import { Releasers } from '../base/releasers.js';
import { type Database, openDatabase } from '../base/sqlite.js';
import { ActorSnapshots } from './actors/actor-snapshots.js';
import { ActorSystem, type ActorSystemLimits } from './actors/actor-system.js';
import type { ActorType } from './actors/actor-type.js';
import { type EventStore, type Position, START, type StreamName } from './event-store/event-store.js';
import { SchemaRegistry, withSchemas } from './event-store/schema-checked-store.js';
import type { Reactor } from './reactors/reactor.js';
import { ReactorRunner, type ReactorStatus } from './reactors/reactor-runner.js';
import type { Projection } from './read-models/projection.js';
import { type AppliedListener, Projector, type ProjectorStatus } from './read-models/projector.js';
import type { RebuildStatus } from './read-models/rebuild.js';
import { LostHistoryError } from './readers/checkpoints.js';
import type { FollowerStatus } from './readers/follower.js';
import { InheritedEnd } from './readers/inherited-end.js';
import { KnownHistory } from './readers/known-history.js';
import type { ParkedEvent, RedriveResult } from './readers/parked-events.js';
import { Timers, type TimersStatus } from './timers/timers.js';

export interface RuntimeOptions {
  readonly store: EventStore;
  /** The SQLite file of read models, timers and snapshots; may be the embedded store's own. */
  readonly databasePath: string;
  readonly actorTypes: readonly ActorType[];
  readonly projections: readonly Projection[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<ActorSystemLimits>;
  /** Other nodes append to the same store. Default false. */
  readonly shared?: boolean;
  /** How long a query waits for the read models at the most. Milliseconds, default 30,000. */
  readonly queryWaitMs?: number;
}

export interface RuntimeStatus {
  readonly liveActors: number;
  readonly projections: readonly ProjectorStatus[];
  readonly reactors: readonly ReactorStatus[];
  readonly timers: TimersStatus;
  /** Every read model holds all that is stored. */
  readonly caughtUp: boolean;
  /** The smallest share of a read model; undefined while that of one isn't known. See `FollowerStatus.share`. */
  readonly share: number | undefined;
}

/** What follows the event store on this node. */
export interface Reader {
  readonly name: string;
  readonly kind: 'projection' | 'reactor' | 'timers';
  status(): FollowerStatus & { readonly parked: number; readonly rebuild?: RebuildStatus | undefined };
  parked(limit?: number): readonly ParkedEvent[];
  redrive(stream?: StreamName): Promise<RedriveResult>;
}

/** What everything that follows the store is made of. */
interface Reading {
  readonly store: EventStore;
  readonly db: Database;
  readonly history: KnownHistory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly backoff: BackoffOptions;
  readonly problemOf: SchemaRegistry['problemOf'];
}

const QUERY_WAIT_MS = 30_000;
/** A store that was away is noticed within seconds of its return, however long that took. */
const LONGEST_PAUSE_MS = 2_000;

/** An actor without commands for so long is let go. */
const IDLE_MS = 10 * 60_000;

export class Runtime {
  readonly store: EventStore;
  readonly db: Database;
  readonly system: ActorSystem;
  private readonly options: RuntimeOptions;
  private readonly history: KnownHistory;
  private readonly reading: Reading;
  private readonly projectors: readonly Projector[];
  private readonly reactors: ReactorRunner[] = [];
  private readonly timers: Timers;
  private readonly releasers: Releasers;
  private readonly closing = new AbortController();
  private readonly inherited: InheritedEnd;

  constructor(options: RuntimeOptions) {
    const { actorTypes, projections, clock, logger } = options;
    this.options = options;
    this.releasers = new Releasers(logger);
    const registry = new SchemaRegistry(actorTypes);
    this.store = withSchemas(options.store, registry, (stream) => this.system.distrust(stream));
    this.db = openDatabase(options.databasePath);
    this.releasers.add('read models', () => this.db.close());
    this.history = new KnownHistory({ store: options.store, db: this.db, clock, logger });
    this.system = new ActorSystem({
      store: this.store,
      clock,
      snapshots: new ActorSnapshots(this.db, logger),
      shared: options.shared ?? false,
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    });
    this.reading = {
      ...{ store: this.store, db: this.db, history: this.history, clock, logger },
      backoff: { longestMs: LONGEST_PAUSE_MS },
      problemOf: registry.problemOf.bind(registry),
    };
    this.inherited = new InheritedEnd({ ...this.reading, signal: this.closing.signal });
    this.projectors = projections.map((projection) => new Projector({ ...this.reading, projection }));
    this.timers = new Timers({ ...this.reading, types: actorTypes, executor: this.system });
  }

  /**
   * Resolves when commands are taken and the tables of all read models can be queried. While the store is away both wait
   * for it, each for its time.
   * @param reactorsOf asked once the tables can be queried, and before anything is reacted to
   */
  async start(reactorsOf: () => Promise<readonly Reactor[]> = async () => []): Promise<void> {
    await this.inherited.begin();
    this.releasers.add('end of the store', () => this.inherited.learnt());
    this.releasers.add(
      'losses',
      this.history.onLoss(() => this.beginAnew()),
    );
    this.releasers.add('actors', () => this.system.close());
    this.releasers.add('idle actors', this.passivateNowAndThen());
    for (const projector of this.projectors) {
      await projector.start();
      this.releasers.add(projector.name, () => projector.stop());
    }
    for (const reactor of await reactorsOf()) {
      const runner = new ReactorRunner({ ...this.reading, reactor, executor: this.system });
      this.reactors.push(runner);
      await runner.start();
      this.releasers.add(reactor.name, () => runner.stop());
    }
    await this.timers.start();
    this.releasers.add('timers', () => this.timers.stop());
    // Who writes from now on tries again when another process has the lock: readers with their next attempt.
    this.db.waitNoMore();
  }

  /** Ends reactors and timers, drains the actors, writes the checkpoints. The store stays open: it was given. */
  async close(): Promise<void> {
    this.closing.abort(new OwlError('unavailable', 'this node is shutting down; ask another or later'));
    await this.releasers.releaseAll();
  }

  /**
   * Waits until these read models hold what this node has acknowledged of their events, and everything up to `atLeast`.
   * @param readModels names of the projections that the query reads; default: all
   * @throws OwlError kind `unavailable` when that takes too long, the store is away for instance
   */
  async readYourWrites(readModels = this.names(), atLeast: Position = START): Promise<void> {
    const projectors = readModels.map((name) => this.projector(name));
    const { queryWaitMs = QUERY_WAIT_MS } = this.options;
    const patience = new AbortController();
    const late = setTimeout(() => patience.abort(this.behindError(projectors)), queryWaitMs);
    try {
      await this.reachNewest(projectors, atLeast, patience.signal);
    } finally {
      clearTimeout(late);
    }
  }

  /**
   * Waits for the same through outages, for as long as it takes.
   * @throws OwlError kind `unavailable` when the runtime is closed before
   */
  async caughtUp(readModels = this.names()): Promise<void> {
    await this.inherited.learnt();
    const projectors = readModels.map((name) => this.projector(name));
    await this.reachNewest(projectors, START, this.closing.signal);
  }

  onApplied(projection: string, listener: AppliedListener): void {
    this.projector(projection).onApplied(listener);
  }

  /** @throws Error when no such projection was declared */
  projector(name: string): Projector {
    const found = this.projectors.find((projector) => projector.name === name);
    if (found === undefined) throw new Error(`no projection ${name} was declared`);
    return found;
  }

  /** The timers are one of them as long as they have parked anything: how they are, `status` says. */
  readers(): readonly Reader[] {
    const { reader: timers } = this.timers;
    return [
      ...this.projectors.map((projector) => readerOf('projection', projector)),
      ...this.reactors.map((reactor) => readerOf('reactor', reactor)),
      ...(timers.parked(1).length === 0 ? [] : [readerOf('timers', timers)]),
    ];
  }

  status(): RuntimeStatus {
    const projections = this.projectors.map((projector) => projector.status());
    return {
      liveActors: this.system.live,
      projections,
      reactors: this.reactors.map((reactor) => reactor.status()),
      timers: this.timers.status(),
      caughtUp: projections.every(({ caughtUp }) => caughtUp),
      share: smallestOf(projections.map(({ share }) => share)),
    };
  }

  private names(): readonly string[] {
    return this.projectors.map(({ name }) => name);
  }

  /** When the store turns out to be another one meanwhile, what that holds is waited for. */
  private async reachNewest(
    projectors: readonly Projector[],
    atLeast: Position,
    signal: AbortSignal,
  ): Promise<void> {
    for (;;) {
      const inherited = await this.inherited.known(signal);
      if (inherited === undefined) throw this.behindError(projectors);
      try {
        await this.reach(projectors, inherited, atLeast, signal);
        return;
      } catch (error) {
        // A position that the caller knows from the old store would never be reached.
        if (!(error instanceof LostHistoryError) || atLeast !== START) throw error;
      }
    }
  }

  private async reach(
    projectors: readonly Projector[],
    inherited: Position,
    atLeast: Position,
    signal: AbortSignal,
  ): Promise<void> {
    const waits = projectors.map((projector) => {
      // What is of no interest to a read model would only make it wait for news of how far it is.
      const newest = [inherited, this.system.acknowledged(projector.categories), atLeast];
      return projector.caughtUpTo(
        newest.reduce((a, b) => (a > b ? a : b)),
        signal,
      );
    });
    await Promise.all(waits);
  }

  private beginAnew(): void {
    this.system.doubtAll();
    this.inherited.beginAnew();
  }

  private behindError(projectors: readonly Projector[]): OwlError {
    const problem = projectors.map((projector) => projector.status().lastError).find(Boolean);
    const why = this.inherited.position === undefined ? 'the event store is away' : problem;
    return new OwlError(
      'unavailable',
      `the read models don't hold yet what was stored${why === undefined ? '' : ` (${why})`}; ask again, owl node status says how far they are`,
    );
  }

  private passivateNowAndThen(): () => void {
    const { clock } = this.options;
    let cancel: () => void = () => undefined;
    const next = () => {
      cancel = clock.after(IDLE_MS / 10, () => {
        this.system.passivateIdle(IDLE_MS);
        next();
      });
    };
    next();
    return () => cancel();
  }
}

/** Of nothing: 1, for nothing is missing. */
function smallestOf(shares: readonly (number | undefined)[]): number | undefined {
  const known = shares.filter((share) => share !== undefined);
  return known.length < shares.length ? undefined : Math.min(1, ...known);
}

function readerOf(kind: Reader['kind'], follower: Omit<Reader, 'kind'>): Reader {
  return {
    name: follower.name,
    kind,
    status: () => follower.status(),
    parked: (limit) => follower.parked(limit),
    redrive: (stream) => follower.redrive(stream),
  };
}
