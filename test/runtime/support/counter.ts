/** An actor that counts whatever it is told to: a command carried out twice shows in its count. */

import { assign, setup } from 'xstate';
import type { ActorType, Command } from '../../../src/runtime/actors/actor-type.js';
import type { EventSchemas, EventsOf } from '../../../src/runtime/event-store/event-schema.js';

const events = { Counted: { version: 1, fields: { what: 'text' } } } as const satisfies EventSchemas;

const machine = setup({
  types: {} as { context: { readonly counted: readonly string[] }; events: EventsOf<typeof events> },
}).createMachine({
  context: { counted: [] },
  on: {
    Counted: {
      actions: assign(({ context, event }) => ({ counted: [...context.counted, event.data.what] })),
    },
  },
});

export type CounterMachine = typeof machine;

export const counter: ActorType<CounterMachine> = { category: 'counter', version: 1, machine, events };

export function count(what: string): Command<CounterMachine> {
  return { decide: () => [{ type: 'Counted', data: { what } }] };
}
