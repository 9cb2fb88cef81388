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
 * - a kept snapshot is gone on from only if the stream holds the event it was taken at: a store that came from a backup may not;
 * - on a conflict it reads what the other writer stored, decides again and appends again, a bounded number of times;
 * - a command id that was carried out before changes nothing and gets its first answer.
 *
 * Commands that wait while an append is under way are decided together and stored in one append.
 */

import type { ActorSnapshots } from './actor-snapshots.js';
import type { ActorType, Command, CommandResult } from './actor-type.js';
import type { Clock } from './clock.js';
import { CommandMemory } from './command-memory.js';
import { messageOf, OwlError, RevisionConflictError } from './errors.js';
import type { EventStore, ProposedEvent, RecordedEvent, StreamName } from './event-store/event-store.js';
import { contentCommandId, eventIdOf } from './ids.js';
import { LiveMachine } from './live-machine.js';

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
}

export interface ActorLimits {
  /** Commands that may wait for one actor. */
  readonly mailbox: number;
  /** Commands decided together at the most. */
  readonly batch: number;
  /** How often a command is decided again after losing a race. */
  readonly conflictRetries: number;
}

/** A command on its way. What was decided changes when it is decided again after a conflict. */
interface Waiting {
  readonly command: Command;
  readonly resolve: (result: CommandResult) => void;
  readonly reject: (error: unknown) => void;
}

interface Decision {
  readonly waiting: Waiting;
  readonly events: readonly ProposedEvent[];
  /** Why not; answered once the state it was decided on is confirmed. */
  readonly refusal?: unknown;
}

interface Live {
  readonly machine: LiveMachine;
  /** Revision of the last event the store has confirmed; -1 before the first. */
  revision: number;
  /** Its id; empty before the first. */
  eventId: string;
}

export class Actor {
  private readonly mailbox: Waiting[] = [];
  private readonly carriedOut = new CommandMemory();
  private readonly type: ActorType;
  private readonly stream: StreamName;
  private readonly env: ActorEnvironment;
  /** When its last command came, in milliseconds since the Unix epoch. */
  usedAt = 0;
  private live: Live | undefined;
  private draining = false;
  private working = false;
  /** The store may no longer hold what the machine rests on. */
  private doubtful = false;

  constructor(type: ActorType, stream: StreamName, env: ActorEnvironment) {
    this.type = type;
    this.stream = stream;
    this.env = env;
  }

  /** Nothing waits and nothing is under way; true as soon as the last command is being answered. */
  get idle(): boolean {
    return !this.working && this.mailbox.length === 0;
  }

  /** @throws OwlError kind `retryable` when the mailbox is full; else whatever `Command.decide` or the store throws */
  submit(command: Command): Promise<CommandResult> {
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
    return new Promise((resolve, reject) => {
      this.mailbox.push({ command, resolve, reject });
      if (!this.draining) void this.drain();
    });
  }

  /** Lets go of the machine, keeping a snapshot of it. Only for an idle actor. */
  passivate(): void {
    const { live } = this;
    if (live === undefined) return;
    this.env.snapshots?.keep(this.stream, {
      revision: live.revision,
      eventId: live.eventId,
      machineVersion: this.type.version,
      state: live.machine.persisted(),
      commands: this.carriedOut.entries(),
    });
    this.drop();
  }

  /** Before it carries out another command it reads its stream anew. */
  doubt(): void {
    this.doubtful = true;
  }

  private async drain(): Promise<void> {
    this.draining = true;
    while (this.mailbox.length > 0) {
      await this.carryOut(this.mailbox.splice(0, this.env.limits.batch));
    }
    this.draining = false;
  }

  /** Rule 1 of the architecture, top to bottom: recover, decide, append, and only then move and answer. */
  private async carryOut(commands: readonly Waiting[]): Promise<void> {
    for (let conflicts = 0; ; conflicts++) {
      this.working = true;
      if (this.doubtful) this.drop();
      try {
        const checks = this.env.shared && this.live !== undefined;
        const live = this.live ?? (await this.recover());
        const decisions = this.decideAll(live, commands);
        const events = decisions.flatMap((decision) => decision.events);
        if (checks && events.length === 0 && (await this.isBehind(live))) {
          this.drop();
          continue;
        }
        const stored = events.length === 0 ? [] : await this.append(live, events);
        this.working = false;
        this.answer(live, decisions, stored);
        return;
      } catch (error) {
        this.drop();
        if (error instanceof RevisionConflictError && conflicts < this.env.limits.conflictRetries) continue;
        // One command whose events can't be stored must not fail those that were to be stored with it.
        if (commands.length > 1 && error instanceof OwlError && error.kind === 'invalid') {
          for (const one of commands) await this.carryOut([one]);
          return;
        }
        this.working = false;
        for (const { reject } of commands) reject(error);
        return;
      }
    }
  }

