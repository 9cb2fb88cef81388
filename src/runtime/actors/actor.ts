/**
 * One live actor: its mailbox, its recovery and the way of its commands.
 *
 * Guarantees:
 * - commands of one actor are decided one after another, each on the state that the ones before it leave behind;
 * - nothing is answered, not even a refusal, and the visible snapshot does not move before the store has confirmed the
 *   events it rests on. The machine may be ahead by what is being appended; when that append fails in any way, the
 *   machine is dropped and rebuilt from its stream before the actor says anything again;
 * - where others write the same streams, an answer that appends nothing is checked against the stream as well: an append
 *   finds out by itself that the actor was behind, a refusal doesn't;
 * - on a conflict it reads what the other writer stored, decides again and appends again, a bounded number of times; so it does where
 *   another node has stored the very same before, for that may have been undone since;
 * - one that begins an actor's life is decided on no events, without a look at the store; only what is stored as the first events of
 *   the stream is answered, and everything else, a refusal too, is decided again on what is there;
 * - a command id that was carried out before changes nothing and gets its first answer; one of another order is refused;
 * - an order with an id that is accepted is stored with its answer, also where nothing changes, and known for a day
 *   (command-memory.ts);
 * - whatever throws, and wherever, is the answer of the command it belongs to: no other command of the batch fails with it, the
 *   machine is rebuilt where it may have moved, without the kept snapshot, and the next command is taken;
 * - while it lives a snapshot is kept of it now and then (tail.ts), behind its answers: who kills the process costs the next one
 *   a short replay.
 *
 * Commands that wait while an append is under way are decided together and stored in one append.
 */

import type { AnyStateMachine } from 'xstate';
import type { Clock } from '../../base/clock.js';
import { OwlError, RevisionConflictError } from '../../base/errors.js';
import type {
  EventStore,
  JsonObject,
  ProposedEvent,
  RecordedEvent,
  StreamName,
} from '../event-store/event-store.js';
import { type Live, recover, startEmpty } from './actor-recovery.js';
import type { ActorSnapshot, ActorSnapshots } from './actor-snapshots.js';
import type { ActorType, Command, CommandResult } from './actor-type.js';
import { CommandMemory } from './command-memory.js';
import { Decider, type Waiting } from './decider.js';

export interface ActorEnvironment {
  readonly store: EventStore;
  readonly clock: Clock;
  readonly snapshots: ActorSnapshots | undefined;
  readonly limits: ActorLimits;
  /** Other nodes append to the same streams. */
  readonly shared: boolean;
  /** Runs a recovery; limits how many streams are replayed at once. */
  recovering<T>(work: () => Promise<T>): Promise<T>;
  /** Called with what was stored, after it was confirmed and before it is answered. */
  stored(events: readonly RecordedEvent[]): void;
  /** Called when nothing waits for the actor and hardly anything will come. */
  over(stream: StreamName): void;
  /** Called when nothing waits for the actor and it may be long before something comes. */
  rests(stream: StreamName): void;
}

export interface ActorLimits {
  /** Commands that may wait for one actor. */
  readonly mailbox: number;
  /** Commands decided together at the most. */
  readonly batch: number;
  /** How often a command is decided again after losing a race. */
  readonly conflictRetries: number;
}

export class Actor {
  private readonly mailbox: Waiting[] = [];
  private readonly carriedOut = new CommandMemory();
  private readonly decider: Decider;
  private readonly type: ActorType;
  private readonly stream: StreamName;
  private readonly env: ActorEnvironment;
  /** When its last command came, in milliseconds since the Unix epoch. */
  usedAt = 0;
  private live: Live | undefined;
  private draining = false;
  private working = false;
  /** Commands of one batch are carried out one by one, and this is not the last. */
  private othersWait = false;
  /** The store may no longer hold what the machine rests on. */
  private doubtful = false;

