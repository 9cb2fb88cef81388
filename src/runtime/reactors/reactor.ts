/**
 * A reactor answers events with commands: a durable subscription whose checkpoint moves once they are acknowledged.
 *
 * Guarantees: every event is reacted to at least once, and since the commands' ids follow from reactor, event and place,
 * a crash between command and checkpoint, or a second node with the same reactor, changes nothing twice; events of one
 * stream are reacted to in order, and not before the commands of the one before were acknowledged; those of one event go out
 * in bounded parallel, in order where they are for the same target.
 *
 * A node that is new to a store reacts to all its history, and so does one whose store was restored from a backup. So `react` and
 * `decide` have to judge by how things stand, and to let an old event be that nothing follows from any more.
 */

import type { AnyStateMachine, SnapshotFrom } from 'xstate';
import type { ActorType, AnyCommand, Command, CommandResult } from '../actors/actor-type.js';
import type { JsonObject, RecordedEvent } from '../event-store/event-store.js';

/** Carries out commands: the actor system, or whatever stands in for it. */
export interface CommandExecutor {
  execute<M extends AnyStateMachine, A extends JsonObject = never>(
    type: ActorType<M>,
    id: string,
    command: Command<M, A>,
  ): Promise<CommandResult<M, A>>;
}

export interface Reactor<Commands extends ReactorCommands = ReactorCommands> {
  /** Names the checkpoint and is part of the command ids: a reactor of another name reacts to everything anew. */
  readonly name: string;
  /** Only events of these categories reach `react`. With one more than before the reactor begins again where it began at first. */
  readonly categories: readonly string[];
  /** Where a new reactor begins; decided and stored at its first start. Default `beginning`, the store's first event. */
  readonly startFrom?: 'beginning' | 'now';
  /**
   * What follows from an event. It may be asked again for the same event; the first answer that was carried out counts.
   * Throwing makes it asked again a few times and then parks the event; a transient OwlError is asked again without end.
   */
  react(event: RecordedEvent, context: ReactorContext): Commands | Promise<Commands>;
}

/**
 * A list, which is sent again as a whole when one of it fails. Or many, given one by one (by a generator, say) as they can be
 * sent: then never are all in memory, and after a failure or a restart the reactor is asked again and those are left out that were
 * settled, by their places. So at one place has to stand a command to the same target with the same id each time.
 */
export type ReactorCommands =
  | readonly ReactorCommand[]
  | Iterable<ReactorCommand>
  | AsyncIterable<ReactorCommand>;

export interface ReactorContext {
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  /** Aborts when the reactor is stopped. */
  readonly signal: AbortSignal;
}

/**
 * A command and whom it is for; `commandTo` makes one. Left out, its id follows from reactor, event and place, its
 * conversation goes on from the event's, and `by` names the reactor. One that `asks` is an order, remembered as one for a day.
 */
export interface ReactorCommand {
  readonly type: ActorType;
  readonly id: string;
  readonly command: AnyCommand;
}

/** Checks the command against the type it is for. */
export function commandTo<M extends AnyStateMachine, A extends JsonObject = never>(
  type: ActorType<M>,
  id: string,
  command: Command<M, A>,
): ReactorCommand {
  return { type, id, command };
}

/**
 * The command as it is sent: the event that caused it can be read from its id, and so from `$causationId`. Everything else is as it
 * was given, what it asks for as an order included.
 */
export function completeCommand<M extends AnyStateMachine, A extends JsonObject>(
  reactor: string,
  event: RecordedEvent,
  index: number,
  command: Command<M, A>,
): Command<M, A> {
  // No literal that begins with a spread: each makes a hidden class of its own on Node 20, and there is one for each command.
  return Object.assign({}, command, {
    id: command.id ?? `reactor:${reactor}/${event.id}/${index}`,
    by: command.by ?? `reactor:${reactor}`,
    correlationId: command.correlationId ?? event.metadata.$correlationId,
    decide: (snapshot: SnapshotFrom<M>) => command.decide(snapshot),
  });
}
