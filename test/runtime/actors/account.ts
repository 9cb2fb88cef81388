/** An actor of tests: an account that is paid into until it is closed, and some amounts that its machine can't take. */

import { assign, setup } from 'xstate';
import type { ActorType, Command } from '../../../src/runtime/actors/actor-type.js';
import type { EventSchemas, EventsOf } from '../../../src/runtime/event-store/event-schema.js';

const events = {
  Paid: { version: 1, fields: { amount: 'integer' } },
  Closed: { version: 1, fields: {} },
} as const satisfies EventSchemas;

export const machine = setup({
  types: {} as { context: { readonly sum: number }; events: EventsOf<typeof events> },
}).createMachine({
  id: 'account',
  context: { sum: 0 },
  initial: 'open',
  states: {
    open: {
      on: {
        Paid: {
          guard: ({ event }) => event.data.amount !== 13,
          actions: assign(({ context, event }) => {
            if (event.data.amount === 666) throw new Error('the machine broke');
            return { sum: context.sum + event.data.amount };
          }),
        },
        Closed: 'closed',
      },
    },
    closed: {},
  },
});

export const account: ActorType<typeof machine> = { category: 'account', version: 1, machine, events };

export function pay(amount: number, id?: string): Command<typeof machine> {
  return { ...(id === undefined ? {} : { id }), decide: () => [{ type: 'Paid', data: { amount } }] };
}

export const close: Command<typeof machine> = { decide: () => [{ type: 'Closed', data: {} }] };
