/** What SQLite's store promises when the file is locked, the disk is full or the process is killed. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { openDatabase } from '../../../../src/base/sqlite.js';
import {
  openSqliteEventStore,
  SqliteEventStore,
} from '../../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import type { Availability } from '../../../../src/runtime/event-store/sqlite/write-refusals.js';
import { collect, freshStream, propose, proposeMany, valuesOf } from '../../../support/events.js';
import { ManualClock } from '../../../support/manual-clock.js';
import { EVENTS_PER_APPEND, eventsOfAppend, WRITERS } from './append-until-killed.js';

const REFUSED = { name: 'StoreUnavailableError', kind: 'unavailable', outcome: 'refused' };

/** Takes the write lock as another program does, through a connection of its own. */
function lockOf(t: Test, path: string): { take(): void; give(): void } {
  const other = openDatabase(path);
  t.teardown(() => other.close());
  return { take: () => other.exec('BEGIN IMMEDIATE'), give: () => other.exec('ROLLBACK') };
}

await t.test(
  'locked by another: waits without holding up anything, and goes on once it is free',
  async (t) => {
    const path = join(t.testdir(), 'owl.db');
    const store = openSqliteEventStore(path);
    t.teardown(() => store.close());
    const lock = lockOf(t, path);
    lock.take();
    const stream = freshStream();
    let answered = false;
    const appended = store.append(stream, 'noStream', [propose()]).finally(() => {
      answered = true;
    });
    for (let turn = 0; turn < 50; turn++) await nextTurn();
    t.equal(answered, false);
    t.strictSame(await collect(store.readStream(stream)), [], 'reading goes on meanwhile');
    // Who blocks the event loop for the lock would never come to this.
    lock.give();
    t.equal((await appended).revision, 0);
  },
);

await t.test(
  'locked for longer than its patience: refused, told when it lasts, and fine once it is free',
  async (t) => {
    const path = join(t.testdir(), 'owl.db');
    const clock = new ManualClock();
    const told: boolean[] = [];
    const store = openSqliteEventStore(path, {
      lockPatienceMs: 5,
      clock,
      onAvailability: ({ available }) => told.push(available),
    });
    t.teardown(() => store.close());
    const lock = lockOf(t, path);
    lock.take();
    const stream = freshStream();
    const locked = { ...REFUSED, message: /locked by another process/ };
    await t.rejects(store.append(stream, 'noStream', [propose()]), locked);
    t.strictSame(told, [], 'once is not for long');
    clock.advance(1_000);
    t.strictSame(told, [false]);
    await t.rejects(store.append(stream, 'noStream', [propose()]), locked);
    lock.give();
    clock.advance(1_000);
    t.strictSame(told, [false, true], 'it comes back without an append');
    t.equal((await store.append(stream, 'noStream', [propose()])).revision, 0);
    t.equal(clock.pending, 0);
  },
);

await t.test('a connection that does not wait for locks fails at once and goes on later', async (t) => {
  const path = join(t.testdir(), 'owl.db');
  const db = openDatabase(path);
  t.teardown(() => db.close());
  db.exec('CREATE TABLE numbers (n INTEGER)');
  db.waitNoMore();
  const lock = lockOf(t, path);
  lock.take();
  const insert = db.prepare('INSERT INTO numbers VALUES (?)');
  t.throws(() => db.transaction(() => insert.run(1)), { ...REFUSED, message: /locked by another process/ });
  lock.give();
  db.transaction(() => insert.run(1));
});

await t.test(
  'no room: the whole group is refused, nothing of it is kept, and when it lasts it is told',
  async (t) => {
    const db = openDatabase(join(t.testdir(), 'owl.db'));
    const clock = new ManualClock();
    const told: Availability[] = [];
    const store = new SqliteEventStore(db, {
      clock,
      onAvailability: (availability) => told.push(availability),
    });
    t.teardown(() => store.close());
    const [small, large, fine] = [freshStream(), freshStream(), freshStream()];
    await store.append(fine, 'noStream', proposeMany(1));
    // No more than there are.
    db.exec('PRAGMA max_page_count = 1');
    const outcomes = await Promise.allSettled([
      store.append(small, 'noStream', proposeMany(2)),
      store.append(large, 'noStream', [propose({ text: 'x'.repeat(200_000) })]),
    ]);
    for (const outcome of outcomes) {
      t.match(outcome, { status: 'rejected', reason: { ...REFUSED, message: /free space on its disk/ } });
    }
    t.strictSame(await collect(store.readStream(small)), []);
    t.strictSame(told, []);
    clock.advance(1_000);
    t.match(told, [{ available: false, reason: /free space on its disk/ }]);
    db.exec('PRAGMA max_page_count = 1000000');
    clock.advance(1_000);
    t.match(told.slice(1), [{ available: true }]);
    t.equal((await store.append(small, 'noStream', proposeMany(2))).revision, 1, 'with room it goes on');
    t.equal((await collect(store.readAll())).length, 3);
  },
);

/** Runs the program until it has told of so many appends, kills it, and answers what it told. */
async function runUntilKilled(t: Test, database: string, appends: number): Promise<Map<string, number>> {
  const program = fileURLToPath(new URL('./append-until-killed.js', import.meta.url));
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
