/**
 * A process for a crash test: it rebuilds the two tables of the semaphores in the file it is given, stands still in the middle of
 * a transaction after so many of them, when one table is written and the other is not, and is killed there.
 */

import { writeSync } from 'node:fs';
import { pino } from 'pino';
import { systemClock } from '../../../src/base/clock.js';
import { openDatabase } from '../../../src/base/sqlite.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { Projector } from '../../../src/runtime/read-models/projector.js';
import { permitTables } from '../../support/semaphore-tables.js';
import { watched } from '../support/watched-statements.js';

const [file = '', transactions = ''] = process.argv.slice(2);
let counts = 0;
const db = watched(openDatabase(file), (sql) => {
  if (!sql.startsWith('UPDATE semaphores__rebuild') || ++counts < Number(transactions)) return;
  writeSync(1, 'standing still\n');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});
const store = openSqliteEventStore(file);
const logger = pino({ level: 'silent' });
const projector = new Projector({
  ...{ store, db, logger },
  projection: permitTables,
  clock: systemClock,
  batchSize: 10,
});
await projector.start();
await projector.rebuild();
