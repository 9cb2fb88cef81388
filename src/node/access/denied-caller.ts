/**
 * A caller that is known and was denied, as an actor of the node itself: what auditors find in the history.
 *
 * Guarantees: at most one event a minute of each caller, over restarts too; it holds no secret, and nothing of a request but what
 * was asked for.
 */

import { assign, setup } from 'xstate';
import type { ActorType, Command } from '../../runtime/actors/actor-type.js';
import type { EventSchemas, EventsOf } from '../../runtime/event-store/event-schema.js';

const EVENTS = {
  CallDenied: {
    version: 1,
    fields: {
      caller: 'text',
      operation: 'text',
      /** unauthenticated or forbidden */
      kind: 'text',
      reason: 'text',
      address: 'text',
      /** Of this caller, since the last one that was told. */
      denied_calls: 'integer',
      /** Milliseconds since the Unix epoch. */
      denied_at: 'integer',
    },
  },
} as const satisfies EventSchemas;

export const DENIED_EVERY_MS = 60_000;

export type DeniedCall = EventsOf<typeof EVENTS>['data'];

const machine = setup({
  types: {} as { context: { readonly deniedAt: number }; events: EventsOf<typeof EVENTS> },
}).createMachine({
  id: 'denied-caller',
  context: { deniedAt: 0 },
  initial: 'known',
  states: {
    known: {
      on: { CallDenied: { actions: assign(({ event }) => ({ deniedAt: event.data.denied_at })) } },
    },
  },
});

/** By the name of the caller. */
export const deniedCaller: ActorType<typeof machine> = {
  category: 'owl_caller',
  version: 1,
  machine,
  events: EVENTS,
};

export function noteDenied(call: DeniedCall): Command<typeof machine> {
  return {
    by: 'access',
    // A clock that was set back is no reason to tell more.
    decide: ({ context }) =>
      Math.abs(call.denied_at - context.deniedAt) < DENIED_EVERY_MS
        ? []
        : [{ type: 'CallDenied', data: call }],
  };
}
