/** Actors of the benchmark: one counts what arrives, the other remembers each token. */

import { assign, setup } from 'xstate';
import type { ActorType, Command } from '../src/runtime/actors/actor-type.js';
import type { EventSchemas, EventsOf } from '../src/runtime/event-store/event-schema.js';
import { hasToken, NO_TOKENS, type TokenSet, withToken } from '../src/state/token-set.js';

const events = { Arrived: { version: 1, fields: { token: 'text' } } } as const satisfies EventSchemas;
type Event = EventsOf<typeof events>;

const counting = setup({ types: {} as { context: { readonly count: number }; events: Event } }).createMachine(
  {
    context: { count: 0 },
    on: { Arrived: { actions: assign(({ context }) => ({ count: context.count + 1 })) } },
  },
);

const remembering = setup({
  types: {} as { context: { readonly arrived: TokenSet }; events: Event },
}).createMachine({
  context: { arrived: NO_TOKENS },
  on: {
    Arrived: {
      actions: assign(({ context, event }) => ({
        arrived: withToken(context.arrived, event.data.token, 1),
      })),
    },
  },
});

export const counter: ActorType<typeof counting> = {
  ...{ category: 'bench_counter', version: 1, machine: counting, events },
};
export const countdown: ActorType<typeof remembering> = {
  ...{ category: 'bench_countdown', version: 1, machine: remembering, events },
};

export function count(token: string): Command<typeof counting> {
  return { decide: () => [{ type: 'Arrived', data: { token } }] };
}

export function arrive(token: string): Command<typeof remembering> {
  return {
    decide: ({ context }) => (hasToken(context.arrived, token) ? [] : [{ type: 'Arrived', data: { token } }]),
  };
}
