/** A node finds out, also while nothing is written, that the files it stands on are no longer there. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { StoreUnavailableError } from '../../src/base/errors.js';
import { openDatabase } from '../../src/base/sqlite.js';
import { openDataDirectory } from '../../src/node/data-directory.js';
import { GroundWatch } from '../../src/node/ground-watch.js';
import { logLines } from '../support/log-lines.js';
import { ManualClock } from '../support/manual-clock.js';
import { until } from '../support/until.js';

function standing(t: Test) {
  const clock = new ManualClock();
  const log = logLines();
  const directory = openDataDirectory(join(t.testdir(), 'data'), clock);
  t.teardown(() => directory.release());
  const db = openDatabase(directory.readModelsPath);
  t.teardown(() => db.close());
  const told: string[] = [];
  const { file } = db;
  const watch = new GroundWatch({
    directory,
    file,
    clock,
    logger: log.logger,
    lost: (reason) => told.push(reason),
  });
  t.teardown(() => watch.stop());
  return { clock, log, directory, db, told, watch };
}

t.test('as long as all is there it goes on looking, and stops when it is told to', async (t) => {
  const { clock, told, watch } = standing(t);
  for (let look = 0; look < 3; look++) {
    clock.advance(1_000);
    await until('it will look again', () => clock.pending === 1);
  }
  t.strictSame(told, []);
  watch.stop();
  t.equal(clock.pending, 0);
});

for (const name of ['owl.lock', 'read-models.db', 'read-models.db-wal', 'read-models.db-shm']) {
  t.test(`${name} is deleted: it is told once, with its name`, async (t) => {
    const { clock, log, directory, told, watch } = standing(t);
    rmSync(join(directory.path, name));
    clock.advance(1_000);
    t.match(await watch.lost, { message: `${name} was deleted` });
    t.equal(told.length, 1);
    t.equal(log.messages('error').length, 1);
    t.equal(clock.pending, 0);
  });
}

t.test('a database that breaks is told at once, also one that was broken before', async (t) => {
  const { clock, log, db, directory, told, watch } = standing(t);
  db.file.break(new StoreUnavailableError('the disk is gone', 'unknown'));
  t.match(await watch.lost, { message: 'the disk is gone' });
  t.strictSame(told, ['the disk is gone']);
  const { logger } = log;
  const second = new GroundWatch({ directory, file: db.file, clock, logger, lost: () => undefined });
  t.match(await second.lost, { message: 'the disk is gone' });
  t.equal(clock.pending, 0);
});