  constructor(type: ActorType, stream: StreamName, env: ActorEnvironment) {
    this.type = type;
    this.stream = stream;
    this.env = env;
    const { carriedOut } = this;
    const unforeseen = () => this.distrust();
    this.decider = new Decider({ type, stream, carriedOut, clock: env.clock, unforeseen });
  }

  /** Nothing waits and nothing is under way; true as soon as the last command is being answered. */
  get idle(): boolean {
    return !this.working && !this.othersWait && this.mailbox.length === 0;
  }

  /** @throws OwlError kind `retryable` when the mailbox is full; else whatever `Command.decide` or the store throws */
  submit<A extends JsonObject>(
    command: Command<AnyStateMachine, A>,
  ): Promise<CommandResult<AnyStateMachine, A>> {
    const { mailbox } = this.env.limits;
    if (this.mailbox.length >= mailbox) {
      return Promise.reject(
        new OwlError(
          'retryable',
          `${this.stream} has ${mailbox} commands waiting; send this one again later`,
        ),
      );
    }
    this.usedAt = this.env.clock.monotonic();
    return new Promise((resolve: (result: CommandResult<AnyStateMachine, A>) => void, reject) => {
      this.mailbox.push({ command, resolve, reject });
      if (!this.draining) void this.drain();
    });
  }

  /** Lets go of the machine, keeping a snapshot of it. Only for an idle actor. Never throws. */
  passivate(): void {
    const { live } = this;
    if (live === undefined) return;
    if (!this.doubtful && !live.tail.isEmpty)
      void this.env.snapshots?.keep(this.stream, this.snapshotOf(live));
    this.drop();
  }

  /** Where it stands now, to be made into a snapshot at any time: nothing of a state changes, another takes its place. */
  private snapshotOf({ revision, eventId, machine }: Live): () => ActorSnapshot {
    const { snapshot } = machine;
    const commands = this.carriedOut.entries();
    const { version: machineVersion } = this.type;
    return () => ({ revision, eventId, machineVersion, state: machine.persisted(snapshot), commands });
  }

  /** Behind the answers of a batch: nobody waits for it. */
  private keepIfWorth(): void {
    const { live } = this;
    const { snapshots } = this.env;
    if (live === undefined || snapshots === undefined || !live.tail.isWorthASnapshot || this.doubtful) return;
    const kept = snapshots.keepSoon(this.stream, this.snapshotOf(live));
    live.tail.begin();
    void kept.then((length) => live.tail.end(length));
  }

  /** Before it carries out another command it reads its stream anew. */
  doubt(): void {
    this.doubtful = true;
  }

  /** Never rejects: nobody waits for it. */
  private async drain(): Promise<void> {
    this.draining = true;
    while (this.mailbox.length > 0) {
      const commands = this.mailbox.splice(0, this.env.limits.batch);
      try {
        await this.carryOut(commands);
        this.keepIfWorth();
      } catch (error) {
        this.fail(commands, error);
      }
    }
    this.draining = false;
    const { live, type } = this;
    if (live === undefined) return;
    const { snapshot } = live.machine;
    if (type.isOver?.(snapshot) === true) this.env.over(this.stream);
    else if (type.rests?.(snapshot) === true) this.env.rests(this.stream);
  }

  /** Rule 1 of the architecture, top to bottom: recover, decide, append, and only then move and answer. */
  private async carryOut(commands: readonly Waiting[]): Promise<void> {
    for (let conflicts = 0; ; conflicts++) {
      this.working = true;
      if (this.doubtful) this.drop();
      const begins = conflicts === 0 && this.live === undefined && this.mayBegin(commands);
      try {
        const checks = this.env.shared && this.live !== undefined;
        const live = this.live ?? (begins ? this.begin() : await this.recover());
        const decisions = this.decider.decideAll(live, commands);
        const events = decisions.flatMap((decision) => decision.events);
        const restsOnNothing = begins && decisions.some((one) => one.events.length === 0);
        if (restsOnNothing || (checks && events.length === 0 && (await this.isBehind(live)))) {
          this.drop();
          continue;
        }
        const stored = events.length === 0 ? [] : await this.append(live, events, begins);
        this.working = false;
        this.decider.answerAll(live, decisions, stored);
        return;
      } catch (error) {
        this.drop();
        const mayTry = begins || conflicts < this.env.limits.conflictRetries;
        if (error instanceof RevisionConflictError && mayTry) continue;
        // One command that can't be decided or stored must not fail those that came with it.
        if (commands.length > 1 && isOfOneCommand(error)) {
          for (const [index, one] of commands.entries()) {
            this.othersWait = index < commands.length - 1;
            await this.carryOut([one]);
          }
          return;
        }
        this.fail(commands, error);
        return;
      }
    }
  }

