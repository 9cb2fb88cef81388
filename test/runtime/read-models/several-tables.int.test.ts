/** A read model of two tables: they change together, are counted once a transaction, and are rebuilt together. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Database, SqlRow } from '../../../src/base/sql.js';
import type { EventStore } from '../../../src/runtime/event-store/event-store.js';
import type { Projection } from '../../../src/runtime/read-models/projection.js';
import { Checkpoints } from '../../../src/runtime/readers/checkpoints.js';
import { projecting } from '../../support/projecting.js';
import { permits } from '../../support/semaphore.js';
import { permitTables } from '../../support/semaphore-tables.js';
import { TRANSACTION, watched } from '../support/watched-statements.js';

const VICTIM = fileURLToPath(new URL('./several-tables-victim.js', import.meta.url));
const TABLES = ['permits', 'permits_by_state', 'semaphores', 'semaphores_awaited'];

let ids = 0;
async function store(at: EventStore, id: string, ...events: [string, Record<string, string | number>][]) {
  const proposed = events.map(([type, data]) => ({
    id: `00000000-0000-4000-8000-${String(++ids).padStart(12, '0')}`,
    ...{ type, data },
    version: 1,
    metadata: { time: 1_700_000_000_000, $correlationId: 'test', $causationId: 'test' },
  }));
  return await at.append(`semaphore-${id}`, 'any', proposed);
}

function takes(holder: string): [string, Record<string, string | number>] {
  return ['PermitAcquired', { holder, expires_at: 1 }];
}

function rowsIn(db: Database): { semaphores: SqlRow[]; holders: SqlRow[] } {
  const rows = (sql: string) =>
    db
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }));
  return {
    semaphores: rows('SELECT * FROM semaphores ORDER BY stream'),
    holders: rows(`SELECT * FROM permits WHERE state <> 'gone' ORDER BY stream, holder`),
  };
}

function tablesIn(db: Database): unknown[] {
  return db
    .prepare(
      `SELECT name FROM sqlite_schema WHERE name LIKE 'permits%' OR name LIKE 'semaphores%' ORDER BY name`,
    )
    .all()
    .map((row) => row['name']);
}

t.test('the events of a transaction come together, so what is counted is counted once', async (t) => {
  const { store: events, db, projector } = projecting(t);
  const many = Array.from({ length: 200 }, (_, i) => takes(`h${i}`));
  await store(events, 'a', ['SemaphoreCreated', { capacity: 500 }], ...many);
  await store(events, 'b', ['SemaphoreCreated', { capacity: 2 }], takes('x'), [
    'PermitAwaited',
    { holder: 'y' },
  ]);
  const ran: string[] = [];
  const tables = projector(permitTables, { db: watched(db, (sql) => ran.push(sql)) });
  await tables.start();
  const begun = ran.length;
  await tables.caughtUpTo(await events.head());
  const counted = ran.slice(begun);
  t.equal(counted.filter((sql) => sql === TRANSACTION).length, 1);
  t.equal(counted.filter((sql) => sql.startsWith('INSERT INTO permits')).length, 202, 'one row an event');
  t.equal(counted.filter((sql) => sql.startsWith('UPDATE semaphores')).length, 2, 'one count a semaphore');
  t.equal(counted.filter((sql) => sql.startsWith('UPDATE checkpoints')).length, 1, 'one checkpoint');
  t.match(rowsIn(db).semaphores, [
    { stream: 'semaphore-a', held: 200, waiting: 0 },
    { stream: 'semaphore-b', held: 1, waiting: 1 },
  ]);
});

t.test('one of them that cannot be applied is parked, and the counts are those of the others', async (t) => {
  const { store: events, db, projector } = projecting(t);
  await store(events, 'a', ['SemaphoreCreated', { capacity: 9 }], takes('1'), takes('2'));
  await store(
    events,
    'b',
    ['SemaphoreCreated', { capacity: 9 }],
    takes('3'),
    // It has a row already.
    ['SemaphoreCreated', { capacity: 9 }],
    takes('4'),
  );
  await store(events, 'c', ['SemaphoreCreated', { capacity: 9 }], takes('5'), [
    'PermitReleased',
    { holder: '5' },
  ]);
  const tables = projector(permitTables);
  await tables.start();
  await tables.caughtUpTo(await events.head());
  t.equal(tables.status().parked, 2, 'and what is behind it in its stream');
  const { semaphores, holders } = rowsIn(db);
  t.match(semaphores, [{ held: 2 }, { held: 1 }, { held: 0 }]);
  t.same(
    holders.map(({ holder }) => holder),
    ['1', '2', '3'],
  );
});

t.test('killed in the middle of a rebuild, both are whole, and both are swapped in together', async (t) => {
  const { store: events, db, file, projector } = projecting(t);
  for (let i = 0; i < 6; i++) {
    const of = String(i % 3);
    if (i < 3) await store(events, of, ['SemaphoreCreated', { capacity: 99 }]);
    await store(events, of, ...Array.from({ length: 9 }, (_, n) => takes(`${i}/${n}`)));
  }
  const before = projector(permitTables);
  await before.start();
  await before.caughtUpTo(await events.head());
  await before.stop();
  const rows = rowsIn(db);
  const victim = spawn(process.execPath, [VICTIM, file, '4'], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(victim.stdout, 'data');
  victim.kill('SIGKILL');
  await once(victim, 'exit');
  t.same(rowsIn(db), rows, 'the live tables are untouched');
  const shadowed = db.prepare('SELECT sum(held) AS held FROM semaphores__rebuild').get()?.['held'];
  const held = db.prepare(`SELECT count(*) AS held FROM permits__rebuild WHERE state = 'held'`).get()?.[
    'held'
  ];
  t.equal(shadowed, held, 'the shadows are those of one moment');
  t.ok(Number(held) > 0);
  t.ok(Number(held) < 54);

  const after = projector(permitTables);
  await after.start();
  await after.rebuild();
  t.same(rowsIn(db), rows);
  t.same(tablesIn(db), TABLES);
  await after.caughtUpTo((await store(events, '0', takes('new'))).position);
  t.match(rowsIn(db).semaphores, [{ held: 19 }, { held: 18 }, { held: 18 }]);
});

/** As `permits` was, with an index that a later version has on another table. */
const single: Projection = {
  ...permits,
  indexes: ['CREATE INDEX semaphores_awaited ON permits (holder)'],
};

