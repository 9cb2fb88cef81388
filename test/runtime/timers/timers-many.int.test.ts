/** Thousands of timers at one instant: how often the table is asked for them, which come first, and how late they are. */

import t from 'tap';
import { openDatabase } from '../../../src/base/sqlite.js';
import type { CommandExecutor } from '../../../src/runtime/reactors/reactor.js';
import { acquire, create, semaphore } from '../../support/semaphore.js';
import { until } from '../../support/until.js';
import { TRANSACTION, watched } from '../support/watched-statements.js';
import { timing } from './timing.js';

const ACTORS = 40;
const EACH = 50;

t.test('many due at one instant cost a look or two, and a transaction for many marks', async (t) => {
  const { clock, db, file, system, store, timers, onEnd } = await timing(t);
  const due = clock.now() + 1000;
  const all: Promise<unknown>[] = [];
  for (let i = 0; i < ACTORS; i++) {
    all.push(system.execute(semaphore, `${i}`, create(EACH)));
    for (let n = 0; n < EACH; n++) all.push(system.execute(semaphore, `${i}`, acquire(`${n}`, due)));
  }
  await Promise.all(all);
  let marks = 0;
  let looks = 0;
  let others = 0;
  let isMark = false;
  const own = openDatabase(file);
  onEnd(() => own.close());
  const running = timers({
    db: watched(own, (sql) => {
      if (sql.startsWith('SELECT stream')) looks += 1;
      if (sql.startsWith('SELECT 1 FROM timers')) others += 1;
      if (isMark && sql.includes('SET fired_at = ?')) marks += 1;
      isMark = sql === TRANSACTION;
    }),
  });
  await running.start();
  await running.caughtUpTo(await store.head());
  await until('they are armed', () => running.status().nextDueAt === due);
  looks = 0;
  clock.advance(1000);
  t.match(running.status(), { firing: 512 });
  await until('all are done', () => running.status().pending + running.status().firing === 0);
  t.ok(looks <= 3, `${looks} looks`);
  t.equal(others, 0, 'none is looked up again before its command');
  t.ok(marks > 0);
  t.ok(marks <= (ACTORS * EACH) / 10, `${marks} transactions of marks`);
  await running.caughtUpTo(await store.head());
  t.equal(db.prepare('SELECT count(*) AS n FROM timers').get()?.['n'], 0, 'each has expired its permit');
});

const urgent: typeof semaphore = {
  ...semaphore,
  timers: {
    due: (name, snapshot, now) => semaphore.timers?.due(name, snapshot, now) ?? [],
    on: (event) =>
      (semaphore.timers?.on(event) ?? []).map((change) =>
        'set' in change ? { ...change, priority: Number(change.set.split('/')[1] ?? 0) } : change,
      ),
  },
};

t.test('of those due, higher priorities come first, then the earlier ones', async (t) => {
  const { clock, submit, system, timers, history } = await timing(t);
  const order: string[] = [];
  const executor: CommandExecutor = {
    execute: (type, id, command) => {
      order.push(command.by ?? '');
      return system.execute(type, id, command);
    },
  };
  const running = timers({ types: [urgent], executor, parallel: 1 });
  await running.start();
  const due = clock.now() + 1000;
  await submit(acquire('plain', due));
  await submit(acquire('late/5', due + 2));
  await submit(acquire('early/5', due + 1));
  await submit(acquire('below/-1', due));
  await running.caughtUpTo(await submit(acquire('later/9', due + 5000)));
  await until('they are armed', () => running.status().nextDueAt === due);
  t.match(running.status(), { lateMs: 0, mostLateMs: 0 });
  // All of them fell due before anybody looked.
  await running.stop();
  clock.advance(1500);
  const again = timers({ types: [urgent], executor, parallel: 1 });
  await again.start();
  await until('those due have fired', async () => (await history()).length === 9);
  t.same(order, ['timer:early/5', 'timer:late/5', 'timer:plain', 'timer:below/-1']);
  await until('they are done', () => again.status().firing === 0);
  t.match(again.status(), { pending: 1, lateMs: 0, mostLateMs: 500 }, 'as late as the oldest was');
  clock.advance(4500);
  await until('the last has fired', () => again.status().pending === 0);
  clock.advance(180_000);
  t.equal(again.status().mostLateMs, 0, 'what was long ago is no longer told');
});

t.test('while its actor takes no commands, a timer shows how late it is', async (t) => {
  const { clock, submit, timers } = await timing(t);
  const executor: CommandExecutor = { execute: () => Promise.reject(new Error('not now')) };
  const running = timers({ executor });
  await running.start();
  await running.caughtUpTo(await submit(acquire('a', clock.now() + 1000)));
  await until('it is armed', () => running.status().nextDueAt !== undefined);
  clock.advance(1000);
  await until('it has failed', () => running.status().failing === 1);
  clock.advance(30_000);
  t.match(running.status(), { lateMs: 30_000, pending: 1 });
});

t.test('a table of an older node gets its columns and keeps its rows and marks', async (t) => {
  const { clock, db, submit, store, timers } = await timing(t);
  const before = timers();
  await before.start();
  await before.caughtUpTo(await submit(acquire('a', clock.now() + 1000)));
  await before.stop();
  db.exec(`UPDATE timers SET fired_at = 7`);
  db.exec('DROP INDEX timers_next');
  for (const column of ['priority', 'put_off_until']) db.exec(`ALTER TABLE timers DROP COLUMN ${column}`);
  const after = timers();
  await after.start();
  await after.caughtUpTo(await store.head());
  t.same(
    db
      .prepare('SELECT name, fired_at, priority, put_off_until FROM timers')
      .all()
      .map((row) => ({ ...row })),
    [{ name: 'a', fired_at: 7, priority: 0, put_off_until: 0 }],
  );
  t.ok(db.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'timers_next'`).get());
  t.equal(after.status().projector.rebuild, undefined);
});
