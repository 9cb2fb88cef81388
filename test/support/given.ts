/**
 * What an actor type does, as sentences: `given(events).when(command).then(t, events)`, for any actor type and without a
 * store: `const given = specificationOf(semaphore)`.
 *
 * Guarantees: everything is as the runtime does it.
 * - *Given*: each event goes through JSON and the event schemas, older versions through their upcasts, and then into the
 *   machine; an example that no stream could hold is an error that says which event it is.
 * - *When*: the decision is made twice on the same state and has to come out the same, without moving it; what it
 *   proposes has to be taken by the machine and to fit the schemas, or the command is refused.
 * - *Then*: the events are compared strictly, and so is the answer where one is given; and whoever reads them back, through JSON and schemas or out of a snapshot,
 *   has to stand where the actor stands.
 *
 * These objects are no promises, although they have a `then`: there is nothing to wait for, and `await` on one does not compile.
 */

import { isDeepStrictEqual } from 'node:util';
import type { AnyStateMachine, ContextFrom, EventFromLogic, SnapshotFrom } from 'xstate';
import { type ErrorKind, messageOf, OwlError } from '../../src/base/errors.js';
import type {
  ActorType,
  AnyCommand,
  Command,
  Decided,
  DomainEvent,
} from '../../src/runtime/actors/actor-type.js';
import { answerOf, eventsOf } from '../../src/runtime/actors/decision.js';
import { LiveMachine } from '../../src/runtime/actors/live-machine.js';
import { proposedEvents } from '../../src/runtime/actors/proposed-events.js';
import {
  type JsonObject,
  ORDER_ACCEPTED,
  type RecordedEvent,
  streamName,
} from '../../src/runtime/event-store/event-store.js';
import { SchemaRegistry } from '../../src/runtime/event-store/schema-checked-store.js';

/** What is asked of tap. */
export interface Asserts {
  strictSame(found: unknown, wanted: unknown, message: string): boolean;
  match(found: unknown, pattern: unknown, message: string): boolean;
}

/** An event as the current code writes it, or, with its version, as an older one did. */
export type PastEvent<M extends AnyStateMachine> =
  | EventFromLogic<M>
  | { readonly type: string; readonly version: number; readonly data: JsonObject };

export interface Refusal {
  readonly kind: ErrorKind;
  /** The whole sentence, or what it has to match. */
  readonly message: string | RegExp;
}

/** Of the state at the end, what matters: as tap's `match` has it. */
export interface StatePattern {
  readonly value?: unknown;
  readonly context?: unknown;
}

/** A command, or only what it decides. */
export type Order<M extends AnyStateMachine> =
  | Command<M>
  | Command<M, JsonObject>
  | ((snapshot: SnapshotFrom<M>) => readonly DomainEvent[]);

/** Events, and what the command is answered beside them. */
export interface Answered<M extends AnyStateMachine> {
  readonly events: readonly EventFromLogic<M>[];
  readonly answer: JsonObject;
}

export interface When<M extends AnyStateMachine> {
  /** What was decided. Throws the refusal where it was refused. */
  events(): readonly DomainEvent[];
  /** Exactly these events, none meaning that nothing changes, with this answer if it is said, or this refusal. */
  then(
    t: Asserts,
    wanted: readonly EventFromLogic<M>[] | Answered<M> | Refusal,
    what?: string | StatePattern,
    state?: StatePattern,
  ): void;
}

export interface Given<M extends AnyStateMachine> {
  /** What the machine holds then. */
  readonly context: ContextFrom<M>;
  when(order: Order<M>): When<M>;
  /** The state that the events lead to, also out of a snapshot that is kept of it. */
  leadsTo(t: Asserts, state: StatePattern, what?: string): void;
}

type Outcome = Decision | { readonly refused: ErrorKind; readonly message: string };

interface Decision {
  readonly events: readonly DomainEvent[];
  readonly answer: JsonObject | undefined;
}

const AT = 1_700_000_000_000;

export function specificationOf<M extends AnyStateMachine>(type: ActorType<M>) {
  const registry = new SchemaRegistry([type]);
  return (past: readonly PastEvent<M>[]): Given<M> => new Example<M>(type, registry, past);
}

/** What happens when the timer of this name is due at `now`, in milliseconds since the Unix epoch. */
export function timerDue<M extends AnyStateMachine>(
  type: ActorType<M>,
  name: string,
  now: number,
): Command<M> {
  return { decide: (snapshot) => type.timers?.due(name, snapshot, now) ?? [] };
}

/** Somebody wants to store exactly this: whether the machine takes it is the question. */
export function happens<E extends DomainEvent>(...events: readonly E[]): () => readonly E[] {
  return () => events;
}

class Example<M extends AnyStateMachine> implements Given<M> {
  private readonly type: ActorType;
  private readonly registry: SchemaRegistry;
  private readonly stream: string;
  private readonly past: readonly RecordedEvent[];

  constructor(type: ActorType<M>, registry: SchemaRegistry, past: readonly PastEvent<M>[]) {
    this.type = type;
    this.registry = registry;
    this.stream = streamName(type.category, 'example');
    this.past = past.map((event, revision) => this.record(event, revision));
    this.replay(this.past);
  }

  get context(): ContextFrom<M> {
    return this.replay(this.past).snapshot.context;
  }

  leadsTo(t: Asserts, state: StatePattern, what = 'the state'): void {
    const machine = this.replay(this.past);
    this.assertKeeps(machine);
    matchState(t, machine, state, what);
  }

