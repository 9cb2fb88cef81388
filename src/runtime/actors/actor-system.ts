/**
 * Where commands meet actors. It finds or makes the actor a command is for, keeps as many live as the limit allows, and
 * lets go of those that have nothing to do.
 *
 * Guarantees: one actor per stream in this process; an actor with work is never passivated; when every live actor has
 * work and the limit is reached, a command for another is refused as `retryable` and loses nothing; of actors that rest
 * (`ActorType.rests`) no more stay than a limit of their own, however many there are.
 */

import type { AnyStateMachine } from 'xstate';
import type { Clock } from '../../base/clock.js';
import { OwlError } from '../../base/errors.js';
import { limitConcurrency } from '../../base/limit-concurrency.js';
import {
  categoryOf,
  type EventStore,
  type JsonObject,
  type Position,
  type RecordedEvent,
  START,
  type StreamName,
  streamName,
} from '../event-store/event-store.js';
import type { LifeCycle } from '../life-cycle/life-cycle.js';
import { tellCommand } from '../life-cycle/telling.js';
import { Actor, type ActorEnvironment, type ActorLimits } from './actor.js';
import type { ActorSnapshots } from './actor-snapshots.js';
import type { ActorType, Command, CommandResult } from './actor-type.js';

export interface ActorSystemLimits extends ActorLimits {
  /** Live actors at the most; the one idle longest makes room. */
  readonly liveActors: number;
  /** Of them, those that rest: what waits by the hundred thousand takes no memory here. Between half of it and it. */
  readonly restingActors: number;
  /** Streams replayed at the same time. */
  readonly recoveries: number;
}

export const DEFAULT_ACTOR_LIMITS: ActorSystemLimits = {
  mailbox: 4096,
  batch: 256,
  conflictRetries: 8,
  liveActors: 20_000,
  restingActors: 2_000,
  recoveries: 32,
};

export interface ActorSystemOptions {
  readonly store: EventStore;
  readonly clock: Clock;
  readonly snapshots?: ActorSnapshots;
  /** Other nodes append to the same streams. Default false. */
  readonly shared?: boolean;
  readonly limits?: Partial<ActorSystemLimits>;
  readonly lifeCycle?: LifeCycle;
}

export class ActorSystem {
  /** In order of their last command: the first is the one idle longest. */
  private readonly actors = new Map<string, Actor>();
  private readonly env: ActorEnvironment;
  /** Streams of actors that rest, in two generations: the older one goes as a whole. */
  private resting = new Set<StreamName>();
  private restingLonger = new Set<StreamName>();
  private readonly mostResting: number;
  /** Actors that may be live at the same time. */
  readonly mostLive: number;
  private readonly lifeCycle: LifeCycle | undefined;
  private readonly underWay = new Set<Promise<unknown>>();
  private closed = false;
  /** By category: positions of the newest events that this node has acknowledged. */
  private readonly newest = new Map<string, Position>();

  constructor(options: ActorSystemOptions) {
    const limits = { ...DEFAULT_ACTOR_LIMITS, ...options.limits };
    this.mostLive = limits.liveActors;
    this.mostResting = limits.restingActors;
    this.lifeCycle = options.lifeCycle;
    this.env = {
      store: options.store,
      clock: options.clock,
      snapshots: options.snapshots,
      limits,
      shared: options.shared ?? false,
      recovering: limitConcurrency(limits.recoveries),
      stored: (events) => this.takeNote(events),
      over: (stream) => this.letGo(stream),
      rests: (stream) => this.rests(stream),
    };
  }

  /** Position of the newest event of these categories that this node has acknowledged: queries of them must have applied it. */
  acknowledged(categories: readonly string[]): Position {
    return categories
      .map((category) => this.newest.get(category) ?? START)
      .reduce((a, b) => (a > b ? a : b), START);
  }

  get live(): number {
    return this.actors.size;
  }

  /**
   * Carries out a command and resolves once its events are durable.
   * @throws OwlError as the command's `decide`, the machine or the store have it; see errors.ts for what each kind promises
   */
  execute<M extends AnyStateMachine, A extends JsonObject = never>(
    type: ActorType<M>,
    id: string,
    command: Command<M, A>,
  ): Promise<CommandResult<M, A>> {
    if (this.closed)
      return Promise.reject(new OwlError('unavailable', 'this node is shutting down; ask another or later'));
    const stream = streamName(type.category, id);
    let actor = this.actors.get(stream);
    if (actor === undefined) {
      if (this.actors.size >= this.mostLive && !this.makeRoom()) {
        return Promise.reject(
          new OwlError(
            'retryable',
            `all ${this.mostLive} live actors of this node have work; send again later`,
          ),
        );
      }
      actor = new Actor(type, stream, this.env);
    } else {
      this.actors.delete(stream);
      this.resting.delete(stream);
      this.restingLonger.delete(stream);
    }
    this.actors.set(stream, actor);
    const work = actor.submit(command);
    tellCommand(this.lifeCycle, type.category, command, work);
    return this.track(work);
  }

  /** The actor's state as far as it is durable, and its revision (-1: it has no events). */
  read<M extends AnyStateMachine>(type: ActorType<M>, id: string): Promise<CommandResult<M>> {
    return this.execute(type, id, { decide: () => [] });
  }

  /** Lets go of actors without a command for `idleMs` milliseconds. */
  passivateIdle(idleMs = 0): void {
    const before = this.env.clock.monotonic() - idleMs;
    for (const [stream, actor] of this.actors) {
      if (actor.usedAt > before) return;
      if (!actor.idle) continue;
      this.actors.delete(stream);
      actor.passivate();
    }
  }

  /**
   * The store may no longer hold what this node knows of it: every actor reads its stream anew before its next command, and
   * nothing counts as acknowledged any more.
   */
  doubtAll(): void {
    this.newest.clear();
    for (const actor of this.actors.values()) actor.doubt();
  }

  /** The same for one stream that turned out to be damaged; what was kept of it rests on what may be gone. */
  distrust(stream: StreamName): void {
    this.env.snapshots?.discard(stream);
    this.actors.get(stream)?.doubt();
  }

  /** Refuses new commands, waits for those under way and keeps snapshots of all. */
  async close(): Promise<void> {
    this.closed = true;
    await Promise.allSettled(this.underWay);
    this.passivateIdle();
    await this.env.snapshots?.settled();
  }

  private letGo(stream: StreamName): void {
    const actor = this.actors.get(stream);
    if (actor?.idle !== true) return;
    this.actors.delete(stream);
    actor.passivate();
  }

  private rests(stream: StreamName): void {
    this.resting.add(stream);
    if (this.resting.size <= this.mostResting / 2) return;
    for (const longer of this.restingLonger) this.letGo(longer);
    this.restingLonger = this.resting;
    this.resting = new Set();
  }

  private makeRoom(): boolean {
    for (const [stream, actor] of this.actors) {
      if (!actor.idle) continue;
      this.actors.delete(stream);
      actor.passivate();
      return true;
    }
    return false;
  }

  private track<T>(work: Promise<T>): Promise<T> {
    this.underWay.add(work);
    const done = () => this.underWay.delete(work);
    work.then(done, done);
    return work;
  }

  private takeNote(events: readonly RecordedEvent[]): void {
    const last = events.at(-1);
    if (last === undefined) return;
    const category = categoryOf(last.stream);
    if (last.position > (this.newest.get(category) ?? START)) this.newest.set(category, last.position);
  }
}
