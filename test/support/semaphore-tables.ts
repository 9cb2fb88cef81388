/**
 * The read model of the semaphores with a second table: beside who holds or awaits a permit, how many do. The numbers are counted
 * once for all events of a transaction, from the rows that the first table has by then.
 */

import type { Database } from '../../src/base/sql.js';
import type { Projection, ProjectionWriter } from '../../src/runtime/read-models/projection.js';
import { permits } from './semaphore.js';

export const permitTables: Projection = {
  ...permits,
  otherTables: [
    {
      table: 'semaphores',
      createTable: (table) => `CREATE TABLE ${table} (
        stream TEXT PRIMARY KEY,
        capacity INTEGER NOT NULL,
        held INTEGER NOT NULL,
        waiting INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID`,
      indexes: ['CREATE INDEX semaphores_awaited ON semaphores (stream) WHERE waiting > 0'],
    },
  ],
  writer: (db, table, semaphores = 'semaphores') => writerOf(db, table, semaphores),
};

function writerOf(db: Database, table: string, semaphores: string): ProjectionWriter {
  const rows = permits.writer(db, table);
  const create = db.prepare(
    `INSERT INTO ${semaphores} (stream, capacity, held, waiting) VALUES (?, ?, 0, 0)`,
  );
  const countOf = (state: string) =>
    `(SELECT count(*) FROM ${table} AS p WHERE p.stream = ${semaphores}.stream AND state = '${state}')`;
  const count = db.prepare(
    `UPDATE ${semaphores} SET held = ${countOf('held')}, waiting = ${countOf('waiting')} WHERE stream = ?`,
  );
  return {
    apply: (events) => {
      for (const { type, stream, data } of events)
        if (type === 'SemaphoreCreated') create.run(stream, Number(data['capacity']));
      rows.apply(events);
      for (const stream of new Set(events.map((event) => event.stream))) count.run(stream);
    },
  };
}
