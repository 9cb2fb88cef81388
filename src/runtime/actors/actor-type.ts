/**
 * An actor type is a plain object: the category of its streams, its machine, the schemas of its events and, where it
 * has any, its timers. A new kind of actor is a new object of this shape and no change in the runtime.
 */

import type { AnyStateMachine, SnapshotFrom } from 'xstate';
import type { EventSchemas } from '../event-store/event-schema.js';
import type { JsonObject, RecordedEvent } from '../event-store/event-store.js';

/** An event before it is stored: what machines consume. */
export interface DomainEvent {
  readonly type: string;
  readonly data: JsonObject;
}

export interface ActorType<M extends AnyStateMachine = AnyStateMachine> {
  /** First part of the stream names: letters, digits and `_`. */
  readonly category: string;
  /** Raise it when the machine changes: snapshots of other versions are thrown away and the stream is replayed. */
  readonly version: number;
  /**
   * Pure: no I/O, no clock, no ids, no invoked actors, no `after` and no delayed events (none survives a restart). An
   * event it has no transition for is refused.
   */
  readonly machine: M;
  /** Every event type the machine consumes. */
  readonly events: EventSchemas;
  readonly timers?: ActorTimers<M>;
  /**
   * Hardly anything comes for an actor that stands so: it is let go of as soon as it has answered, and is read from its stream by
   * whoever asks for it once more. Left out, it stays in memory as long as there is room.
   */
  isOver?(snapshot: SnapshotFrom<M>): boolean;
  /**
   * An actor that stands so waits, maybe for long, and there may be very many of them: only those that have come to it lately stay
   * in memory (`ActorSystemLimits.restingActors`), the others are read from their streams once something comes for them.
   */
  rests?(snapshot: SnapshotFrom<M>): boolean;
}

/** Durable timers: due times follow from events, and what happens at the time is decided then, from the state. */
export interface ActorTimers<M extends AnyStateMachine = AnyStateMachine> {
  /** What an event sets or cancels. Setting a name again moves it. Pure. */
  on(event: RecordedEvent): readonly TimerChange[];
  /** The events that follow when a timer is due; none when the state no longer needs it. `now` is ms since the epoch. */
  due(name: string, snapshot: SnapshotFrom<M>, now: number): readonly DomainEvent[];
}

export type TimerChange =
  | {
      readonly set: string;
      /** Milliseconds since the Unix epoch. */
      readonly dueAt: number;
      /** A whole number; of those due, the higher ones are carried out first. Default 0. */
      readonly priority?: number;
    }
  | { readonly cancel: string };

/**
 * Two orders are the same if both are. Built the same way each time: fields in another order are another content, keys of maps
 * and records in them are not.
 */
export interface Asked {
  /** `stop` for instance: messages name it. */
  readonly name: string;
  readonly content: JsonObject;
}

/** Events to store, and what the command is answered beside them: a claim, a grant, an assignment. */
export interface AnsweredDecision<A extends JsonObject> {
  readonly events: readonly DomainEvent[];
  /** JSON of at most `LARGEST_ANSWER` characters; what JSON leaves out is not in the answer that the sender gets either. */
  readonly answer: A;
}

export type Decided<A extends JsonObject> = [A] extends [never]
  ? readonly DomainEvent[]
  : readonly DomainEvent[] | AnsweredDecision<A>;

/** @typeParam A what it may be answered; left out, it is answered by its events alone */
export interface Command<M extends AnyStateMachine = AnyStateMachine, A extends JsonObject = never> {
  /**
   * Given by the sender, it makes a retry change nothing and get the first answer, as long as the id is known: of an order (`asks`)
   * for a day, of another command briefly. Left out, the id follows from the content and the revision it was decided at.
   */
  readonly id?: string | undefined;
  /**
   * Makes it an order: what it asks for. With its id it is remembered for a day at least, also where nothing changed, and
   * another order with that id is refused as `exists`. Of no account without an id. Commands that reactors, timers and reports
   * derive are none, unless they ask for something: their ids are remembered briefly, and then their decision has to see from the
   * state that they came before.
   */
  readonly asks?: Asked;
  /** Who asks: kind of peer and address or id. */
  readonly by?: string;
  readonly correlationId?: string;
  /**
   * Its actor most likely has no events yet, for its id follows from what is made only once: then a store whose append tells
   * (`EventStore.knowsAllStreams`) is not read before. Where that was wrong nothing but time is lost: it is decided again on what is
   * there.
   */
  readonly begins?: boolean;
  /**
   * Reads the actor's state and gives the events to store: none means that nothing changes. With them it may give an answer,
   * which the same command gets again as long as its id is known. Pure and repeatable: it runs again when another writer was
   * faster.
   *
   * An answer without events is stored of an order only. Of any other command it is remembered in memory, so that who asks again
   * and again for what is not there fills no stream; behind a restart the state answers.
   * @throws OwlError kind `refused` or `not_found` with the reason
   */
  decide(snapshot: SnapshotFrom<M>): Decided<A>;
}

/** A command to any actor, with any answer or none. */
export type AnyCommand = Command<AnyStateMachine, JsonObject>;

export interface CommandResult<M extends AnyStateMachine = AnyStateMachine, A extends JsonObject = never> {
  /** The actor's last revision after the command; -1 while it has no events. */
  readonly revision: number;
  /**
   * Where the command's last event stands, or the last one that was stored together with it; undefined when it changed nothing.
   * Await projections up to here.
   */
  readonly position: string | undefined;
  /** What was stored for this command. Empty when nothing changed, or when this is a retry. */
  readonly events: readonly RecordedEvent[];
  /** True when this command id had been carried out before. */
  readonly duplicate: boolean;
  /** The command's own; a retry gets the first one. Undefined where the decision that was carried out gave none. */
  readonly answer: A | undefined;
  readonly snapshot: SnapshotFrom<M>;
}
