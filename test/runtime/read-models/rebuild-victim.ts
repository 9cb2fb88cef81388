/**
 * A process for the rebuild's crash test. It rebuilds the tallies in the file it is given and stands still in the middle
 * of a transaction of the rebuild, after so many events, until it is killed.
 */

import { writeSync } from 'node:fs';
import { pino } from 'pino';
import { systemClock } from '../../../src/base/clock.js';
import { openDatabase } from '../../../src/base/sqlite.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { Projector } from '../../../src/runtime/read-models/projector.js';
import { talliesProjection } from '../support/tallies.js';

const [file = '', events = ''] = process.argv.slice(2);
let applied = 0;
const projection = talliesProjection({
  before: (_event, table) => {
    if (table === 'tallies' || ++applied < Number(events)) return;
    writeSync(1, 'standing still\n');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },
});
const store = openSqliteEventStore(file);
const db = openDatabase(file);
const logger = pino({ level: 'silent' });
const projector = new Projector({ store, db, projection, clock: systemClock, logger, batchSize: 10 });
await projector.start();
await projector.rebuild();
