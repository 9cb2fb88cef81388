/**
 * A counting semaphore on owl's runtime, the proof that the runtime knows no plots: a machine, its events and timers, a
 * reactor and a read model, and nothing else.
 *
 * Guarantees: never more holders than the capacity; who waits is granted a permit in order of asking; a permit that is
 * not released by the end of its lease expires.
 */

import { assign, type SnapshotFrom, setup } from 'xstate';
import { OwlError } from '../../src/base/errors.js';
import type { ActorType, Command } from '../../src/runtime/actors/actor-type.js';
import type { EventSchemas, EventsOf } from '../../src/runtime/event-store/event-schema.js';
import { idOf, type JsonObject } from '../../src/runtime/event-store/event-store.js';
import { commandTo, type Reactor } from '../../src/runtime/reactors/reactor.js';
import type { Projection } from '../../src/runtime/read-models/projection.js';

const events = {
  SemaphoreCreated: { version: 1, fields: { capacity: 'integer' } },
  PermitAwaited: { version: 1, fields: { holder: 'text' } },
  PermitAcquired: { version: 1, fields: { holder: 'text', expires_at: 'integer' } },
  PermitRenewed: { version: 1, fields: { holder: 'text', expires_at: 'integer' } },
  PermitReleased: { version: 1, fields: { holder: 'text' } },
  PermitExpired: { version: 1, fields: { holder: 'text' } },
} as const satisfies EventSchemas;

export type SemaphoreEvent = EventsOf<typeof events>;

interface SemaphoreContext {
  readonly capacity: number;
  /** When each holder's permit expires, in milliseconds since the Unix epoch. */
  readonly holders: Readonly<Record<string, number>>;
  /** In order of asking. */
  readonly waiting: readonly string[];
}

const machine = setup({
  types: {} as { context: SemaphoreContext; events: SemaphoreEvent },
}).createMachine({
  id: 'semaphore',
  context: { capacity: 0, holders: {}, waiting: [] },
  initial: 'absent',
  states: {
    absent: {
      on: {
        SemaphoreCreated: {
          target: 'open',
          guard: ({ event }) => event.data.capacity > 0,
          actions: assign(({ event }) => ({ capacity: event.data.capacity })),
        },
      },
    },
    open: {
      on: {
        PermitAwaited: {
          guard: ({ context, event }) =>
            !holds(context, event.data.holder) && !context.waiting.includes(event.data.holder),
          actions: assign(({ context, event }) => ({ waiting: [...context.waiting, event.data.holder] })),
        },
        PermitAcquired: {
          guard: ({ context, event }) => hasRoom(context) && !holds(context, event.data.holder),
          actions: assign(({ context, event }) => ({
            holders: { ...context.holders, [event.data.holder]: event.data.expires_at },
            waiting: context.waiting.filter((holder) => holder !== event.data.holder),
          })),
        },
        PermitRenewed: {
          guard: ({ context, event }) => holds(context, event.data.holder),
          actions: assign(({ context, event }) => ({
            holders: { ...context.holders, [event.data.holder]: event.data.expires_at },
          })),
        },
        PermitReleased: {
          guard: ({ context, event }) => holds(context, event.data.holder),
          actions: assign(({ context, event }) => ({ holders: without(context.holders, event.data.holder) })),
        },
        PermitExpired: {
          guard: ({ context, event }) => holds(context, event.data.holder),
          actions: assign(({ context, event }) => ({ holders: without(context.holders, event.data.holder) })),
        },
      },
    },
  },
});

export type SemaphoreMachine = typeof machine;

/** The name of a timer is the holder whose lease it ends. */
export const semaphore: ActorType<SemaphoreMachine> = {
  category: 'semaphore',
  version: 1,
  machine,
  events,
  timers: {
    on: ({ type, data }) => {
      const { holder, expires_at: expiresAt } = data;
      if (typeof holder !== 'string') return [];
      if (type === 'PermitReleased' || type === 'PermitExpired') return [{ cancel: holder }];
      return typeof expiresAt === 'number' ? [{ set: holder, dueAt: expiresAt }] : [];
    },
    due: (holder, { context }, now) => {
      const expiresAt = context.holders[holder];
      return expiresAt !== undefined && expiresAt <= now ? [{ type: 'PermitExpired', data: { holder } }] : [];
    },
  },
};