  private fail(commands: readonly Waiting[], error: unknown): void {
    this.working = false;
    if (!(error instanceof OwlError)) this.distrust();
    for (const { reject } of commands) reject(error);
    this.drop();
  }

  /** What it was restored from may be the reason. */
  private distrust(): void {
    this.env.snapshots?.discard(this.stream);
    this.doubt();
  }

  private mayBegin(commands: readonly Waiting[]): boolean {
    return (
      this.env.store.knowsAllStreams === true && commands.every(({ command }) => command.begins === true)
    );
  }

  /** As if there was nothing: what is appended then finds out. */
  private begin(): Live {
    const { type, carriedOut, env } = this;
    this.live = startEmpty({ type, carriedOut, clock: env.clock });
    return this.live;
  }

  private recover(): Promise<Live> {
    const { type, stream, carriedOut } = this;
    const { store, snapshots, clock } = this.env;
    return this.env.recovering(async () => {
      this.live = await recover({ type, stream, store, snapshots, carriedOut, clock });
      return this.live;
    });
  }

  private async isBehind(live: Live): Promise<boolean> {
    const newest = this.env.store.readStream(this.stream, { direction: 'backwards', limit: 1 });
    for await (const { revision, id } of newest) return revision !== live.revision || id !== live.eventId;
    return live.revision >= 0;
  }

  /** @param begins what was there before was not read */
  private async append(
    live: Live,
    events: readonly ProposedEvent[],
    begins: boolean,
  ): Promise<readonly RecordedEvent[]> {
    const expected = live.revision < 0 ? 'noStream' : live.revision;
    // A query that awaits what a command has done may await what was stored with it.
    const appended = await this.env.store.append(this.stream, expected, events, { lastPositionOnly: true });
    // They were stored before, and others behind them, as it may be.
    if (appended.duplicate && (begins || (this.env.shared && !(await this.isOwn(events, appended.revision)))))
      throw new RevisionConflictError(this.stream, expected, appended.revision);
    live.revision = appended.revision;
    live.eventId = appended.events.at(-1)?.id ?? live.eventId;
    const now = this.env.clock.now();
    for (const event of appended.events) {
      this.carriedOut.remember(event, now);
      live.tail.add(event);
    }
    this.env.stored(appended.events);
    return appended.events;
  }

  /**
   * Of a repeated append: this very one, whose first answer was lost. Another node that decided the same on the same revision, while
   * this actor did not know of it, gave its events the same ids and another time.
   */
  private async isOwn(events: readonly ProposedEvent[], revision: number): Promise<boolean> {
    const last = events.at(-1);
    const stored = this.env.store.readStream(this.stream, { from: revision, limit: 1 });
    for await (const { id, metadata } of stored)
      return id === last?.id && metadata.time === last.metadata.time && metadata.by === last.metadata.by;
    return false;
  }

  private drop(): void {
    this.live = undefined;
    this.doubtful = false;
  }
}

/** An outage or a lost race is everyone's; what doesn't fit its schema, and what nobody foresaw, came with one of them. */
function isOfOneCommand(error: unknown): boolean {
  return !(error instanceof OwlError) || error.kind === 'invalid';
}