t.test('a version that has one more table can be queried at once, and is there with the swap', async (t) => {
  const { store: events, db, projector } = projecting(t);
  await store(events, 'a', ['SemaphoreCreated', { capacity: 9 }], takes('1'));
  const old = projector(single);
  await old.start();
  await old.caughtUpTo(await events.head());
  await old.stop();
  const tables = projector({ ...permitTables, version: 2 });
  await tables.start();
  t.same(
    db.prepare('SELECT capacity FROM semaphores').all(),
    [],
    'nobody who prepares a query of it is told that it does not exist',
  );
  await tables.caughtUpTo(await events.head());
  t.match(rowsIn(db), { semaphores: [{ capacity: 9, held: 1 }], holders: [{ holder: '1' }] });
  t.same(tablesIn(db), TABLES);
});

t.test('where one of its tables is gone, all of them are made anew', async (t) => {
  const { store: events, db, projector } = projecting(t);
  await store(events, 'a', ['SemaphoreCreated', { capacity: 9 }], takes('1'));
  const first = projector(permitTables);
  await first.start();
  await first.caughtUpTo(await events.head());
  await first.stop();
  const rows = rowsIn(db);
  db.exec('DROP TABLE semaphores');
  const again = projector(permitTables);
  await again.start();
  await again.caughtUpTo(await events.head());
  t.same(rowsIn(db), rows);
  t.same(tablesIn(db), TABLES);
  t.match(new Checkpoints(db).read('permits'), { version: 1, position: await events.head() });
});
