/** Nothing is told that could still be lost: what SQLite's store does where flushes fail, hang or never came, and files go. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { openDatabase, type SqliteDatabase } from '../../../../src/base/sqlite.js';
import type { EventStore } from '../../../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { badDisk } from '../../../support/bad-disk.js';
import {
  collect,
  follow,
  freshStream,
  ofKind,
  propose,
  proposeMany,
  valuesOf,
} from '../../../support/events.js';
import { until } from '../../../support/until.js';

const UNKNOWN = { name: 'StoreUnavailableError', kind: 'unavailable', outcome: 'unknown' };
const REFUSED = { ...UNKNOWN, outcome: 'refused' };

t.afterEach(() => badDisk.letGo());

/** A store and the connection of its read models, as a node has them. */
function openNode(
  t: Test,
  path = join(t.testdir(), 'owl.db'),
): { store: EventStore; db: SqliteDatabase; path: string } {
  const store = openSqliteEventStore(path);
  t.teardown(() => store.close());
  const db = openDatabase(path);
  t.teardown(() => db.close());
  db.exec('CREATE TABLE IF NOT EXISTS rows (n INTEGER)');
  return { store, db, path };
}

async function tellsNothing(
  t: Test,
  { store, db }: { store: EventStore; db: SqliteDatabase },
  stream: string,
) {
  await t.rejects(store.append(stream, 'noStream', [propose()]), REFUSED, 'no conflict');
  await t.rejects(collect(store.readStream(stream)), REFUSED, 'no history');
  await t.rejects(collect(store.readAll()), REFUSED, 'no rebuild');
  await t.rejects(store.head(), REFUSED, 'no end');
  await t.rejects(follow(store.subscribe(), 1), REFUSED, 'no subscription');
  t.throws(() => db.prepare('SELECT 1'), REFUSED, 'no query');
  t.throws(() => db.transaction(() => undefined), REFUSED, 'no row');
}

await t.test('a flush that fails: nothing of it is told to anyone, nor is anything else', async (t) => {
  const node = openNode(t);
  const { store, db, path } = node;
  const stream = freshStream();
  await store.append(stream, 'noStream', proposeMany(1));
  const subscriber = t.rejects(follow(store.subscribe(), 2), REFUSED, 'who listened is told why it ends');
  const query = db.prepare('SELECT count(*) AS count FROM events');
  const reasons: string[] = [];
  db.file.onBroken(({ message }) => reasons.push(message));
  const lost = proposeMany(1, 1);
  badDisk.mood = 'failing';
  await t.rejects(store.append(stream, 0, lost), {
    ...UNKNOWN,
    message: /owl\.db could not be flushed.*EIO/,
  });
  badDisk.mood = 'well';
  await t.rejects(store.append(stream, 0, lost), REFUSED, 'the same again is no success');
  await subscriber;
  t.throws(() => query.get(), REFUSED);
  await tellsNothing(t, node, stream);
  t.equal(reasons.length, 1, 'it is told once');

  await store.close();
  db.close();
  const before = badDisk.flushes;
  const again = openNode(t, path).store;
  t.ok(badDisk.flushes > before, 'who opens it anew flushes first');
  t.equal((await again.append(stream, 0, lost)).duplicate, true, 'then it is known what is there');
});

await t.test('what is not flushed yet is not told, whoever wrote it', async (t) => {
  const { store, path } = openNode(t);
  const { store: other } = openNode(t, path);
  const stream = freshStream();
  await store.append(stream, 'noStream', proposeMany(1));
  const events = proposeMany(1, 1);
  badDisk.mood = 'holding';
  const settled: string[] = [];
  const note = async <T>(what: string, promise: Promise<T>): Promise<T> => {
    const result = await promise;
    settled.push(what);
    return result;
  };
  const first = note('append', store.append(stream, 0, events));
  await until('it is being flushed', () => badDisk.held === 1);
  const reads = [
    note('stream', collect(other.readStream(stream))),
    note('all', collect(other.readAll())),
    note(
      'subscription',
      follow(other.subscribe(), 2).then((followed) => followed.events),
    ),
  ];
  const head = note('head', other.head());
  const repeated = note('duplicate', other.append(stream, 0, events));
  const conflict = note('conflict', t.rejects(other.append(stream, 0, proposeMany(1)), ofKind('conflict')));
  await until('the other flushes too', () => badDisk.held === 2);
  for (let turn = 0; turn < 20; turn++) await nextTurn();
  t.strictSame(settled, []);
  badDisk.letGo();
  const { position } = await first;
  for (const events of await Promise.all(reads)) t.strictSame(valuesOf(events), [0, 1]);
  t.equal(await head, position);
  t.equal((await repeated).duplicate, true);
  await conflict;
});

