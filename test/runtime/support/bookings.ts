/**
 * Two kinds of actors in a chain: a booking asks a hall for a seat. The hall declines by an event and answers what it gave; the
 * booking stands in `asking` until it is told.
 */

import { assign, setup } from 'xstate';
import { OwlError } from '../../../src/base/errors.js';
import type { ActorType, Command } from '../../../src/runtime/actors/actor-type.js';
import type { EventSchemas, EventsOf } from '../../../src/runtime/event-store/event-schema.js';
import { idOf } from '../../../src/runtime/event-store/event-store.js';
import type { Chain } from '../../../src/runtime/reactors/chain.js';
import { commandTo, type Reactor } from '../../../src/runtime/reactors/reactor.js';
import { hasToken, markOf, NO_TOKENS, type TokenSet, withToken } from '../../../src/state/token-set.js';

const bookingEvents = {
  SeatAsked: { version: 1, fields: { hall: 'text' } },
  SeatGiven: { version: 1, fields: { seat: 'integer' } },
  SeatRefused: { version: 1, fields: {} },
} as const satisfies EventSchemas;

const bookingMachine = setup({
  types: {} as { context: { readonly seat: number }; events: EventsOf<typeof bookingEvents> },
}).createMachine({
  context: { seat: 0 },
  initial: 'new',
  states: {
    new: { on: { SeatAsked: 'asking' } },
    asking: {
      on: {
        SeatGiven: { target: 'seated', actions: assign(({ event }) => ({ seat: event.data.seat })) },
        SeatRefused: 'refused',
      },
    },
    seated: {},
    refused: {},
  },
});

const hallEvents = {
  HallOpened: { version: 1, fields: { seats: 'integer' } },
  SeatTaken: { version: 1, fields: { booking: 'text', seat: 'integer' } },
  SeatDeclined: { version: 1, fields: { booking: 'text' } },
} as const satisfies EventSchemas;

interface HallContext {
  readonly seats: number;
  /** Who asked, and the seat that each has; 0 for none. */
  readonly asked: TokenSet;
}

const hallMachine = setup({
  types: {} as { context: HallContext; events: EventsOf<typeof hallEvents> },
}).createMachine({
  context: { seats: 0, asked: NO_TOKENS },
  initial: 'closed',
  states: {
    closed: {
      on: {
        HallOpened: { target: 'open', actions: assign(({ event }) => ({ seats: event.data.seats })) },
      },
    },
    open: {
      on: {
        SeatTaken: {
          guard: ({ context, event }) => !hasToken(context.asked, event.data.booking),
          actions: assign(({ context, event }) => ({
            asked: withToken(context.asked, event.data.booking, event.data.seat),
          })),
        },
        SeatDeclined: {
          guard: ({ context, event }) => !hasToken(context.asked, event.data.booking),
          actions: assign(({ context, event }) => ({
            asked: withToken(context.asked, event.data.booking, 0),
          })),
        },
      },
    },
  },
});

type BookingMachine = typeof bookingMachine;
type HallMachine = typeof hallMachine;

export const booking: ActorType<BookingMachine> = {
  ...{ category: 'booking', version: 1, machine: bookingMachine, events: bookingEvents },
};
export const hall: ActorType<HallMachine> = {
  ...{ category: 'hall', version: 1, machine: hallMachine, events: hallEvents },
};

export const open = (seats: number): Command<HallMachine> => ({
  decide: ({ value }) => (value === 'open' ? [] : [{ type: 'HallOpened', data: { seats } }]),
});

/** The order of a seat. */
export const askFor = (id: string): Command<BookingMachine> & { readonly id: string } => ({
  id,
  asks: { name: 'book', content: {} },
  decide: ({ value }) => {
    if (value !== 'new') throw new OwlError('exists', 'this booking was made before');
    return [{ type: 'SeatAsked', data: { hall: 'h' } }];
  },
});

/** The seat, or 0 for none. */
export type Seat = { seat: number };

export const take = (of: string) =>
  ({
    asks: { name: 'take', content: { booking: of } },
    decide: ({ value, context }) => {
      if (value !== 'open') throw new OwlError('not_found', 'there is no such hall');
      const given = markOf(context.asked, of);
      // Decided by state: after a day its id is forgotten.
      if (given !== undefined) return { events: [], answer: { seat: given } };
      const seat = context.asked.count < context.seats ? context.asked.count + 1 : 0;
      const taken = { type: 'SeatTaken', data: { booking: of, seat } };
      const declined = { type: 'SeatDeclined', data: { booking: of } };
      return { events: [seat > 0 ? taken : declined], answer: { seat } };
    },
  }) satisfies Command<HallMachine, Seat>;

export const seating: Chain<BookingMachine, HallMachine, Seat> = {
  name: 'seating',
  from: booking,
  between: 'asking',
  next: ({ type, data, stream }) =>
    type === 'SeatAsked' ? { type: hall, id: String(data['hall']), command: take(idOf(stream)) } : undefined,
};

/** Tells bookings what halls have decided, which ends the chain. */
export const tellsBookings: Reactor = {
  name: 'tells-bookings',
  categories: [hall.category],
  react: ({ type, data }) => {
    if (type !== 'SeatTaken' && type !== 'SeatDeclined') return [];
    const told =
      type === 'SeatTaken'
        ? { type: 'SeatGiven', data: { seat: data['seat'] ?? 0 } }
        : { type: 'SeatRefused', data: {} };
    const command: Command<BookingMachine> = {
      decide: ({ value }) => (value === 'asking' ? [told] : []),
    };
    return [commandTo(booking, String(data['booking']), command)];
  },
};
