/**
 * A counting semaphore on owl's runtime, the proof that the runtime knows no plots: a machine, its events and timers, a
 * reactor and a read model, and nothing else.
 *
 * Guarantees: never more holders than the capacity; who waits is granted a permit in order of asking; a permit that is
 * not released by the end of its lease expires. An event costs the same whether ten wait or ten thousand.
 */

import { assign, type SnapshotFrom, setup } from 'xstate';
import { OwlError } from '../../src/base/errors.js';
import type { ActorType, Command } from '../../src/runtime/actors/actor-type.js';
import { type EventSchemas, type EventsOf, listOf } from '../../src/runtime/event-store/event-schema.js';
import { idOf, type JsonObject } from '../../src/runtime/event-store/event-store.js';
import { commandTo, type Reactor } from '../../src/runtime/reactors/reactor.js';
import type { Projection } from '../../src/runtime/read-models/projection.js';
import {
  firstToken,
  hasToken,
  markOf,
  NO_TOKENS,
  type TokenSet,
  tokenOfNumber,
  withoutToken,
  withToken,
} from '../../src/state/token-set.js';

const events = {
  SemaphoreCreated: { version: 1, fields: { capacity: 'integer' } },
  PermitAwaited: { version: 1, fields: { holder: 'text' } },
  PermitAcquired: { version: 1, fields: { holder: 'text', expires_at: 'integer' } },
  PermitRenewed: { version: 1, fields: { holder: 'text', expires_at: 'integer' } },
  PermitReleased: { version: 1, fields: { holder: 'text' } },
  PermitExpired: { version: 1, fields: { holder: 'text' } },
  PermitsAwaited: { version: 1, fields: { holders: listOf('text') } },
  PermitsAcquired: { version: 1, fields: { holders: listOf('text'), expires_at: 'integer' } },
} as const satisfies EventSchemas;

export type SemaphoreEvent = EventsOf<typeof events>;

interface SemaphoreContext {
  readonly capacity: number;
  /** Each with the time its permit expires, in milliseconds since the Unix epoch. */
  readonly holders: TokenSet;
  /** Each with its turn. */
  readonly waiting: TokenSet;
  /** Who waits, by turn: in order of asking. */
  readonly queue: TokenSet<string>;
  /** The next one. */
  readonly turn: number;
}

const machine = setup({
  types: {} as { context: SemaphoreContext; events: SemaphoreEvent },
}).createMachine({
  id: 'semaphore',
  context: { capacity: 0, holders: NO_TOKENS, waiting: NO_TOKENS, queue: NO_TOKENS, turn: 0 },
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
          guard: ({ context, event }) => isNew(context, event.data.holder),
          actions: assign(({ context, event }) => withWaiting(context, event.data.holder)),
        },
        PermitsAwaited: {
          guard: ({ context, event }) => areNew(context, event.data.holders),
          actions: assign(({ context, event }) => event.data.holders.reduce(withWaiting, context)),
        },
        PermitAcquired: {
          guard: ({ context, event }) => room(context) > 0 && !hasToken(context.holders, event.data.holder),
          actions: assign(({ context, event }) =>
            withHolder(context, event.data.holder, event.data.expires_at),
          ),
        },
        PermitsAcquired: {
          guard: ({ context, event: { data } }) =>
            areNew(context, data.holders) && room(context) >= data.holders.length,
          actions: assign(({ context, event: { data } }) =>
            data.holders.reduce((held, holder) => withHolder(held, holder, data.expires_at), context),
          ),
        },
        PermitRenewed: {
          guard: ({ context, event }) => hasToken(context.holders, event.data.holder),
          actions: assign(({ context, event }) => ({
            holders: withToken(context.holders, event.data.holder, event.data.expires_at),
          })),
        },
        PermitReleased: {
          guard: ({ context, event }) => hasToken(context.holders, event.data.holder),
          actions: assign(({ context, event }) => ({
            holders: withoutToken(context.holders, event.data.holder),
          })),
        },
        PermitExpired: {
          guard: ({ context, event }) => hasToken(context.holders, event.data.holder),
          actions: assign(({ context, event }) => ({
            holders: withoutToken(context.holders, event.data.holder),
          })),
        },
      },
    },
  },
});

export type SemaphoreMachine = typeof machine;

/** The name of a timer is the holder whose lease it ends. */
export const semaphore: ActorType<SemaphoreMachine> = {
  category: 'semaphore',
  version: 2,
  machine,
  events,
  timers: {
    on: ({ type, data }) => {
      const { expires_at: expiresAt } = data;
      if (type === 'PermitReleased' || type === 'PermitExpired')
        return holdersIn(data).map((cancel) => ({ cancel }));
      return typeof expiresAt === 'number' ? holdersIn(data).map((set) => ({ set, dueAt: expiresAt })) : [];
    },
    due: (holder, { context }, now) => {
      const expiresAt = markOf(context.holders, holder);
      return expiresAt !== undefined && expiresAt <= now ? [{ type: 'PermitExpired', data: { holder } }] : [];
    },
  },
};

export function create(capacity: number): Command<SemaphoreMachine> {
  return {
    decide: (state) => (state.value === 'open' ? [] : [{ type: 'SemaphoreCreated', data: { capacity } }]),
  };
}

