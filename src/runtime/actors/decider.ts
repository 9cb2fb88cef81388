/**
 * What the commands of one batch decide, each on the state that the ones before it leave behind, and what they are answered once
 * that is stored.
 *
 * Guarantees: a command that came before is not decided again, wherever it came: it gets what was answered then, also where that
 * was in the same batch. A refusal of one command is no other's.
 */

import type { AnyStateMachine } from 'xstate';
import type { Clock } from '../../base/clock.js';
import { OwlError } from '../../base/errors.js';
import type { JsonObject, ProposedEvent, RecordedEvent, StreamName } from '../event-store/event-store.js';
import type { Live } from './actor-recovery.js';
import type { ActorType, AnyCommand, CommandResult, DomainEvent } from './actor-type.js';
import { askedBy, type CommandMemory, type FirstAnswer, firstAnswerAt, takenBy } from './command-memory.js';
import { answerOf, eventsOf, parsedAnswer } from './decision.js';
import type { LiveMachine } from './live-machine.js';
import { proposedEvents } from './proposed-events.js';

/** A command on its way. What was decided changes when it is decided again after a conflict. */
export interface Waiting {
  readonly command: AnyCommand;
  /** A command is answered by its own decision, or by what the same command gave first. */
  resolve(result: CommandResult<AnyStateMachine, JsonObject>): void;
  readonly reject: (error: unknown) => void;
}

export interface Decision {
  readonly waiting: Waiting;
  readonly events: readonly ProposedEvent[];
  readonly answer?: JsonObject | undefined;
  /** Why not; answered once the state it was decided on is confirmed. */
  readonly refusal?: unknown;
  /** The command came before: what it was answered, or how it was decided in this very batch. */
  readonly repeats?: FirstAnswer | Decision;
}

export interface DeciderOptions {
  readonly type: ActorType;
  readonly stream: StreamName;
  readonly carriedOut: CommandMemory;
  readonly clock: Clock;
  /** A decision threw what is no refusal: it may come of what the machine holds. */
  unforeseen(): void;
}

export class Decider {
  private readonly of: DeciderOptions;

  constructor(of: DeciderOptions) {
    this.of = of;
  }

  /** @throws what is no answer to a command: the machine may have moved by events that nobody stores */
  decideAll(live: Live, commands: readonly Waiting[]): Decision[] {
    const named = new Map<string, Decision>();
    let revision = live.revision;
    return commands.map((waiting) => {
      const { command } = waiting;
      try {
        const repeats = this.firstOf(command, named);
        if (repeats !== undefined) return { waiting, events: [], repeats };
      } catch (refusal) {
        return { waiting, events: [], refusal };
      }
      const decision = this.decide(live.machine, waiting, revision);
      revision += decision.events.length;
      if (command.id !== undefined && (decision.events.length > 0 || decision.answer !== undefined))
        named.set(command.id, decision);
      return decision;
    });
  }

  /**
   * Undefined for a command that is new.
   * @param named commands of the same batch
   * @throws OwlError kind `exists` for the id of another one, `retryable` for one order too many
   */
  private firstOf(
    command: AnyCommand,
    named: ReadonlyMap<string, Decision>,
  ): FirstAnswer | Decision | undefined {
    const { carriedOut, clock } = this.of;
    const { id } = command;
    const first = id === undefined ? undefined : named.get(id);
    if (id === undefined || first === undefined) return carriedOut.answerTo(command, clock.now());
    const asked = first.events[0]?.metadata.asked;
    if (asked === askedBy(command)) return first;
    throw takenBy(id, asked, command);
  }

  private decide(machine: LiveMachine, waiting: Waiting, revision: number): Decision {
    const { command } = waiting;
    const { stream, type, clock, unforeseen } = this.of;
    const schemas = type.events;
    let events: readonly DomainEvent[];
    let answer: JsonObject | undefined;
    let proposed: readonly ProposedEvent[];
    try {
      const decided = command.decide(machine.snapshot);
      events = eventsOf(decided);
      answer = answerOf(decided);
      const now = clock.now();
      proposed = proposedEvents({ command, events, answer, stream, revision, schemas, now });
    } catch (refusal) {
      // The machine stands where it stood; but what nobody foresaw may come of what it holds.
      if (!(refusal instanceof OwlError)) unforeseen();
      return { waiting, events: [], refusal };
    }
    try {
      machine.take(events);
      return { waiting, events: proposed, answer };
    } catch (refusal) {
      if (!(refusal instanceof OwlError)) throw refusal;
      return { waiting, events: [], refusal };
    }
  }

  /** @param stored what all of these decisions together have stored */
  answerAll(live: Live, decisions: readonly Decision[], stored: readonly RecordedEvent[]): void {
    const { snapshot } = live.machine;
    const before = live.revision - stored.length;
    let from = 0;
    for (const decision of decisions) {
      const { waiting, events: proposed, refusal, repeats, answer } = decision;
      if (refusal !== undefined) {
        waiting.reject(refusal);
        continue;
      }
      const events = stored.slice(from, from + proposed.length);
      from += proposed.length;
      const first = repeats && ('waiting' in repeats ? this.firstAnswerOf(repeats, stored) : repeats);
      const last = first ?? events.at(-1);
      // Where it was decided: others of its batch may have moved on since.
      const revision = last?.revision ?? before + from;
      if (last === undefined && answer !== undefined)
        this.of.carriedOut.rememberAnswer(waiting.command, revision, answer);
      waiting.resolve({
        revision,
        position: last?.position,
        events,
        duplicate: first !== undefined,
        answer: first === undefined ? answer : parsedAnswer(first.answer),
        snapshot,
      });
    }
  }

  /** @param decision of a command of the same batch, which was answered before */
  private firstAnswerOf(
    { events, waiting }: Decision,
    stored: readonly RecordedEvent[],
  ): FirstAnswer | undefined {
    const last = stored.find(({ id }) => id === events.at(-1)?.id);
    return last ? firstAnswerAt(last) : this.of.carriedOut.answerTo(waiting.command, this.of.clock.now());
  }
}
