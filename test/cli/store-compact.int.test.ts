/** `owl store compact`: rows of before in today's format, while somebody writes; interrupted, resumed, and what it leaves. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Clock } from '../../src/base/clock.js';
import { systemClock } from '../../src/base/clock.js';
import { openDatabase } from '../../src/base/sqlite.js';
import { compact } from '../../src/runtime/event-store/sqlite/compaction.js';
import {
  openSqliteEventStore,
  type SqliteEventStore,
} from '../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { collect, proposeMany } from '../support/events.js';
import { fill } from '../support/histories.js';
import { makeOlder } from '../support/older-store.js';
import { owl } from '../support/terminal-double.js';

const SIZE = { streams: 40, eventsPerStream: 10 };
const EVENTS = 400;

/** A history of before that a node of today has opened. */
async function makeData(t: Test, change?: string) {
  const cwd = t.testdir({ data: {} });
  const path = join(cwd, 'data', 'owl.db');
  const before = openSqliteEventStore(path);
  await fill(before, SIZE);
  await before.close();
  await makeOlder(path);
  const run = (...more: string[]) => owl(['store', 'compact', '--from', 'data', ...more], { cwd });
  const tooEarly = await run();
  t.match(tooEarly, {
    code: 1,
    stderr: /no tables of this version .* start its node with this version first/,
  });
  const store = openSqliteEventStore(path);
  t.teardown(() => store.close());
  if (change !== undefined) ask(path, change);
  return { cwd, path, store, run };
}

function ask(path: string, sql: string): unknown {
  const db = openDatabase(path);
  try {
    return db.prepare(sql).get();
  } finally {
    db.close();
  }
}

const olderIn = (path: string) => Object(ask(path, 'SELECT count(*) AS n FROM events WHERE shape IS NULL')).n;
const all = (store: SqliteEventStore) => collect(store.readAll());

await t.test('every event stays what and where it is, also beside a writer', async (t) => {
  const { path, store, run } = await makeData(t);
  const before = await all(store);
  let stopped = false;
  const writing = (async () => {
    for (let n = 0; !stopped; n++) await store.append(`history-${n % 40}`, 'any', proposeMany(2));
  })();
  const told = await run('--json');
  stopped = true;
  await writing;
  t.equal(told.code, 0, told.stderr);
  t.match(JSON.parse(told.stdout), { rewritten: EVENTS, left: 0, free_bytes: Number });
  t.equal(olderIn(path), 0);
  const after = await all(store);
  t.strictSame(after.slice(0, EVENTS), before, 'positions, revisions, ids and content');
  t.strictSame(
    await collect(store.readStream('history-3', { limit: 10 })),
    before.filter(({ stream }) => stream === 'history-3'),
  );
  t.match(await run(), { code: 0, stdout: /^0 events rewritten/ });
  const check = await owl(['store', 'check', '--from', join(path, '..'), '--json']);
  t.match(JSON.parse(check.stdout), { problem_count: 0, without_checksum: 0, events: after.length });
});

await t.test('ended in the middle, it goes on with what is left', async (t) => {
  const { path, store } = await makeData(t);
  const before = await all(store);
  const abort = new AbortController();
  const pauses: number[] = [];
  const clock: Clock = {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic(),
    sinceBoot: () => systemClock.sinceBoot(),
    after: (_delayMs, call) => {
      pauses.push(olderIn(path));
      if (pauses.length === 2) abort.abort(new Error('enough'));
      const timer = setTimeout(call, 1);
      return () => clearTimeout(timer);
    },
  };
  const db = openDatabase(path);
  t.teardown(() => db.close());
  const options = { clock, onProgress: () => undefined };
  await t.rejects(compact(db, { ...options, signal: abort.signal }), { message: 'enough' });
  t.strictSame(pauses, [EVENTS - 128, EVENTS - 256], 'a pause after every 128 rows');
  t.strictSame(await all(store), before, 'old rows and new ones read alike');
  const { signal } = new AbortController();
  t.match(await compact(db, { ...options, signal }), { rewritten: EVENTS - 256, left: 0 });
  t.strictSame(await all(store), before);
});

await t.test('a row that can not be read stays, and is told', async (t) => {
  const { path, store, run } = await makeData(
    t,
    "UPDATE events SET data = 'x' WHERE position = 9 RETURNING 1",
  );
  const before = await all(store);
  const told = await run();
  t.match(told, { code: 1, stdout: /^399 events rewritten/, stderr: /1 event can't be read and stay/ });
  t.equal(olderIn(path), 1);
  t.strictSame(await all(store), before);
});

await t.test('what can not be meant', async (t) => {
  const cwd = t.testdir({ data: {} });
  const run = (from: string) => owl(['store', 'compact', '--from', from], { cwd });
  t.match(await run('esdb://localhost:1'), { code: 2, stderr: /is EventStoreDB/ });
  t.match(await run('data'), { code: 1, stderr: /no data directory with a history/ });
});
