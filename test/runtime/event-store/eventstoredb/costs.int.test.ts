/** What an append to EventStoreDB costs while everything goes well, counted: nothing beside itself. */

import t from 'tap';
import { collect, freshStream, proposeMany } from '../../../support/events.js';
import { openStore, startNode } from '../../../support/eventstoredb-stores.js';
import { ManualClock } from '../../../support/manual-clock.js';

const STREAMS = 50;
const APPENDS = 20;

/** Stands still, so that however long a test takes no answer is late, and counts the timers that were armed on it. */
class CountingClock extends ManualClock {
  armed = 0;

  override after(delayMs: number, run: () => void): () => void {
    this.armed += 1;
    return super.after(delayMs, run);
  }
}

t.test('1,000 appends at a revision: nothing is read, and hardly a timer is armed', async (t) => {
  const node = await startNode(t);
  // Deadlines of calls follow from it, so it begins in the present.
  const clock = new CountingClock(Date.now());
  const store = await openStore(t, node, { clock, deadlineMs: 600_000 });
  const streams = Array.from({ length: STREAMS }, () => freshStream());
  await Promise.all(streams.map((stream) => store.append(stream, 'noStream', proposeMany(1))));
  const before = { calls: node.calls, changes: node.changes, armed: clock.armed };
  await Promise.all(
    streams.map(async (stream) => {
      let revision = 0;
      for (let n = 0; n < APPENDS; n++) {
        // One event, and several of which nobody asks where each stands.
        const events = proposeMany(1 + (n % 3));
        ({ revision } = await store.append(stream, revision, events, { lastPositionOnly: true }));
      }
    }),
  );
  t.equal(node.changes - before.changes, STREAMS * APPENDS);
  t.equal(node.calls - before.calls, STREAMS * APPENDS, 'each append is one call, and nothing is read');
  t.ok(clock.armed - before.armed <= STREAMS, `${clock.armed - before.armed} timers`);
  t.equal((await collect(store.readStream(streams[0] ?? ''))).length, 1 + 39);
});
