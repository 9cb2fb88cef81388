/**
 * Whoever was granted a permit of a semaphore is told so, once: the loop of the tests. A grant is the event that gave the permit;
 * its id names the notice, in the effect and in the command after it.
 *
 * Guarantees: a holder is told, and then it is recorded that it was; one that is told twice, since a node was killed between the
 * two, hears the same id.
 */

import { setup } from 'xstate';
import type { NodeRuntime } from '../../src/node/system.js';
import type { ActorType, Command } from '../../src/runtime/actors/actor-type.js';
import type { EventSchemas, EventsOf } from '../../src/runtime/event-store/event-schema.js';
import { idOf } from '../../src/runtime/event-store/event-store.js';
import type { Loop, LoopContext } from '../../src/runtime/loops/loop.js';
import type { Projection } from '../../src/runtime/read-models/projection.js';
import { holderIn, semaphore } from './semaphore.js';

const events = {
  HolderTold: { version: 1, fields: { semaphore: 'text', holder: 'text' } },
} as const satisfies EventSchemas;

const machine = setup({ types: {} as { events: EventsOf<typeof events> } }).createMachine({
  id: 'notice',
  initial: 'due',
  states: { due: { on: { HolderTold: 'told' } }, told: {} },
});

/** Its id is that of the grant. */
export const notice: ActorType<typeof machine> = {
  category: 'semaphore_notice',
  version: 1,
  machine,
  events,
};

export interface Notice {
  /** The id of the event that granted the permit. */
  readonly grant: string;
  readonly semaphore: string;
  readonly holder: string;
}

function told({ semaphore: name, holder }: Notice): Command<typeof machine> {
  return {
    decide: (state) =>
      state.value === 'told' ? [] : [{ type: 'HolderTold', data: { semaphore: name, holder } }],
  };
}

/** One row per grant, in their order. */
export const notices: Projection = {
  name: 'notices',
  version: 1,
  categories: [semaphore.category, notice.category],
  table: 'notices',
  createTable: (table) => `CREATE TABLE ${table} (
    grant_id TEXT PRIMARY KEY,
    position TEXT NOT NULL,
    semaphore TEXT NOT NULL,
    holder TEXT NOT NULL,
    told INTEGER NOT NULL
  ) STRICT`,
  indexes: ['CREATE INDEX notices_due ON notices (position) WHERE told = 0'],
  writer: (db, table) => {
    const insert = db.prepare(`INSERT OR IGNORE INTO ${table} VALUES (?, ?, ?, ?, 0)`);
    const update = db.prepare(`UPDATE ${table} SET told = 1 WHERE grant_id = ?`);
    return {
      apply: (applied) => {
        for (const { id, stream, position, type, data } of applied) {
          if (type === 'PermitAcquired') insert.run(id, position, idOf(stream), holderIn(data));
          else if (type === 'HolderTold') update.run(idOf(stream));
        }
      },
    };
  },
};

/** Notices that one round gives at the most. */
export const NOTICES_IN_A_ROUND = 100;

export interface TellingOptions {
  readonly runtime: Pick<NodeRuntime, 'system' | 'db'>;
  /** The effect. */
  readonly tell: (notice: Notice, signal: AbortSignal) => void | Promise<void>;
  /** Default: each node tells. */
  readonly leaseSeconds?: number;
}

export function tellsHolders({ runtime, tell, leaseSeconds }: TellingOptions): Loop {
  const { system, db } = runtime;
  const due = (): Notice[] =>
    db
      .prepare('SELECT * FROM notices WHERE told = 0 ORDER BY position LIMIT ?')
      .all(NOTICES_IN_A_ROUND)
      .map((row) => ({
        grant: String(row['grant_id']),
        semaphore: String(row['semaphore']),
        holder: String(row['holder']),
      }));
  return {
    name: 'tells-holders',
    readModels: [notices.name],
    ...(leaseSeconds === undefined ? {} : { leaseSeconds }),
    applied: (applied) => applied.some(({ type }) => type === 'PermitAcquired'),
    async round({ now, signal, assertMayAct }: LoopContext) {
      const found = due();
      for (const one of found) {
        assertMayAct();
        await tell(one, signal);
        await system.execute(notice, one.grant, told(one));
      }
      return found.length < NOTICES_IN_A_ROUND ? { why: 'everybody was told' } : { until: now };
    },
  };
}