  when(order: Order<M>): When<M> {
    const command: AnyCommand = typeof order === 'function' ? { decide: order } : order;
    const { outcome, machine } = this.carryOut(command);
    return {
      events: () => {
        if ('refused' in outcome) throw new OwlError(outcome.refused, outcome.message);
        return outcome.events;
      },
      then: (t, wanted, what, state) => {
        if (typeof t === 'function')
          throw new Error('given().when() is no promise: there is nothing to await');
        const sentence = typeof what === 'string' ? what : undefined;
        compare(t, outcome, wanted, sentence);
        const pattern = typeof what === 'object' ? what : state;
        if (pattern !== undefined) matchState(t, machine, pattern, sentence ?? 'the state afterwards');
      },
    };
  }

  /** The machine stands behind the events afterwards, or where it stood when they are refused. */
  private carryOut(command: AnyCommand): { readonly outcome: Outcome; readonly machine: LiveMachine } {
    const { stream, type, registry, past } = this;
    const machine = this.replay(past);
    let outcome: Decision;
    try {
      outcome = decideTwice(command, machine);
      machine.take(outcome.events);
    } catch (error) {
      return { outcome: refusalOf(error), machine };
    }
    const revision = past.length - 1;
    const proposed = proposedEvents({
      ...{ command, ...outcome, stream, revision },
      ...{ schemas: type.events, now: AT },
    });
    try {
      registry.check(stream, proposed);
    } catch (error) {
      // The runtime drops a machine whose events the store refused.
      return { outcome: refusalOf(error), machine: this.replay(past) };
    }
    const again = this.replay([...past, ...proposed.map((event, i) => this.record(event, past.length + i))]);
    assertSameState(machine, again, 'the stored events lead elsewhere than the decided ones');
    this.assertKeeps(machine);
    return { outcome, machine };
  }

  private assertKeeps(machine: LiveMachine): void {
    const kept = new LiveMachine(this.type.machine, JSON.parse(JSON.stringify(machine.persisted())));
    assertSameState(machine, kept, 'a kept snapshot is not the state that it was taken of');
  }

  /** As the store gives it back. */
  private record(event: DomainEvent & { readonly version?: number }, revision: number): RecordedEvent {
    const { stream } = this;
    const version = event.version ?? this.type.events[event.type]?.version ?? 1;
    const data: JsonObject = JSON.parse(JSON.stringify(event.data));
    const metadata = { time: AT, $correlationId: 'example', $causationId: 'example' };
    const stored = {
      id: `event-${revision}`,
      stream,
      revision,
      position: String(revision).padStart(20, '0'),
    };
    return this.registry.upcastOrThrow({ ...stored, type: event.type, version, data, metadata });
  }

  private replay(events: readonly RecordedEvent[]): LiveMachine {
    const machine = new LiveMachine(this.type.machine);
    for (const event of events) {
      try {
        if (event.type !== ORDER_ACCEPTED) machine.take([event]);
      } catch (error) {
        throw new Error(`no stream holds these events: number ${event.revision}: ${messageOf(error)}`, {
          cause: error,
        });
      }
    }
    return machine;
  }
}

/** @throws what is no refusal */
function refusalOf(error: unknown): Outcome {
  if (error instanceof OwlError) return { refused: error.kind, message: error.message };
  throw error;
}

function decideTwice(command: AnyCommand, machine: LiveMachine): Decision {
  const before = JSON.stringify(machine.persisted());
  const decided = attempt(() => command.decide(machine.snapshot));
  const again = attempt(() => command.decide(machine.snapshot));
  if (JSON.stringify(machine.persisted()) !== before)
    throw new Error('the decision changes the state it is given');
  if (
    !isDeepStrictEqual(again.decided, decided.decided) ||
    messageOf(again.error) !== messageOf(decided.error)
  )
    throw new Error(
      "the decision comes out differently the second time, so it can't be made again after a conflict",
    );
  if (decided.decided === undefined) throw decided.error;
  const answer = answerOf(decided.decided);
  if ('answer' in decided.decided && !isDeepStrictEqual(decided.decided.answer, answer))
    throw new Error(`the answer is another one after JSON: ${JSON.stringify(answer)}`);
  return { events: eventsOf(decided.decided), answer };
}

function attempt(decide: () => Decided<JsonObject>): {
  readonly decided?: Decided<JsonObject>;
  readonly error?: unknown;
} {
  try {
    return { decided: decide() };
  } catch (error) {
    return { error };
  }
}

function compare(
  t: Asserts,
  outcome: Outcome,
  wanted: readonly DomainEvent[] | Decision | Refusal,
  sentence: string | undefined,
): void {
  if (!('kind' in wanted)) {
    const events = 'events' in wanted ? wanted.events : wanted;
    const what = sentence ?? (events.length === 0 ? 'nothing changes' : typesOf(events));
    const found = 'refused' in outcome || 'events' in wanted ? outcome : outcome.events;
    t.strictSame(found, wanted, what);
    return;
  }
  const { kind, message } = wanted;
  const refusal = { refused: kind, message };
  if (typeof message === 'string') t.strictSame(outcome, refusal, sentence ?? `${kind}: ${message}`);
  else t.match(outcome, refusal, sentence ?? `${kind}: ${message.source}`);
}

function typesOf(events: readonly DomainEvent[]): string {
  return events.map(({ type }) => type).join(', ');
}

function matchState(t: Asserts, machine: LiveMachine, state: StatePattern, what: string): void {
  const { value, context } = machine.snapshot;
  t.match({ value, context }, state, what);
}

function assertSameState(live: LiveMachine, other: LiveMachine, problem: string): void {
  const { value, context } = live.snapshot;
  if (isDeepStrictEqual([value, context], [other.snapshot.value, other.snapshot.context])) return;
  throw new Error(
    `${problem}: ${JSON.stringify([value, context])} and ${JSON.stringify([other.snapshot.value, other.snapshot.context])}`,
  );
}
