/**
 * Durable timers (rule 6 of the architecture): fires what is due as a command to the actor that set it.
 *
 * A timer is a point in time of the wall: it comes sooner or later when that is set. How long somebody was silent is therefore
 * no timer; who judges that counts `ListeningTime`.
 *
 * Guarantees:
 * - due times follow from events, so timers survive restarts and are armed again on start, once everything stored before
 *   the start is known; the same when the store no longer holds the events that set them;
 * - what happens is decided by `timers.due` from the actor's state at the time, so a timer that was moved or cancelled
 *   meanwhile does no harm. Its command id follows from the event that set it: firing twice (a crash before the mark, two
 *   nodes, a rebuild of the table) changes nothing twice;
 * - of those due, the ones of higher priority are carried out first; one look at the table finds thousands, and the marks of those
 *   carried out are written together;
 * - a timer is done when its command was carried out, changed nothing or was refused. Any other failure is tried again
 *   with growing delays, shows in `status`, and holds up no other timer, however many fail (failing-timers.ts);
 * - a timer of a stream that can't be read on is neither: it waits, with what is parked of the stream, until that is mended.
 */

import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import { Backoff } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { DamagedStreamError, messageOf } from '../../base/errors.js';
import { isRefusal } from '../../base/failure-kinds.js';
import { limitConcurrency } from '../../base/limit-concurrency.js';
import { retry } from '../../base/repeat.js';
import type { Database } from '../../base/sql.js';
import type { ActorType } from '../actors/actor-type.js';
import {
  categoryOf,
  type EventStore,
  idOf,
  type Position,
  type RecordedEvent,
} from '../event-store/event-store.js';
import type { LifeCycle } from '../life-cycle/life-cycle.js';
import type { CommandExecutor } from '../reactors/reactor.js';
import { Projector } from '../read-models/projector.js';
import type { FollowSettings } from '../readers/follower.js';
import { KnownHistory } from '../readers/known-history.js';
import { FailingTimers } from './failing-timers.js';
import { FiredMarks } from './fired-marks.js';
import { Lateness } from './lateness.js';
import { addLaterColumns, keyOf, type Timer, TimerTable, timersProjection } from './timer-table.js';
import type { TimersStatus } from './timers-status.js';

export interface TimersOptions extends FollowSettings {
  readonly store: EventStore;
  /** Holds the table `timers`. */
  readonly db: Database;
  /** Shared by the readers of one database. */
  readonly history?: KnownHistory | undefined;
  /** Every actor type of the node; those without timers are left out. */
  readonly types: readonly ActorType[];
  readonly executor: CommandExecutor;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lifeCycle?: LifeCycle | undefined;
  /** Timers fired at the same time. Default 512, as many as keep the actors and the store's batches full. */
  readonly parallel?: number;
  /** Why this event can't be read, if so. */
  readonly problemOf?: (event: RecordedEvent) => string | undefined;
}

/**
 * It looks at the table at least this often: other processes set timers too, the wall clock may be set, and Node takes no
 * timeout above 24.8 days.
 */
const LONGEST_NAP_MS = 60_000;
/** So many are found with one look. */
const MOST_FOUND = 4096;
const PARALLEL = 512;
/** With so many timers failing the store is away: no further ones are tried until some of these have succeeded. */
const MOST_FAILING = 1000;

export class Timers {
  private readonly options: TimersOptions;
  private readonly types: ReadonlyMap<string, ActorType>;
  private readonly parallel: number;
  private readonly limited: ReturnType<typeof limitConcurrency>;
  private readonly backoff: Backoff;
  private readonly stopping = new AbortController();
  private readonly history: KnownHistory;
  private readonly projector: Projector;
  /** By stream and name and the event that set it. */
  private readonly firing = new Map<string, Promise<void>>();
  private readonly failing: FailingTimers;
  private ignoreLosses: () => void = () => undefined;
  private table: TimerTable | undefined;
  private arming: Promise<unknown> | undefined;
  private readonly marks: FiredMarks;
  private readonly lateness: Lateness;
  /** Found with the last look and not begun, the next one last. */
  private found: Timer[] = [];
  /** The last look may have left some that are due. */
  private leftSome = false;
  /** The earliest due time that was set since the last look. */
  private setFor = Number.POSITIVE_INFINITY;
  private alarmAt = Number.POSITIVE_INFINITY; // In running time: the wall clock may be set meanwhile.
  private cancelAlarm: () => void = () => undefined;
  private tableError: string | undefined;

