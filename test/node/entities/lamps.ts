/** Entities of no system of owl: lamps, which are made, lit and put out; and a runtime that has them. */

import { join } from 'node:path';
import { pino } from 'pino';
import type { Test } from 'tap';
import { setup } from 'xstate';
import { systemClock } from '../../../src/base/clock.js';
import { OwlError } from '../../../src/base/errors.js';
import { openDatabase } from '../../../src/base/sqlite.js';
import { entityMessages } from '../../../src/node/entities/entity-messages.js';
import { entityOperations, pageFields } from '../../../src/node/entities/entity-operations.js';
import type { EntityTable } from '../../../src/node/entities/entity-table.js';
import { int64, list, message, oneOf, request, text } from '../../../src/node/operations/fields.js';
import type { Asking } from '../../../src/node/operations/operation.js';
import type { ActorType } from '../../../src/runtime/actors/actor-type.js';
import type { EventSchemas, EventsOf } from '../../../src/runtime/event-store/event-schema.js';
import { idOf } from '../../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import type { Projection } from '../../../src/runtime/read-models/projection.js';
import { openRuntime } from '../../../src/runtime/runtime.js';

export const LAMP: EntityTable = { table: 'lamps', number: 'lamp_id', uid: 'uid', noun: 'lamp', named: '1' };

const LAMP_EVENTS = {
  LampMade: { version: 1, fields: { name: 'text' } },
  LampLit: { version: 1, fields: {} },
  LampPutOut: { version: 1, fields: {} },
} as const satisfies EventSchemas;

const machine = setup({ types: {} as { events: EventsOf<typeof LAMP_EVENTS> } }).createMachine({
  initial: 'absent',
  states: {
    absent: { on: { LampMade: 'dark' } },
    dark: { on: { LampLit: 'lit' } },
    lit: { on: { LampPutOut: 'dark' } },
  },
});

export type LampMachine = typeof machine;
export const lamp: ActorType<LampMachine> = { category: 'lamp', version: 1, machine, events: LAMP_EVENTS };

const STATE_OF: Readonly<Record<string, string>> = { LampLit: 'lit', LampPutOut: 'dark' };

export const lamps: Projection = {
  name: 'lamps',
  version: 1,
  categories: ['lamp'],
  table: 'lamps',
  createTable: (table) =>
    `CREATE TABLE ${table} (lamp_id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, name TEXT NOT NULL, state TEXT NOT NULL) STRICT`,
  indexes: [],
  writer: (db, table) => {
    const insert = db.prepare(`INSERT INTO ${table} (uid, name, state) VALUES (?, ?, 'dark')`);
    const update = db.prepare(`UPDATE ${table} SET state = ? WHERE uid = ?`);
    return {
      apply: (events) => {
        for (const { type, stream, data } of events) {
          const state = STATE_OF[type];
          if (type === 'LampMade') insert.run(idOf(stream), String(data['name']));
          if (state !== undefined) update.run(state, idOf(stream));
        }
      },
    };
  },
};

export const MESSAGES = entityMessages({
  system: 'lamps',
  named: 'A uid, a running number or a name.',
  leftOut: 'Nothing is left out.',
});

const shown = message('lamps.Lamp', { lamp_id: int64().optional(), uid: text().optional() });
const all = entityOperations({
  ...{ messages: MESSAGES, service: 'lamps.Lamps', noun: 'lamp', path: '/lamps', answer: shown },
});
const some = request({ ...pageFields(), state: list(oneOf(['dark', 'lit'])) });

export const DECLARED = [
  all.status('One lamp.', MESSAGES.look),
  all.list('Lamps in pages.', some, message('lamps.LampList', { lamps: list(shown) })),
  all.watch('Lamps, then each that changes.', some),
  all.history(),
  all.order('light', 'Lights it.'),
  all.order('break', 'Breaks it.', { roles: ['operator'], success: 202 }),
];

/** @throws OwlError kind `refused` where it is lit */
export function light({ value }: { readonly value: unknown }) {
  if (value === 'lit') throw new OwlError('refused', 'it is lit');
  return [{ type: 'LampLit', data: {} }];
}

/** Who asks, and what he was told of repetition. */
export function asking(): Asking & { readonly told: boolean[] } {
  const told: boolean[] = [];
  return {
    ...{ address: '127.0.0.1', who: 'anna', over: new AbortController().signal, told },
    repeated: (duplicate) => void told.push(duplicate),
  };
}

export async function lampNode(t: Test) {
  const path = join(t.testdir({}), 'owl.db');
  const logger = pino({ level: 'silent' });
  const store = openSqliteEventStore(path);
  const runtime = openRuntime({
    ...{ store, databasePath: path, actorTypes: [lamp], projections: [lamps], clock: systemClock, logger },
  });
  await runtime.start();
  t.teardown(async () => {
    await runtime.close();
    await store.close();
  });
  const readYourWrites = () => runtime.readYourWrites();
  return { runtime, system: runtime.system, db: runtime.db, readYourWrites };
}

/** A table of lamps alone, with these names and states. */
export function lampTable(t: Test, rows: readonly (readonly [uid: string, name: string, state: string])[]) {
  const db = openDatabase(':memory:');
  t.teardown(() => db.close());
  db.exec(lamps.createTable('lamps'));
  const insert = db.prepare('INSERT INTO lamps (uid, name, state) VALUES (?, ?, ?)');
  for (const row of rows) insert.run(...row);
  return db;
}
