import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Database } from '../../../src/base/sql.js';
import { openDatabase } from '../../../src/base/sqlite.js';
import type { RecordedEvent } from '../../../src/runtime/event-store/event-store.js';
import { Checkpoints } from '../../../src/runtime/readers/checkpoints.js';
import { holdingBack } from '../../support/held-store.js';
import { projecting } from '../../support/projecting.js';
import { until } from '../../support/until.js';
import { add, appendTo, rowsOf, talliesProjection } from '../support/tallies.js';

const SHADOW = 'tallies__rebuild';
const VICTIM = fileURLToPath(new URL('./rebuild-victim.js', import.meta.url));

function tablesIn(db: Database): unknown[] {
  return db
    .prepare(`SELECT name FROM sqlite_schema WHERE name LIKE 'tallies%' ORDER BY name`)
    .all()
    .map((row) => row['name']);
}

t.test('a rebuild while writes go on gives the same table as applying event by event', async (t) => {
  const { store, db, projector, onEnd } = projecting(t);
  const gate = holdingBack(store);
  const tallies = projector(talliesProjection(), { store: gate.store, batchSize: 7 });
  const told: string[] = [];
  tallies.onApplied((events) => told.push(...events.map(({ id }) => id)));
  await tallies.start();
  const stored: RecordedEvent[] = [];
  const write = async (streams: number) => {
    for (let i = 0; i < 100; i++) stored.push(...(await add(store, `${i % streams}`, i)).events);
  };
  await write(9);
  await tallies.caughtUpTo(await store.head());
  const query = db.prepare('SELECT sum(total) AS total FROM tallies WHERE total >= 0');

  gate.shut();
  gate.pass(3);
  const rebuilding = tallies.rebuild();
  t.equal(tallies.rebuild(), rebuilding, 'a rebuild under way is joined');
  await until('the rebuild stands in the middle', () => gate.waiting());
  await write(11);
  await tallies.caughtUpTo(await store.head());
  t.equal(rowsOf(db).length, 11, 'the live table goes on');
  t.match(tallies.status(), { caughtUp: true, rebuild: { checkpoint: '0000000000000021' } });
  gate.pass();
  await write(13);
  await rebuilding;
  await write(17);
  await tallies.caughtUpTo(await store.head());

  const fresh = openDatabase(':memory:');
  onEnd(() => fresh.close());
  const incremental = projector(talliesProjection(), { db: fresh });
  await incremental.start();
  await incremental.caughtUpTo(await store.head());
  t.same(rowsOf(db), rowsOf(fresh));
  t.same(tablesIn(db), ['tallies', 'tallies_by_total']);
  t.equal(query.get()?.['total'], 4 * 4950, 'a query prepared before the swap reads the new table');
  t.match(tallies.status(), { rebuild: undefined, parked: 0, caughtUp: true });
  t.same(
    told,
    stored.map(({ id }) => id),
    'listeners hear each event once and in order',
  );
});

t.test(
  'a shadow that came to an end of the store which the live table has passed is not swapped in',
  async (t) => {
    const { store, db, projector } = projecting(t);
    const gate = holdingBack(store);
    const tallies = projector(talliesProjection(), { store: gate.store });
    await tallies.start();
    await tallies.caughtUpTo((await add(store, 'a', 1)).position);
    gate.shut();
    const rebuilding = tallies.rebuild();
    await until('the shadow has read all there is', () => gate.waiting());
    const { position } = await add(store, 'a', 2);
    await tallies.caughtUpTo(position);
    gate.pass();
    await rebuilding;
    t.match(rowsOf(db), [{ total: 3, applied: 2 }]);
    t.match(new Checkpoints(db).read('tallies'), { position });
    t.equal(tallies.status().parked, 0);
  },
);

t.test(
  'the live table waits for a shadow that has come close, so that it is not outrun for ever',
  async (t) => {
    const { store, db, projector, onEnd } = projecting(t);
    const gate = holdingBack(store);
    const tallies = projector(talliesProjection(), { store: gate.store });
    await tallies.start();
    await tallies.caughtUpTo((await add(store, 'a', 1)).position);
    gate.shut();
    const rebuilding = tallies.rebuild();
    await until('the shadow has read all there is', () => gate.waiting());
    await tallies.caughtUpTo((await add(store, 'a', 2)).position);
    gate.pass(1);
    await until('the shadow has read on', () => gate.waiting());

    const { position } = await add(store, 'a', 3);
    const memory = openDatabase(':memory:');
    onEnd(() => memory.close());
    const other = projector(talliesProjection(), { db: memory });
    await other.start();
    await other.caughtUpTo(position);
    t.match(rowsOf(memory), [{ total: 6 }], 'others go on');
    t.match(rowsOf(db), [{ total: 3 }]);
    t.equal(tallies.status().caughtUp, false);
    gate.pass();
    await rebuilding;
    await tallies.caughtUpTo(position);
    t.match(rowsOf(db), [{ total: 6, applied: 3 }]);
  },
);

t.test('a rebuild replaces what the live table has wrong, and its parked events', async (t) => {
  const { store, db, projector } = projecting(t);
  let broken = true;
  const projection = talliesProjection({
    before: ({ data }) => {
      if (broken && data['amount'] === 13) throw new Error('thirteen');
    },
  });
  const tallies = projector(projection);
  await tallies.start();
  await add(store, 'a', 13);
  await add(store, 'a', 1);
  await appendTo(store, 'tally-b', ['none']);
  await tallies.caughtUpTo(await store.head());
  db.exec(`INSERT INTO tallies VALUES ('tally-ghost', 1, 1, 0, NULL)`);
  t.equal(tallies.status().parked, 3);

  broken = false;
  await tallies.rebuild();
  t.match(rowsOf(db), [{ stream: 'tally-a', total: 14 }]);
  t.equal(rowsOf(db).length, 1);
  t.match(tallies.parked(), [{ reader: 'tallies', stream: 'tally-b', error: 'amount is "none"' }]);
  t.equal(tallies.parked().length, 1);
  await tallies.caughtUpTo((await appendTo(store, 'tally-b', [1])).position);
  t.equal(tallies.status().parked, 2, 'the stream is still blocked after the swap');
});