  constructor(options: TimersOptions) {
    const { store, db, clock, logger, backoff } = options;
    const types = options.types.filter(({ timers }) => timers !== undefined);
    this.options = options;
    setMaxListeners(0, this.stopping.signal);
    this.types = new Map(types.map((type) => [type.category, type]));
    this.parallel = options.parallel ?? PARALLEL;
    this.limited = limitConcurrency(this.parallel);
    this.backoff = new Backoff(backoff);
    this.marks = new FiredMarks(db);
    this.lateness = new Lateness(clock);
    this.failing = new FailingTimers(clock);
    this.history = options.history ?? new KnownHistory({ store, db, clock, logger });
    this.projector = new Projector({
      store,
      db,
      history: this.history,
      projection: timersProjection(types, (dueAt) => {
        this.setFor = Math.min(this.setFor, dueAt);
      }),
      clock,
      logger,
      lifeCycle: options.lifeCycle,
      problemOf: options.problemOf,
      batchSize: options.batchSize,
      backoff,
    });
    this.projector.onApplied(() => {
      // What was only cancelled or moved away needs no look: the state decides.
      if (this.setFor - clock.now() < this.alarmAt - clock.monotonic()) this.look();
    });
  }

  /** Creates the table where there is none. Timers fire once everything that is stored by now is in it. */
  async start(): Promise<void> {
    if (this.types.size === 0) return;
    addLaterColumns(this.options.db);
    await this.projector.start();
    if (this.arming !== undefined) return;
    this.arming = this.arm();
    this.ignoreLosses = this.history.onLoss(() => this.armAnew());
  }

  /** Waits for those being fired. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.ignoreLosses();
    this.cancelAlarm();
    await this.projector.stop();
    await this.arming;
    await Promise.all(this.firing.values());
  }

  /**
   * Resolves once every timer set up to `position` is known.
   * @throws OwlError kind `unavailable` when the timers are stopped; the signal's reason when that aborts
   */
  caughtUpTo(position: Position, signal?: AbortSignal): Promise<void> {
    return this.projector.caughtUpTo(position, signal);
  }

  /** Fills the table anew from all events: after a change of what `timers.on` answers for old ones. */
  async rebuild(): Promise<void> {
    await this.projector.rebuild();
    this.look();
  }

  /** What follows the events that set timers: its parked ones keep the timers of their streams from firing. */
  get reader(): Pick<Projector, 'name' | 'status' | 'parked' | 'redrive'> {
    const { projector } = this;
    return {
      name: projector.name,
      status: () => projector.status(),
      parked: (limit) => projector.parked(limit),
      redrive: async (stream) => {
        const result = await projector.redrive(stream);
        this.table?.tryAllAgain();
        this.look();
        return result;
      },
    };
  }

  status(): TimersStatus {
    const { table, failing } = this;
    const now = this.options.clock.now();
    const putOff = table?.countPutOff(now) ?? 0;
    return {
      projector: this.projector.status(),
      pending: table?.pending() ?? 0,
      nextDueAt: table?.nextAfter(now),
      firing: this.firing.size,
      failing: failing.size + putOff,
      lateMs: Math.max(0, now - (table?.earliest() ?? Number.POSITIVE_INFINITY)),
      mostLateMs: this.lateness.mostLateMs,
      lastError: this.tableError ?? failing.lastError(putOff),
    };
  }

  /** None fires until the table has been built anew. */
  private armAnew(): void {
    this.table = undefined;
    this.found = [];
    this.cancelAlarm();
    this.arming = Promise.all([this.arming, this.arm()]);
  }