await t.test('an I/O error of one connection ends all of them', async (t) => {
  const node = openNode(t);
  const stream = freshStream();
  await node.store.append(stream, 'noStream', proposeMany(1));
  node.db.exec('CREATE TABLE others AS SELECT * FROM events');
  // Its pages stand in the log only, and this connection has none of them.
  const reader = openDatabase(node.path);
  t.teardown(() => reader.close());
  truncateSync(`${node.path}-wal`, 0);
  t.throws(() => reader.prepare('SELECT * FROM others').all(), {
    ...UNKNOWN,
    message: /could not be read or written/,
  });
  await tellsNothing(t, node, stream);
});

/** Starts the program and kills it between its commit and its flush. */
async function killedBeforeItsFlush(t: Test, path: string, stream: string): Promise<void> {
  const program = fileURLToPath(new URL('./commit-without-flush.js', import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [program, path, stream], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  if (child.stdout === null) throw new Error('the program has no output');
  for await (const line of createInterface(child.stdout)) if (line === 'committed') child.kill('SIGKILL');
  t.strictSame(await exited, [null, 'SIGKILL']);
}

await t.test('killed between commit and flush: the next process flushes before it answers', async (t) => {
  const path = join(t.testdir(), 'owl.db');
  const stream = freshStream();
  await killedBeforeItsFlush(t, path, stream);
  badDisk.mood = 'failing';
  t.throws(
    () => openSqliteEventStore(path),
    { ...UNKNOWN, message: /could not be flushed/ },
    'else it answers nothing',
  );
  badDisk.mood = 'well';
  const { mtimeNs: before } = statSync(`${path}-wal`, { bigint: true });
  const flushes = badDisk.flushes;
  const store = openSqliteEventStore(path);
  t.teardown(() => store.close());
  t.equal(badDisk.flushes, flushes + 1, 'flushed when it is open');
  const { mtimeNs: after } = statSync(`${path}-wal`, { bigint: true });
  t.ok(after > before, 'and written again before, for the kernel may take as written what was not');
  t.strictSame(valuesOf(await collect(store.readStream(stream))), [0, 1]);
  t.equal(badDisk.flushes, flushes + 1, 'reading it needs no further flush');
});

for (const [what, change] of Object.entries({
  'the database is deleted': (path: string) => rmSync(path),
  'the database is replaced': (path: string) => {
    copyFileSync(path, `${path}.other`);
    renameSync(`${path}.other`, path);
  },
  'the log is deleted': (path: string) => rmSync(`${path}-wal`),
  'the directory is moved away': (path: string) =>
    renameSync(join(path, '..'), join(path, '..', '..', 'elsewhere')),
})) {
  await t.test(`${what} under a running store: nothing is acknowledged any more`, async (t) => {
    const node = openNode(t, join(t.testdir({ data: {} }), 'data', 'owl.db'));
    const stream = freshStream();
    await node.store.append(stream, 'noStream', proposeMany(1));
    change(node.path);
    await t.rejects(node.store.append(stream, 0, proposeMany(1, 1)), {
      ...UNKNOWN,
      message: /was deleted, moved or replaced while this process had it open.*restore/,
    });
    await tellsNothing(t, node, stream);
  });
}

await t.test('database, log and index are for their owner only, also where they were not', async (t) => {
  const { store, db, path } = openNode(t);
  await store.append(freshStream(), 'noStream', proposeMany(1));
  const modes = () => ['', '-wal', '-shm'].map((suffix) => statSync(`${path}${suffix}`).mode & 0o777);
  t.strictSame(modes(), [0o600, 0o600, 0o600]);
  await store.close();
  db.close();
  const { chmodSync } = await import('node:fs');
  chmodSync(path, 0o644);
  openNode(t, path);
  t.strictSame(modes(), [0o600, 0o600, 0o600]);
});