  /** Recovery: the kept snapshot where a good one is there, then every event after it. */
  private recover(): Promise<Live> {
    return this.env.recovering(async () => {
      let live = this.restoreSnapshot();
      if (live === undefined || !(await this.replayOnto(live))) {
        live?.machine.stop();
        live = this.startEmpty();
        await this.replayOnto(live);
      }
      this.live = live;
      return live;
    });
  }

  /** False when the stream does not hold the event that the machine stands at, and so is another history than the snapshot's. */
  private async replayOnto(live: Live): Promise<boolean> {
    let isSameHistory = live.revision < 0;
    const from = Math.max(live.revision, 0);
    for await (const event of this.env.store.readStream(this.stream, { from })) {
      if (isSameHistory) this.replay(live, event);
      else if (event.id === live.eventId) isSameHistory = true;
      else break;
    }
    return isSameHistory;
  }

  private async isBehind(live: Live): Promise<boolean> {
    const newest = this.env.store.readStream(this.stream, { direction: 'backwards', limit: 1 });
    for await (const { revision, id } of newest) return revision !== live.revision || id !== live.eventId;
    return live.revision >= 0;
  }

  private restoreSnapshot(): Live | undefined {
    const kept = this.env.snapshots?.read(this.stream, this.type.version);
    if (kept === undefined) return undefined;
    try {
      const machine = new LiveMachine(this.type.machine, kept.state);
      this.carriedOut.reset(kept.commands);
      return { machine, revision: kept.revision, eventId: kept.eventId };
    } catch {
      // Snapshots are disposable: whatever is wrong with one, the stream has it all.
      return undefined;
    }
  }

  private startEmpty(): Live {
    this.carriedOut.reset([]);
    return { machine: new LiveMachine(this.type.machine), revision: -1, eventId: '' };
  }

  private replay(live: Live, event: RecordedEvent): void {
    try {
      live.machine.take([event]);
    } catch (error) {
      throw new OwlError(
        'unavailable',
        `${this.stream} can't be rebuilt from its history: revision ${event.revision}: ${messageOf(error)}; add the missing transition or upcast`,
        { cause: error },
      );
    }
    live.revision = event.revision;
    live.eventId = event.id;
    this.carriedOut.remember(event);
  }

  private decideAll(live: Live, commands: readonly Waiting[]): Decision[] {
    const named = new Set<string>();
    let revision = live.revision;
    return commands.map((waiting) => {
      const { command } = waiting;
      const { id } = command;
      if (id !== undefined && (named.has(id) || this.carriedOut.get(id) !== undefined)) {
        return { waiting, events: [] };
      }
      try {
        const events = this.decide(live.machine, command, revision);
        revision += events.length;
        if (id !== undefined && events.length > 0) named.add(id);
        return { waiting, events };
      } catch (refusal) {
        return { waiting, events: [], refusal };
      }
    });
  }

  private decide(machine: LiveMachine, command: Command, revision: number): ProposedEvent[] {
    const events = command.decide(machine.snapshot);
    if (events.length === 0) return [];
    machine.take(events);
    const commandId = command.id ?? contentCommandId(this.stream, revision, events);
    const metadata = {
      time: this.env.clock.now(),
      $correlationId: command.correlationId ?? commandId,
      $causationId: commandId,
      ...(command.id === undefined ? {} : { commandId }),
      ...(command.by === undefined ? {} : { by: command.by }),
    };
    return events.map(({ type, data }, index) => ({
      id: eventIdOf(commandId, this.stream, index),
      type,
      version: this.type.events[type]?.version ?? 1,
      data,
      metadata,
    }));
  }

  private async append(live: Live, events: readonly ProposedEvent[]): Promise<readonly RecordedEvent[]> {
    const expected = live.revision < 0 ? 'noStream' : live.revision;
    const appended = await this.env.store.append(this.stream, expected, events);
    live.revision = appended.revision;
    live.eventId = appended.events.at(-1)?.id ?? live.eventId;
    for (const event of appended.events) this.carriedOut.remember(event);
    this.env.stored(appended.events);
    return appended.events;
  }

  private answer(live: Live, decisions: readonly Decision[], stored: readonly RecordedEvent[]): void {
    const { snapshot } = live.machine;
    let from = 0;
    for (const { waiting, events: proposed, refusal } of decisions) {
      if (refusal !== undefined) {
        waiting.reject(refusal);
        continue;
      }
      const events = stored.slice(from, from + proposed.length);
      from += proposed.length;
      const { id } = waiting.command;
      const first = events.length > 0 || id === undefined ? undefined : this.carriedOut.get(id);
      const last = first ?? events.at(-1);
      waiting.resolve({
        revision: last?.revision ?? live.revision,
        position: last?.position,
        events,
        duplicate: first !== undefined,
        snapshot,
      });
    }
  }

  private drop(): void {
    this.live?.machine.stop();
    this.live = undefined;
    this.doubtful = false;
  }
}
