/** Numbers of streams that are kept in memory lead to no other stream, whatever was rolled back, and hide no other writer. */

import { join } from 'node:path';
import t from 'tap';
import { openDatabase } from '../../../../src/base/sqlite.js';
import { StreamTable } from '../../../../src/runtime/event-store/sqlite/stream-table.js';
import { prepareTables } from '../../../../src/runtime/event-store/sqlite/tables.js';
import { countRows } from '../../../support/counted-rows.js';

function open(t: { teardown(work: () => void): void }, path: string) {
  const db = openDatabase(path);
  t.teardown(() => db.close());
  prepareTables(db, true);
  return { db, streams: new StreamTable(db) };
}

t.test('a stream whose transaction was rolled back is none', async (t) => {
  const { db, streams } = open(t, ':memory:');
  t.throws(() =>
    db.transaction(() => {
      streams.claim('job-a', -1, 1);
      throw new Error('rolled back');
    }),
  );
  streams.rolledBack();
  const b = db.transaction(() => streams.claim('job-b', -1, 1));
  t.equal(
    db.transaction(() => streams.claim('job-a', 0, 1)),
    undefined,
    'it is at no revision',
  );
  t.not(
    db.transaction(() => streams.claim('job-a', -1, 1)),
    b,
  );
  t.match(streams.find('job-b'), { no: b, revision: 0 });
});

t.test('what another connection has moved is not moved from where it was', async (t) => {
  const path = join(t.testdir(), 'streams.db');
  const [one, other] = [open(t, path), open(t, path)];
  const no = one.db.transaction(() => one.streams.claim('job-a', -1, 2));
  t.equal(
    other.db.transaction(() => other.streams.claim('job-a', -1, 1)),
    undefined,
    'it is there',
  );
  t.equal(
    other.db.transaction(() => other.streams.claim('job-a', 1, 1)),
    no,
  );
  t.equal(
    one.db.transaction(() => one.streams.claim('job-a', 1, 1)),
    undefined,
  );
  t.equal(
    one.db.transaction(() => one.streams.claim('job-a', 2, 3)),
    no,
  );
  t.match(other.streams.find('job-a'), { no, revision: 5 });
});

t.test(
  'one that was looked for is not searched for by its name again, unless it is another one by then',
  async (t) => {
    const path = join(t.testdir(), 'streams.db');
    const writer = open(t, path);
    const no = writer.db.transaction(() => writer.streams.claim('job-a', -1, 2));
    const { db } = open(t, path);
    const counted = countRows(db);
    const streams = new StreamTable(db);
    const byName = () =>
      [...counted.statements].reduce(
        (sum, [sql, rows]) => (sql.endsWith('WHERE name = ?') ? sum + rows : sum),
        0,
      );
    for (let round = 0; round < 3; round++) t.match(streams.find('job-a'), { no, revision: 1 });
    db.transaction(() => streams.claim('job-a', 1, 1));
    t.match(streams.find('job-a'), { no, revision: 2 });
    t.equal(byName(), 1);

    // Somebody mends the file by hand.
    db.exec(`UPDATE streams SET no = 77 WHERE name = 'job-a'`);
    db.exec(`INSERT INTO streams (no, name, category, revision) VALUES (${no}, 'job-b', 'job', 9)`);
    t.match(streams.find('job-a'), { no: 77, revision: 2 });
    t.match(streams.find('job-a'), { no: 77, revision: 2 });
    t.equal(byName(), 2);
  },
);
