/** Given what happened, when this event comes, then that state or a refusal: every state of a machine × every event. */

import t from 'tap';
import type { AnyStateMachine, EventFromLogic } from 'xstate';
import type { ActorType } from '../../../src/runtime/actors/actor-type.js';
import { happens, specificationOf } from '../../support/given.js';

export interface StateTable<M extends AnyStateMachine, S extends string> {
  readonly type: ActorType<M>;
  readonly examples: readonly EventFromLogic<M>[];
  /** How to get into each state: names of examples, or events of its own. */
  readonly given: Readonly<Record<S, readonly (string | EventFromLogic<M>)[]>>;
  /** State × event → the state after it. What is not listed is refused. */
  readonly after: Readonly<Record<NoInfer<S>, Readonly<Record<string, NoInfer<S>>>>>;
  /** The value of a state, where the machine has regions. */
  readonly found?: (state: S) => unknown;
}

/** Registers a test for each state, and one that all states and events are in the table. */
export function checkEveryState<M extends AnyStateMachine, S extends string>(table: StateTable<M, S>): void {
  const { type, examples, given, after, found = (state: S) => state } = table;
  const specification = specificationOf(type);
  const byType = new Map(examples.map((event): [string, EventFromLogic<M>] => [event.type, event]));
  const past = (steps: readonly (string | EventFromLogic<M>)[]) =>
    steps.flatMap((step) => {
      const event = typeof step === 'string' ? byType.get(step) : step;
      return event === undefined ? [] : [event];
    });
  const states = Object.keys(given).filter((name): name is S => Object.hasOwn(given, name));

  t.test('the table covers every event, and every state of the machine', async (t) => {
    t.same([...byType.keys()].sort(), Object.keys(type.events).sort());
    if (table.found === undefined) t.same(states.toSorted(), Object.keys(type.machine.states).sort());
  });

  for (const state of states)
    t.test(`given ${state}`, async (t) => {
      const example = specification(past(given[state]));
      example.leadsTo(t, { value: found(state) }, `it is ${state}`);
      for (const event of examples) {
        const expected = after[state][event.type];
        const when = example.when(happens(event));
        if (expected !== undefined)
          when.then(t, [event], `${event.type} leads to ${expected}`, { value: found(expected) });
        else
          when.then(t, { kind: 'refused', message: /is not possible in state/ }, `no ${event.type}`, {
            value: found(state),
          });
      }
    });
}
