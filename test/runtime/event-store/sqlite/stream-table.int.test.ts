/** Numbers of streams that are kept in memory lead to no other stream, whatever was rolled back, and hide no other writer. */

import { join } from 'node:path';
import t from 'tap';
import { openDatabase } from '../../../../src/base/sqlite.js';
import { StreamTable } from '../../../../src/runtime/event-store/sqlite/stream-table.js';
import { prepareTables } from '../../../../src/runtime/event-store/sqlite/tables.js';

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
