/** A tally: its machine, what can be decided of it, and its read model. */

import {
  type ActorType,
  type Command,
  type EventSchemas,
  type EventsOf,
  idOf,
  type Projection,
} from 'owl-fleet/system';
import { assign, setup } from 'xstate';

const events = {
  TallyAdded: { version: 1, fields: { by: 'integer' } },
} as const satisfies EventSchemas;

const machine = setup({
  types: {} as { context: { readonly count: number }; events: EventsOf<typeof events> },
}).createMachine({
  id: 'tally',
  context: { count: 0 },
  on: { TallyAdded: { actions: assign(({ context, event }) => ({ count: context.count + event.data.by })) } },
});

export const tally: ActorType<typeof machine> = { category: 'tally', version: 1, machine, events };

export function add(by: number): Command<typeof machine, { count: number }> {
  return {
    decide: ({ context }) => ({
      events: [{ type: 'TallyAdded', data: { by } }],
      answer: { count: context.count + by },
    }),
  };
}

export const tallies: Projection = {
  name: 'tallies',
  version: 1,
  categories: [tally.category],
  table: 'tallies',
  createTable: (table) => `CREATE TABLE ${table} (name TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT`,
  indexes: [],
  writer: (db, table) => {
    const upsert = db.prepare(
      `INSERT INTO ${table} (name, count) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET count = count + excluded.count`,
    );
    return {
      apply: (applied) => {
        for (const { stream, data } of applied) upsert.run(idOf(stream), Number(data['by']));
      },
    };
  },
};