/** What a holder is told: by a repetition the same as at first. */
export type Grant = { holder: string; state: 'held' | 'waiting' };

/** Takes a permit, or a place in the queue when there is none. Asked again, it changes nothing. */
export function acquire(
  holder: string,
  expiresAt: number,
  id = `acquire ${holder}`,
): Command<SemaphoreMachine, Grant> {
  return {
    id,
    decide: (state) => {
      const { context } = openOnly(state);
      // Its id may be forgotten: then the state answers.
      if (hasToken(context.holders, holder)) return { events: [], answer: { holder, state: 'held' } };
      if (hasToken(context.waiting, holder)) return { events: [], answer: { holder, state: 'waiting' } };
      if (room(context) <= 0 || context.waiting.count > 0)
        return {
          events: [{ type: 'PermitAwaited', data: { holder } }],
          answer: { holder, state: 'waiting' },
        };
      return {
        events: [{ type: 'PermitAcquired', data: { holder, expires_at: expiresAt } }],
        answer: { holder, state: 'held' },
      };
    },
  };
}

/** How many of them hold a permit, and how many wait, when it was ordered. */
export type Grants = { held: number; waiting: number };

/** The order of permits for several, told by two events at the most. Each of those for whom there is none waits. */
export function acquireAll(
  holders: readonly string[],
  expiresAt: number,
  id: string,
): Command<SemaphoreMachine, Grants> {
  return {
    id,
    asks: { name: 'acquire all', content: { holders: [...holders] } },
    decide: (state) => {
      const { context } = openOnly(state);
      const all = [...new Set(holders)];
      const fresh = all.filter((holder) => isNew(context, holder));
      const free = context.waiting.count > 0 ? 0 : Math.max(0, room(context));
      const [granted, waiting] = [fresh.slice(0, free), fresh.slice(free)];
      const held = granted.length + all.filter((holder) => hasToken(context.holders, holder)).length;
      const acquired = { type: 'PermitsAcquired', data: { holders: granted, expires_at: expiresAt } };
      const awaited = { type: 'PermitsAwaited', data: { holders: waiting } };
      return {
        events: [...(granted.length > 0 ? [acquired] : []), ...(waiting.length > 0 ? [awaited] : [])],
        answer: { held, waiting: all.length - held },
      };
    },
  };
}

export function renew(holder: string, expiresAt: number): Command<SemaphoreMachine> {
  return {
    decide: (state) => {
      if (!hasToken(openOnly(state).context.holders, holder))
        throw new OwlError('refused', `${holder} holds no permit`);
      return [{ type: 'PermitRenewed', data: { holder, expires_at: expiresAt } }];
    },
  };
}

export function release(holder: string, id = `release ${holder}`): Command<SemaphoreMachine> {
  return {
    id,
    decide: (state) => {
      if (!hasToken(openOnly(state).context.holders, holder))
        throw new OwlError('refused', `${holder} holds no permit`);
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
      const [, holder] = firstToken(context.queue) ?? [];
      if (holder === undefined || room(context) <= 0) return [];
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
          if (state !== undefined) for (const holder of holdersIn(data)) upsert.run(stream, holder, state);
        }
      },
    };
  },
};

const STATE_AFTER: Readonly<Record<string, string>> = {
  PermitAwaited: 'waiting',
  PermitsAwaited: 'waiting',
  PermitAcquired: 'held',
  PermitsAcquired: 'held',
  PermitReleased: 'gone',
  PermitExpired: 'gone',
};

export function holderIn(data: JsonObject): string {
  const [holder] = holdersIn(data);
  if (holder === undefined) throw new Error('the event names no holder');
  return holder;
}

/** Of an event of one, and of an event of several. */
export function holdersIn({ holder, holders }: JsonObject): readonly string[] {
  const named: readonly unknown[] = Array.isArray(holders) ? holders : [holder];
  return named.filter((one) => typeof one === 'string');
}

function openOnly(state: SnapshotFrom<SemaphoreMachine>): SnapshotFrom<SemaphoreMachine> {
  if (state.value === 'open') return state;
  throw new OwlError('not_found', 'there is no such semaphore; create it first');
}

function room({ capacity, holders }: SemaphoreContext): number {
  return capacity - holders.count;
}

function isNew({ holders, waiting }: SemaphoreContext, holder: string): boolean {
  return !hasToken(holders, holder) && !hasToken(waiting, holder);
}

function areNew(context: SemaphoreContext, holders: readonly string[]): boolean {
  return new Set(holders).size === holders.length && holders.every((holder) => isNew(context, holder));
}

function withWaiting(context: SemaphoreContext, holder: string): SemaphoreContext {
  const { waiting, queue, turn } = context;
  return {
    ...context,
    waiting: withToken(waiting, holder, turn),
    queue: withToken(queue, tokenOfNumber(turn), holder),
    turn: turn + 1,
  };
}

function withHolder(context: SemaphoreContext, holder: string, expiresAt: number): SemaphoreContext {
  const { holders, waiting, queue } = context;
  const turn = markOf(waiting, holder);
  return {
    ...context,
    holders: withToken(holders, holder, expiresAt),
    waiting: withoutToken(waiting, holder),
    queue: turn === undefined ? queue : withoutToken(queue, tokenOfNumber(turn)),
  };
}