t.test('a read model of another version is rebuilt at start while the old one can be read', async (t) => {
  const { store, db, projector } = projecting(t);
  const first = projector(talliesProjection());
  await first.start();
  await add(store, 'a', 1);
  await first.caughtUpTo((await add(store, 'b', 2)).position);
  await first.stop();
  await add(store, 'c', 3);

  const served: unknown[] = [];
  const second = projector(talliesProjection({ version: 2, before: () => served.push(rowsOf(db).length) }));
  await second.start();
  t.match(second.status(), { caughtUp: false, version: 2 });
  const { position } = await add(store, 'a', 4);
  await second.caughtUpTo(position);
  t.same(served.slice(0, 3), [2, 2, 2], 'the rebuild reads from the beginning, beside the old table');
  t.match(rowsOf(db), [
    { stream: 'tally-a', total: 5 },
    { stream: 'tally-b', total: 2 },
    { stream: 'tally-c', total: 3 },
  ]);
  t.match(new Checkpoints(db).read('tallies'), { version: 2, position });
  t.same(tablesIn(db), ['tallies', 'tallies_by_total']);
});

t.test('an empty store is rebuilt, too', async (t) => {
  const { db, projector } = projecting(t);
  const tallies = projector(talliesProjection());
  await tallies.start();
  await tallies.rebuild();
  t.same(rowsOf(db), []);
});

t.test(
  'killed in the middle of a rebuild, the live table is whole, and the rebuild is finished at the next start',
  async (t) => {
    const { file, store, db, projector } = projecting(t);
    const before = projector(talliesProjection());
    await before.start();
    for (let i = 0; i < 100; i++) await add(store, `${i % 9}`, i);
    await before.caughtUpTo(await store.head());
    await before.stop();
    const rows = rowsOf(db);

    const victim = spawn(process.execPath, [VICTIM, file, '55'], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(victim.stdout, 'data');
    victim.kill('SIGKILL');
    await once(victim, 'exit');

    t.same(rowsOf(db), rows, 'the live table is untouched');
    t.match(
      new Checkpoints(db).read('tallies#rebuild'),
      { position: '0000000000000050' },
      'the shadow has its own checkpoint',
    );
    const shadowed: RecordedEvent[] = [];
    const after = projector(
      talliesProjection({
        before: (event, table) => {
          if (table === SHADOW) shadowed.push(event);
        },
      }),
    );
    await after.start();
    await after.rebuild();
    t.equal(shadowed.length, 50, 'it goes on where it was killed');
    t.same(rowsOf(db), rows);
    t.same(tablesIn(db), ['tallies', 'tallies_by_total']);
    await after.caughtUpTo((await add(store, 'new', 1)).position);
    t.equal(rowsOf(db).length, rows.length + 1);
  },
);

t.test('a shadow of another version is thrown away', async (t) => {
  const { store, db, projector } = projecting(t);
  const before = projector(talliesProjection());
  await before.start();
  await before.caughtUpTo((await add(store, 'a', 1)).position);
  await before.stop();
  db.exec(`CREATE TABLE ${SHADOW} (other TEXT)`);
  new Checkpoints(db).put('tallies#rebuild', { version: 7, position: await store.head() });

  const after = projector(talliesProjection());
  await after.start();
  t.equal(after.status().rebuild, undefined, 'and does not begin a rebuild by itself');
  await after.rebuild();
  t.match(rowsOf(db), [{ stream: 'tally-a', total: 1 }]);
});

t.test('a rebuild that is stopped says so, and goes on by itself at the next start', async (t) => {
  const { store, db, projector } = projecting(t);
  const { position } = await add(store, 'a', 1);
  const first = projector(talliesProjection());
  await first.start();
  await first.caughtUpTo(position);
  const interrupted = t.rejects(first.rebuild(), /interrupted/);
  await first.stop();
  await interrupted;
  await t.rejects(first.rebuild(), /is stopped/);
  t.same(tablesIn(db), ['tallies', SHADOW, 'tallies_by_total']);

  const again = projector(talliesProjection());
  await again.start();
  t.ok(again.status().rebuild);
  await again.rebuild();
  t.same(tablesIn(db), ['tallies', 'tallies_by_total']);
  t.match(rowsOf(db), [{ total: 1 }]);
});

t.test('stopped and started while a new version is being filled', async (t) => {
  const { store, db, projector } = projecting(t);
  const { position } = await add(store, 'a', 1);
  const old = projector(talliesProjection());
  await old.start();
  await old.caughtUpTo(position);
  await old.stop();
  const interrupted = projector(talliesProjection({ version: 2 }));
  await interrupted.start();
  const waiting = t.rejects(interrupted.caughtUpTo(position), /is stopped/);
  await interrupted.stop();
  await waiting;
  t.match(new Checkpoints(db).read('tallies'), { version: 1 });

  const finished = projector(talliesProjection({ version: 2 }));
  await finished.start();
  await finished.caughtUpTo(position);
  t.match(new Checkpoints(db).read('tallies'), { version: 2 });
  t.match(rowsOf(db), [{ total: 1 }]);
});
