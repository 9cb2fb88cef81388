/** The driver's room: transactions, values, and what failures of files and locks become. */

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { keepingStatements, numberIn, textIn } from '../../src/base/sql.js';
import { lockFile, openDatabase, type SqliteDatabase } from '../../src/base/sqlite.js';

function open(t: Test): SqliteDatabase {
  const db = openDatabase(join(t.testdir(), 'owl.db'));
  t.teardown(() => db.close());
  return db;
}

function pragma(db: SqliteDatabase, name: string): unknown {
  return Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}

t.test('two connections write ahead into one log, which can be flushed', async (t) => {
  const path = join(t.testdir(), 'owl.db');
  const one = openDatabase(path);
  t.teardown(() => one.close());
  const other = openDatabase(path);
  t.teardown(() => other.close());
  for (const db of [one, other]) {
    t.equal(pragma(db, 'journal_mode'), 'wal');
    t.equal(pragma(db, 'foreign_keys'), 1);
    t.equal(pragma(db, 'busy_timeout'), 5_000);
  }
  one.exec('CREATE TABLE events (n INTEGER)');
  other.prepare('INSERT INTO events VALUES (?)').run(1);
  t.equal(one.prepare('SELECT n FROM events').get()?.['n'], 1, 'each sees what the other committed');
  await one.sync();
  await other.sync();
});

t.test('every kind of value comes back as it was', async (t) => {
  const db = open(t);
  db.exec('CREATE TABLE kinds (a, b, c, d)');
  const { changes } = db
    .prepare('INSERT INTO kinds VALUES (?, ?, ?, ?)')
    .run(null, 1.5, 'é🦉', new Uint8Array([1, 255]));
  t.equal(changes, 1);
  const select = db.prepare('SELECT * FROM kinds WHERE b > ?');
  const row = { a: null, b: 1.5, c: 'é🦉', d: new Uint8Array([1, 255]) };
  t.strictSame({ ...select.get(1) }, row);
  t.strictSame([...select.iterate(1)].length, 1);
  t.equal(select.get(2), undefined);
  t.strictSame(select.all(2), []);
});

t.test('columns are read as what they must be', async (t) => {
  const row = open(t).prepare(`SELECT 1 AS one, 'x' AS x, NULL AS empty`).get() ?? {};
  t.equal(numberIn(row, 'one'), 1);
  t.equal(textIn(row, 'x'), 'x');
  t.throws(() => numberIn(row, 'x'), { name: 'TypeError', message: /column x holds a string/ });
  t.throws(() => textIn(row, 'empty'), { name: 'TypeError', message: /column empty holds NULL/ });
  t.throws(() => textIn(row, 'other'), { name: 'TypeError', message: /column other holds nothing/ });
});

t.test('a transaction is kept when it returns and undone when it throws', async (t) => {
  const db = open(t);
  db.exec('CREATE TABLE numbers (n INTEGER UNIQUE)');
  const insert = db.prepare('INSERT INTO numbers VALUES (?)');
  const numbers = () =>
    db
      .prepare('SELECT n FROM numbers')
      .all()
      .map((row) => row['n']);
  t.equal(
    db.transaction(() => insert.run(1).changes),
    1,
  );
  t.throws(
    () =>
      db.transaction(() => {
        insert.run(2);
        throw new Error('changed my mind');
      }),
    { message: 'changed my mind' },
  );
  t.throws(
    () =>
      db.transaction(() => {
        insert.run(3);
        insert.run(1);
      }),
    { message: /UNIQUE constraint failed/, code: 'ERR_SQLITE_ERROR' },
    'a fault of a statement stays what it is',
  );
  t.strictSame(numbers(), [1]);
  t.throws(() => db.transaction(() => db.transaction(() => insert.run(4))), {
    message: /within a transaction/,
  });
  t.strictSame(numbers(), [1], 'not nested');
  db.transaction(() => insert.run(5));
  t.strictSame(numbers(), [1, 5], 'and the next one works');
});

t.test('a loop over rows that is left early holds nothing up', async (t) => {
  const db = open(t);
  db.exec('CREATE TABLE numbers (n INTEGER); INSERT INTO numbers VALUES (1), (2), (3)');
  for (const row of db.prepare('SELECT n FROM numbers ORDER BY n').iterate()) if (row['n'] === 2) break;
  db.exec('DROP TABLE numbers');
});

