/**
 * A program whose one actor hands out numbers until it is killed: `node draw-until-killed.js DATABASE`. First comes an order,
 * then 64 draws at a time. It prints the revision after each 64.
 */

import { pino } from 'pino';
import { systemClock } from '../../../src/base/clock.js';
import { openDatabase } from '../../../src/base/sqlite.js';
import { ActorSnapshots } from '../../../src/runtime/actors/actor-snapshots.js';
import { ActorSystem } from '../../../src/runtime/actors/actor-system.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { draw, orderOne, tickets } from '../support/tickets.js';

export const AT_ONCE = 64;

const [, program, database] = process.argv;
if (program?.endsWith('draw-until-killed.js') && database !== undefined) {
  const store = openSqliteEventStore(database);
  const db = openDatabase(database);
  // A connection that nobody holds is closed.
  process.on('exit', () => db.close());
  const snapshots = new ActorSnapshots(db, pino({ level: 'silent' }));
  const system = new ActorSystem({ store, clock: systemClock, snapshots });
  await system.execute(tickets, 'a', orderOne('first'));
  for (;;) {
    const drawn = await Promise.all(
      Array.from({ length: AT_ONCE }, () => system.execute(tickets, 'a', draw())),
    );
    process.stdout.write(`${drawn.at(-1)?.revision}\n`);
  }
}
