/**
 * A program that is killed in the middle of a chain: `node stop-between.js DATABASE`. It books a seat; once the first command is
 * stored, and the second about to be, it prints `between` and waits.
 */

import { systemClock } from '../../../src/base/clock.js';
import { ActorSystem } from '../../../src/runtime/actors/actor-system.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { executeChain } from '../../../src/runtime/reactors/chain.js';
import { askFor, hall, open, seating } from '../support/bookings.js';

const [, program, database] = process.argv;
if (program?.endsWith('stop-between.js') && database !== undefined) {
  const store = openSqliteEventStore(database);
  await new ActorSystem({ store, clock: systemClock }).execute(hall, 'h', open(1));
  const stopping = delegating(store, {
    append: async (stream, ...given) => {
      if (!stream.startsWith('hall-')) return await store.append(stream, ...given);
      process.stdout.write('between\n');
      return await new Promise(() => setInterval(() => undefined, 1000));
    },
  });
  const system = new ActorSystem({ store: stopping, clock: systemClock });
  await executeChain({ system, store }, seating, 'b', askFor('order'));
}