t.test('files that can not be used say what is wrong', async (t) => {
  const dir = t.testdir({ 'junk.db': 'no database '.repeat(500) });
  const refused = { name: 'StoreUnavailableError', kind: 'unavailable', outcome: 'refused' };
  t.throws(() => openDatabase(join(dir, 'missing', 'owl.db')), {
    ...refused,
    message: /its directory exists/,
  });
  t.throws(() => openDatabase(dir), { ...refused, message: /could not be opened/ });
  t.throws(() => openDatabase(join(dir, 'junk.db')), {
    ...refused,
    message: /junk\.db is no database/,
  });
  const db = open(t);
  const statement = db.prepare('SELECT 1');
  db.close();
  db.close();
  t.throws(() => statement.get(), { ...refused, message: /is closed/ });
  t.throws(() => db.exec('SELECT 1'), { ...refused, message: /is closed/ });
});

t.test('once closed, the file alone is the database', async (t) => {
  const dir = t.testdir();
  const path = join(dir, 'owl.db');
  const [durable, derived] = [openDatabase(path), openDatabase(path)];
  durable.exec('CREATE TABLE numbers (n INTEGER)');
  const insert = derived.prepare('INSERT INTO numbers VALUES (?)');
  for (let n = 0; n < 100; n++) insert.run(n);
  durable.close();
  derived.close();
  copyFileSync(path, join(dir, 'copy.db'));
  const copy = openDatabase(join(dir, 'copy.db'));
  t.teardown(() => copy.close());
  t.equal(copy.prepare('SELECT count(*) AS count FROM numbers').get()?.['count'], 100);
});

t.test('a damaged file says that it is', async (t) => {
  const path = join(t.testdir(), 'owl.db');
  const db = openDatabase(path);
  db.exec('CREATE TABLE numbers (n INTEGER); INSERT INTO numbers VALUES (1)');
  const pageSize = Number(pragma(db, 'page_size'));
  db.close();
  // The first page says what there is; the second one holds the numbers.
  const file = readFileSync(path);
  writeFileSync(path, file.fill(0xff, pageSize));
  const damaged = openDatabase(path);
  t.teardown(() => damaged.close());
  t.throws(() => damaged.prepare('SELECT n FROM numbers').all(), {
    name: 'StoreUnavailableError',
    message: /owl\.db is damaged; stop the node and restore the file from a backup/,
  });
});

t.test('a lock is held by one at a time', async (t) => {
  const path = join(t.testdir(), 'owl.lock');
  const unlock = lockFile(path);
  t.type(unlock, 'function');
  t.equal(lockFile(path), undefined, 'not even this process takes it twice');
  unlock?.();
  unlock?.();
  const again = lockFile(path);
  t.type(again, 'function');
  again?.();
  mkdirSync(join(path, '..', 'directory'));
  t.throws(() => lockFile(join(path, '..', 'directory')), { name: 'StoreUnavailableError' });
});

t.test('who keeps statements prepares each text once, and not without end', (t) => {
  const db = open(t);
  let prepared = 0;
  const counted = {
    exec: (sql: string) => db.exec(sql),
    transaction: <T>(work: () => T) => db.transaction(work),
    prepare: (sql: string) => {
      prepared += 1;
      return db.prepare(sql);
    },
  };
  const kept = keepingStatements(counted);
  kept.exec('CREATE TABLE t (n INTEGER)');
  for (let n = 0; n < 5; n++) kept.transaction(() => kept.prepare('INSERT INTO t VALUES (?)').run(n));
  t.equal(prepared, 1);
  t.equal(kept.prepare('SELECT sum(n) AS sum FROM t').get()?.['sum'], 10);
  t.equal(kept.prepare('SELECT sum(n) AS sum FROM t'), kept.prepare('SELECT sum(n) AS sum FROM t'));
  const first = kept.prepare('SELECT 0 AS n');
  for (let n = 0; n < 1_000; n++) kept.prepare(`SELECT ${n} AS n`);
  t.not(kept.prepare('SELECT 0 AS n'), first, 'shapes that nobody asks for any more are let go of');
  t.end();
});
