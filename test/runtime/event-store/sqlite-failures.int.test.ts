/** What SQLite's store promises when the file is locked, the disk is full, an answer is lost or the process is killed. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { StoreUnavailableError } from '../../../src/runtime/errors.js';
import {
  openSqliteEventStore,
  SqliteEventStore,
} from '../../../src/runtime/event-store/sqlite-event-store.js';
import { type Database, openDatabase } from '../../../src/runtime/sqlite.js';
import { EVENTS_PER_APPEND, eventsOfAppend, WRITERS } from '../../support/append-until-killed.js';
import { collect, follow, freshStream, idsOf, propose, proposeMany, valuesOf } from '../../support/events.js';

const REFUSED = { name: 'StoreUnavailableError', kind: 'unavailable', outcome: 'refused' };

await t.test('locked by another: refused, and fine once it is free', async (t) => {
  const path = join(t.testdir(), 'owl.db');
  const store = openSqliteEventStore(path, { busyTimeoutMs: 5 });
  t.teardown(() => store.close());
  const other = openDatabase(path);
  t.teardown(() => other.close());
  other.exec('BEGIN IMMEDIATE');
  const stream = freshStream();
  await t.rejects(store.append(stream, 'noStream', [propose()]), {
    ...REFUSED,
    message: /locked by another process/,
  });
  t.strictSame(await collect(store.readStream(stream)), [], 'reading goes on meanwhile');
  other.exec('ROLLBACK');
  t.equal((await store.append(stream, 'noStream', [propose()])).revision, 0);
});

await t.test('no room: the whole group is refused, and nothing of it is kept', async (t) => {
  const db = openDatabase(join(t.testdir(), 'owl.db'));
  const store = new SqliteEventStore(db);
  t.teardown(() => store.close());
  const [small, large, fine] = [freshStream(), freshStream(), freshStream()];
  await store.append(fine, 'noStream', proposeMany(1));
  db.exec('PRAGMA max_page_count = 20');
  const outcomes = await Promise.allSettled([
    store.append(small, 'noStream', proposeMany(2)),
    store.append(large, 'noStream', [propose({ text: 'x'.repeat(200_000) })]),
  ]);
  for (const outcome of outcomes) {
    t.match(outcome, { status: 'rejected', reason: { ...REFUSED, message: /free space on its disk/ } });
  }
  t.strictSame(await collect(store.readStream(small)), []);
  db.exec('PRAGMA max_page_count = 1000000');
  t.equal((await store.append(small, 'noStream', proposeMany(2))).revision, 1, 'with room it goes on');
  t.equal((await collect(store.readAll())).length, 3);
});

/** The database itself, but the answer to the next commit is lost once `lose` was called. */
function losing(db: Database): Database & { lose(): void } {
  let losing = false;
  return {
    path: db.path,
    exec: (sql) => db.exec(sql),
    prepare: (sql) => db.prepare(sql),
    sync: () => db.sync(),
    close: () => db.close(),
    lose() {
      losing = true;
    },
    transaction(work) {
      const result = db.transaction(work);
      if (!losing) return result;
      losing = false;
      throw new StoreUnavailableError('the answer was lost', 'unknown');
    },
  };
}

await t.test('an answer that was lost: unknown, recognised when tried again, and seen once', async (t) => {
  const db = losing(openDatabase(join(t.testdir(), 'owl.db')));
  const store = new SqliteEventStore(db);
  t.teardown(() => store.close());
  const stream = freshStream();
  await store.append(stream, 'noStream', proposeMany(1));
  const subscription = follow(store.subscribe(), 4);
  const events = proposeMany(2, 1);
  db.lose();
  await t.rejects(store.append(stream, 0, events), { name: 'StoreUnavailableError', outcome: 'unknown' });
  const again = await store.append(stream, 0, events);
  t.equal(again.duplicate, true);
  await store.append(stream, 2, proposeMany(1, 3));
  t.strictSame(valuesOf((await subscription).events), [0, 1, 2, 3]);
});

await t.test('an answer that was lost wakes subscribers, even when nothing follows', async (t) => {
  const db = losing(openDatabase(join(t.testdir(), 'owl.db')));
  const store = new SqliteEventStore(db);
  t.teardown(() => store.close());
  const subscription = follow(store.subscribe(), 1);
  const events = proposeMany(1);
  db.lose();
  await t.rejects(store.append(freshStream(), 'noStream', events), { outcome: 'unknown', name: /./ });
  t.strictSame(idsOf((await subscription).events), idsOf(events));
});

await t.test('a flush that fails: unknown, and nothing more is written', async (t) => {
  const db = openDatabase(join(t.testdir(), 'owl.db'));
  let failing = false;
  const sync = async () => {
    if (failing) throw new StoreUnavailableError('the disk is gone', 'unknown');
    await db.sync();
  };
  const store = new SqliteEventStore({
    path: db.path,
    exec: (sql) => db.exec(sql),
    prepare: (sql) => db.prepare(sql),
    transaction: (work) => db.transaction(work),
    close: () => db.close(),
    sync,
  });
  t.teardown(() => store.close());
  const stream = freshStream();
  await store.append(stream, 'noStream', proposeMany(1));
  failing = true;
  await t.rejects(store.append(stream, 0, proposeMany(1, 1)), {
    name: 'StoreUnavailableError',
    outcome: 'unknown',
  });
  failing = false;
  await t.rejects(store.append(freshStream(), 'noStream', proposeMany(1)), {
    name: 'StoreUnavailableError',
    outcome: 'refused',
  });
});

/** Runs the program until it has told of so many appends, kills it, and answers what it told. */
async function runUntilKilled(t: Test, database: string, appends: number): Promise<Map<string, number>> {
  const program = fileURLToPath(new URL('../../support/append-until-killed.js', import.meta.url));
  const child = spawn(process.execPath, [program, database], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const answered = new Map<string, number>();
  let lines = 0;
  for await (const line of createInterface(child.stdout)) {
    const [stream = '', n = ''] = line.split(' ');
    answered.set(stream, Number(n));
    if (++lines === appends) child.kill('SIGKILL');
  }
  t.strictSame(await exited, [null, 'SIGKILL'], 'it did not end by itself');
  return answered;
}

await t.test(
  'kill -9 while eight writers append: what was answered is there, nothing twice or by half',
  async (t) => {
    const path = join(t.testdir(), 'owl.db');
    for (const appends of [150, 400, 700]) {
      const answered = await runUntilKilled(t, path, appends);
      t.equal(answered.size, WRITERS);
      const store = openSqliteEventStore(path);
      t.teardown(() => store.close());
      for (const [stream, last] of answered) {
        const events = await collect(store.readStream(stream));
        t.ok(events.length >= (last + 1) * EVENTS_PER_APPEND, `${stream}: all that was answered`);
        t.equal(events.length % EVENTS_PER_APPEND, 0, 'no append by half');
        t.strictSame(
          valuesOf(events),
          events.map((_, n) => n),
          'each event once and in order',
        );
        const stored = events.length / EVENTS_PER_APPEND - 1;
        const expected = stored === 0 ? 'noStream' : stored * EVENTS_PER_APPEND - 1;
        const again = await store.append(stream, expected, eventsOfAppend(stream, stored));
        t.equal(again.duplicate, true, 'the last one is recognised');
      }
      await store.close();
    }
  },
);
