/** Another program holds the write lock of the read models: nothing stands still for it, and nothing is left out. */

import t from 'tap';
import { openDatabase } from '../../../src/base/sqlite.js';
import { projecting } from '../../support/projecting.js';
import { until } from '../../support/until.js';
import { add, rowsOf, talliesProjection } from '../support/tallies.js';

t.test('a projector tries again until the lock is free, and says meanwhile what it waits for', async (t) => {
  const { store, file, clock, projector, onEnd } = projecting(t);
  const [db, other] = [openDatabase(`${file}.models`), openDatabase(`${file}.models`)];
  onEnd(() => db.close());
  onEnd(() => other.close());
  const tallies = projector(talliesProjection(), { db });
  await tallies.start();
  await tallies.caughtUpTo((await add(store, 'a', 1)).position);
  db.waitNoMore();

  other.exec('BEGIN IMMEDIATE');
  const { position } = await add(store, 'a', 2);
  const caughtUp = tallies.caughtUpTo(position);
  // Who waits for the lock within a turn of the event loop would never come to give it back below.
  await until('it has met the lock', () =>
    /locked by another process/.test(tallies.status().lastError ?? ''),
  );
  t.match(rowsOf(db), [{ total: 1 }], 'what is there can be read');
  other.exec('ROLLBACK');
  await until('it goes on', () => {
    clock.advance(1_000);
    return tallies.status().caughtUp;
  });
  await caughtUp;
  t.match(rowsOf(db), [{ stream: 'tally-a', total: 3, applied: 2 }]);
});