  /** A table that is still being filled shows timers as due that later events have cancelled. */
  private async arm(): Promise<void> {
    const { store, db, clock } = this.options;
    const { signal } = this.stopping;
    const failed = (error: unknown) => {
      this.tableError = messageOf(error);
    };
    await retry({ clock, backoff: this.backoff, signal, failed }, async () => {
      await this.projector.caughtUpTo(await store.head(), signal);
      const table = new TimerTable(db);
      table.tryAllAgain();
      this.table = table;
      this.look();
    });
  }

  /** Finds what is due, fires it as far as there is room, and sets the alarm for what is due next. */
  private look(): void {
    const { table } = this;
    if (table === undefined || this.stopping.signal.aborted) return;
    this.cancelAlarm();
    this.setFor = Number.POSITIVE_INFINITY;
    const { clock } = this.options;
    const now = clock.now();
    let napMs = LONGEST_NAP_MS;
    try {
      this.find(table, now);
      const next = table.nextAfter(now);
      if (next !== undefined) napMs = Math.min(next - now, napMs);
      this.tableError = undefined;
      this.backoff.reset();
    } catch (error) {
      this.tableError = messageOf(error);
      this.options.logger.warn({ err: error }, 'looking for due timers failed; trying again');
      napMs = this.backoff.next();
    }
    this.alarmAt = clock.monotonic() + napMs;
    this.cancelAlarm = clock.after(napMs, () => this.look());
    this.fireFound(table);
  }

  private find(table: TimerTable, now: number): void {
    // Those being fired are still in the table and may come first.
    const most = MOST_FOUND + this.firing.size;
    const due = table.due(now, most);
    this.found = due.filter((timer) => !this.firing.has(keyOf(timer))).reverse();
    this.leftSome = due.length === most;
  }

  private fireFound(table: TimerTable): void {
    const { firing, failing, found } = this;
    while (found.length > 0) {
      const room = Math.min(this.parallel - (firing.size - failing.size), MOST_FAILING - firing.size);
      const timer = room > 0 ? found.pop() : undefined;
      if (timer === undefined) return;
      firing.set(keyOf(timer), this.fire(table, timer));
    }
  }

  /** There is room for another one. */
  private fireNext(): void {
    const { table } = this;
    if (table === undefined || this.stopping.signal.aborted) return;
    if (this.found.length === 0 && this.leftSome) this.look();
    else this.fireFound(table);
  }

  private async fire(table: TimerTable, timer: Timer): Promise<void> {
    const key = keyOf(timer);
    const { clock, logger, backoff } = this.options;
    const { signal } = this.stopping;
    const failed = (error: unknown) => {
      this.failing.add(key, error);
      logger.warn({ err: error, timer }, 'firing a timer failed; trying again');
      this.fireNext();
    };
    await retry({ clock, backoff: new Backoff(backoff), signal, failed }, () =>
      this.limited(() => this.attempt(table, timer)),
    );
    this.failing.delete(key);
    this.firing.delete(key);
    this.fireNext();
  }

  private async attempt(table: TimerTable, timer: Timer): Promise<void> {
    const { executor, clock, logger, lifeCycle } = this.options;
    const type = this.types.get(categoryOf(timer.stream));
    if (type === undefined) throw new Error(`no actor type with timers has the category of ${timer.stream}`);
    // The look found it a moment ago.
    if (this.failing.has(keyOf(timer)) && !table.isPending(timer)) return;
    try {
      await executor.execute(type, idOf(timer.stream), {
        id: `timer:${timer.setBy}/${timer.name}`,
        by: `timer:${timer.name}`,
        correlationId: timer.correlationId,
        decide: (snapshot) => type.timers?.due(timer.name, snapshot, clock.now()) ?? [],
      });
    } catch (error) {
      if (!isRefusal(error) || error instanceof DamagedStreamError) {
        if (this.failing.keep(table, timer, error)) throw error;
        return logger.warn({ err: error, timer }, 'firing a timer failed, as others did; it is put off');
      }
      logger.info({ timer, reason: error.message }, 'timer refused');
    }
    const now = clock.now();
    this.lateness.note(timer.dueAt);
    if (lifeCycle?.wants('timer fired')) {
      const { category } = type;
      lifeCycle.tell({ type: 'timer fired', category, name: timer.name, lateMs: now - timer.dueAt });
    }
    await this.marks.write(table, timer, now);
  }
}