export function create(capacity: number): Command<SemaphoreMachine> {
  return {
    decide: (state) => (state.value === 'open' ? [] : [{ type: 'SemaphoreCreated', data: { capacity } }]),
  };
}

/** Takes a permit, or a place in the queue when there is none. Asked again, it changes nothing. */
export function acquire(
  holder: string,
  expiresAt: number,
  id = `acquire ${holder}`,
): Command<SemaphoreMachine> {
  return {
    id,
    decide: (state) => {
      const { context } = openOnly(state);
      if (holds(context, holder) || context.waiting.includes(holder)) return [];
      if (!hasRoom(context) || context.waiting.length > 0)
        return [{ type: 'PermitAwaited', data: { holder } }];
      return [{ type: 'PermitAcquired', data: { holder, expires_at: expiresAt } }];
    },
  };
}

export function renew(holder: string, expiresAt: number): Command<SemaphoreMachine> {
  return {
    decide: (state) => {
      if (!holds(openOnly(state).context, holder)) throw new OwlError('refused', `${holder} holds no permit`);
      return [{ type: 'PermitRenewed', data: { holder, expires_at: expiresAt } }];
    },
  };
}

export function release(holder: string, id = `release ${holder}`): Command<SemaphoreMachine> {
  return {
    id,
    decide: (state) => {
      if (!holds(openOnly(state).context, holder)) throw new OwlError('refused', `${holder} holds no permit`);
      return [{ type: 'PermitReleased', data: { holder } }];
    },
  };
}

/** Hands a permit that has become free to the one waiting longest. */
export function grantsPermits(leaseMs: number): Reactor {
  return {
    name: 'grants-permits',
    categories: [semaphore.category],
    react: ({ type, stream, metadata }) => {
      if (type !== 'PermitReleased' && type !== 'PermitExpired') return [];
      return [commandTo(semaphore, idOf(stream), grantNext(metadata.time + leaseMs))];
    },
  };
}

function grantNext(expiresAt: number): Command<SemaphoreMachine> {
  return {
    decide: ({ context }) => {
      const [holder] = context.waiting;
      if (holder === undefined || !hasRoom(context)) return [];
      return [{ type: 'PermitAcquired', data: { holder, expires_at: expiresAt } }];
    },
  };
}

/** One row per semaphore and holder: `waiting`, `held` or `gone`. */
export const permits: Projection = {
  name: 'permits',
  version: 1,
  categories: [semaphore.category],
  table: 'permits',
  createTable: (table) => `CREATE TABLE ${table} (
    stream TEXT NOT NULL,
    holder TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (stream, holder)
  ) STRICT`,
  indexes: ['CREATE INDEX permits_by_state ON permits (stream, state)'],
  writer: (db, table) => {
    const upsert = db.prepare(
      `INSERT INTO ${table} (stream, holder, state) VALUES (?, ?, ?)
       ON CONFLICT (stream, holder) DO UPDATE SET state = excluded.state`,
    );
    return {
      apply: (events) => {
        for (const { stream, type, data } of events) {
          const state = STATE_AFTER[type];
          if (state !== undefined) upsert.run(stream, holderIn(data), state);
        }
      },
    };
  },
};

const STATE_AFTER: Readonly<Record<string, string>> = {
  PermitAwaited: 'waiting',
  PermitAcquired: 'held',
  PermitReleased: 'gone',
  PermitExpired: 'gone',
};

export function holderIn(data: JsonObject): string {
  const { holder } = data;
  if (typeof holder !== 'string') throw new Error('the event names no holder');
  return holder;
}

function openOnly(state: SnapshotFrom<SemaphoreMachine>): SnapshotFrom<SemaphoreMachine> {
  if (state.value === 'open') return state;
  throw new OwlError('not_found', 'there is no such semaphore; create it first');
}

function holds({ holders }: SemaphoreContext, holder: string): boolean {
  return Object.hasOwn(holders, holder);
}

function hasRoom({ capacity, holders }: SemaphoreContext): boolean {
  return Object.keys(holders).length < capacity;
}

function without(holders: SemaphoreContext['holders'], holder: string): SemaphoreContext['holders'] {
  const { [holder]: _gone, ...others } = holders;
  return others;
}
