/** What all readers of a shared reading have been given is kept by nobody, for as long as they follow. */

import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import type { EventStore, RecordedEvent } from '../../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { sharedReading } from '../../../src/runtime/readers/shared-reading.js';
import { until } from '../../support/until.js';
import { appendTo } from '../support/tallies.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

/** The store itself keeps so many. */
const RECENT = 16;
/** Long enough for the compiler to have seen the readers, whose frames are others then. */
const BATCHES = 800;

t.test('events that every reader has seen are let go of', async (t) => {
  const store = openSqliteEventStore(join(t.testdir(), 'owl.db'), { recentEvents: RECENT });
  const ending = new AbortController();
  t.teardown(async () => {
    ending.abort();
    await store.close();
  });
  const shared = sharedReading(store, ['tally']);
  const readers = [follow(shared, ending.signal), follow(shared, ending.signal)];
  await until('both are there', () => readers.every(({ batches }) => batches > 0));
  for (let n = 1; n <= BATCHES; n++) {
    await appendTo(store, 'tally-a', [n]);
    await until('both have it', () => readers.every(({ seen }) => seen.length === n));
  }
  await until('they are gone', async () => {
    await nextTurn();
    collectGarbage();
    return readers.every(
      ({ seen }) => seen.filter((event) => event.deref() !== undefined).length < 4 * RECENT,
    );
  });
});

interface Following {
  readonly seen: WeakRef<RecordedEvent>[];
  batches: number;
}

function follow(store: EventStore, signal: AbortSignal): Following {
  const following: Following = { seen: [], batches: 0 };
  void (async () => {
    for await (const { events } of store.subscribe({ categories: ['tally'], signal })) {
      following.batches += 1;
      for (const event of events) following.seen.push(new WeakRef(event));
    }
  })();
  return following;
}
