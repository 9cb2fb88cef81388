/**
 * A program that appends to a store until it is killed: `node append-until-killed.js DATABASE`. Eight writers, each with a
 * stream of its own, append three events at a time. Ids and expectations follow from stream and number, so that a run
 * repeats what the run before it did and goes on from there. It prints `stream number` for every append that is answered.
 */

import { eventIdOf } from '../../../../src/runtime/event-store/ids.js';
import { openSqliteEventStore } from '../../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { propose } from '../../../support/events.js';

export const WRITERS = 8;
export const EVENTS_PER_APPEND = 3;

/** The events of a writer's append number `n`, from 0. */
export function eventsOfAppend(stream: string, n: number) {
  return Array.from({ length: EVENTS_PER_APPEND }, (_, i) =>
    propose(
      { n: n * EVENTS_PER_APPEND + i },
      { id: eventIdOf(`append ${n}`, stream, n * EVENTS_PER_APPEND + i, i) },
    ),
  );
}

async function write(store: ReturnType<typeof openSqliteEventStore>, stream: string): Promise<never> {
  for (let n = 0; ; n++) {
    const expected = n === 0 ? 'noStream' : n * EVENTS_PER_APPEND - 1;
    await store.append(stream, expected, eventsOfAppend(stream, n));
    process.stdout.write(`${stream} ${n}\n`);
  }
}

const [, program, database] = process.argv;
if (program?.endsWith('append-until-killed.js') && database !== undefined) {
  const store = openSqliteEventStore(database);
  await Promise.all(Array.from({ length: WRITERS }, (_, i) => write(store, `killed-${i}`)));
}
