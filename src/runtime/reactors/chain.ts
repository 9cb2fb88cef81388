/**
 * A chain: a command to one actor, and one to another that follows from what the first has stored. A handler carries out both
 * and answers with what the second is answered; a reactor is the safety net, for whoever stops in between.
 *
 * Guarantees:
 * - both ways ask `next` of the same event and so send the same command under the same id, so it is carried out once, whoever is
 *   first. A handler that comes second gets the first answer, as a repetition does: a second command that is answered is an
 *   order, so its answer is known for a day, whatever else its actor is told meanwhile;
 * - in between the first actor is in the state `between`, stored, for everybody to see; that there is such a state is checked when
 *   the safety net is made;
 * - the first command sent again, under its id, goes on where the chain stopped: the event that it stored is found in the stream.
 *
 * What the second actor declines has to be an event of it, never a refusal (rule 13 of the architecture): the safety net drops
 * what is refused, since the world has moved on, and the chain would stand still in `between`. What the second tells the first
 * when it is done is a reactor to its events, as any other.
 */

import type { AnyStateMachine } from 'xstate';
import { OwlError } from '../../base/errors.js';
import type { ActorType, Asked, Command, CommandResult } from '../actors/actor-type.js';
import {
  type EventStore,
  type JsonObject,
  ORDER_ACCEPTED,
  type RecordedEvent,
  streamName,
} from '../event-store/event-store.js';
import { type CommandExecutor, commandTo, completeCommand, type Reactor } from './reactor.js';

export interface Chain<A extends AnyStateMachine, B extends AnyStateMachine, R extends JsonObject = never> {
  /** Of the safety net; part of the second command's id, so it never changes. */
  readonly name: string;
  /** The first actor's type. */
  readonly from: ActorType<A>;
  /** The state of the first actor in which the second command is still to come, as `a` or `a.b`. */
  readonly between: string;
  /**
   * The second command, where it follows from this event of the first actor. Pure. Of a command of several events the first
   * that one follows from counts. One that is answered says what it `asks`: an actor takes 10,000 such orders a day. A reactor on a
   * new node reads all history again, so the command's decision has to see from the state that it came before.
   */
  next(event: RecordedEvent): ChainedCommand<B, R> | undefined;
}

export interface ChainedCommand<M extends AnyStateMachine, R extends JsonObject = never> {
  readonly type: ActorType<M>;
  readonly id: string;
  readonly command: SecondCommand<M, R>;
}

/** One with an answer has to be an order: of any other command the answer is forgotten with its id. */
type SecondCommand<M extends AnyStateMachine, R extends JsonObject> = [R] extends [never]
  ? Command<M, R>
  : Command<M, R> & { readonly asks: Asked };

export interface ChainResult<
  A extends AnyStateMachine,
  B extends AnyStateMachine,
  X extends JsonObject,
  R extends JsonObject,
> {
  readonly first: CommandResult<A, X>;
  /** Undefined where nothing followed from the first. */
  readonly second: CommandResult<B, R> | undefined;
}

/** What a chain is carried out with. */
export interface ChainContext {
  readonly system: CommandExecutor;
  readonly store: Pick<EventStore, 'readStream'>;
}

/** Carries on what stopped in between. @throws OwlError kind `invalid` where the first actor has no state `between` */
export function safetyNet<A extends AnyStateMachine, B extends AnyStateMachine, R extends JsonObject>(
  chain: Chain<A, B, R>,
): Reactor {
  const { name, from, between } = chain;
  if (!hasState(from.machine, between))
    throw new OwlError(
      'invalid',
      `chain ${name} stands in ${between}, which is no state of ${from.category}`,
    );
  return {
    name,
    categories: [from.category],
    react: (event) => {
      const next = chain.next(event);
      return next === undefined ? [] : [commandTo(next.type, next.id, next.command)];
    },
  };
}

/**
 * Both commands, one after the other.
 * @param command to the first actor; an order with an id, so that who is not answered can send it again
 * @throws what either command is refused with. After one of the second, and where it can't be carried out now, the first stands
 */
export async function executeChain<
  A extends AnyStateMachine,
  B extends AnyStateMachine,
  X extends JsonObject = never,
  R extends JsonObject = never,
>(
  { system, store }: ChainContext,
  chain: Chain<A, B, R>,
  id: string,
  command: Command<A, X> & { readonly id: string },
): Promise<ChainResult<A, B, X, R>> {
  const first = await system.execute(chain.from, id, command);
  const stream = streamName(chain.from.category, id);
  const events = first.duplicate ? await eventsOf(store, stream, command.id, first.revision) : first.events;
  for (const event of events) {
    const next = event.type === ORDER_ACCEPTED ? undefined : chain.next(event);
    if (next === undefined) continue;
    const second = await system.execute(
      next.type,
      next.id,
      completeCommand(chain.name, event, 0, next.command),
    );
    return { first, second };
  }
  return { first, second: undefined };
}

/** What a command stored that came before, in order. */
async function eventsOf(
  store: ChainContext['store'],
  stream: string,
  commandId: string,
  last: number,
): Promise<readonly RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for await (const event of store.readStream(stream, { direction: 'backwards', from: last })) {
    if (event.metadata.commandId !== commandId) break;
    events.unshift(event);
  }
  return events;
}

function hasState({ root }: AnyStateMachine, path: string): boolean {
  let node = root;
  for (const name of path.split('.')) {
    const next = Object.hasOwn(node.states, name) ? node.states[name] : undefined;
    if (next === undefined) return false;
    node = next;
  }
  return true;
}
