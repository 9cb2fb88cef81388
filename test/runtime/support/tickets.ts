/** An actor that hands out numbers: what a command is answered differs each time it is carried out. */

import { assign, setup } from 'xstate';
import type { ActorType, Command } from '../../../src/runtime/actors/actor-type.js';
import type { EventSchemas, EventsOf } from '../../../src/runtime/event-store/event-schema.js';

const events = {
  Drawn: { version: 1, fields: { number: 'integer' } },
  Stamped: { version: 1, fields: {} },
} as const satisfies EventSchemas;

const machine = setup({
  types: {} as { context: { readonly drawn: number }; events: EventsOf<typeof events> },
}).createMachine({
  context: { drawn: 0 },
  on: {
    Drawn: { actions: assign(({ event }) => ({ drawn: event.data.number })) },
    Stamped: { actions: assign(({ context }) => context) },
  },
});

export type TicketsMachine = typeof machine;

export const tickets: ActorType<TicketsMachine> = { category: 'tickets', version: 1, machine, events };

/** A type and no interface: only those are JSON objects to the compiler. */
export type TicketAnswer = { number: number; of: string[] };

/** Two events, of which the last one holds the answer. */
export function draw(id?: string): Command<TicketsMachine, TicketAnswer> {
  return {
    ...(id === undefined ? {} : { id }),
    decide: ({ context }) => ({
      events: [
        { type: 'Drawn', data: { number: context.drawn + 1 } },
        { type: 'Stamped', data: {} },
      ],
      answer: { number: context.drawn + 1, of: ['house'] },
    }),
  };
}

export function orderOne(id: string): Command<TicketsMachine, TicketAnswer> {
  return { ...draw(id), asks: { name: 'draw', content: {} } };
}

/** Changes nothing and answers how it is now. */
export function look(id: string | undefined, asks = true): Command<TicketsMachine, { drawn: number }> {
  return {
    ...(id === undefined ? {} : { id }),
    ...(asks ? { asks: { name: 'look', content: {} } } : {}),
    decide: ({ context }) => ({ events: [], answer: { drawn: context.drawn } }),
  };
}
