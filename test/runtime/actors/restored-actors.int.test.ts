/** Actors on a store that was restored from a backup: neither a snapshot nor what is live may rest on what it lacks. */

import t, { type Test } from 'tap';
import { openDatabase } from '../../../src/base/sqlite.js';
import { ActorSnapshots } from '../../../src/runtime/actors/actor-snapshots.js';
import { ActorSystem } from '../../../src/runtime/actors/actor-system.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import { type EventStore, START } from '../../../src/runtime/event-store/event-store.js';
import { logLines } from '../../support/log-lines.js';
import { ManualClock } from '../../support/manual-clock.js';
import { count, counter } from '../support/counter.js';
import { sqliteStore } from '../support/restorable-stores.js';

/** A store that is open until `stop`, or until the test ends. */
function opening(t: Test) {
  const restorable = sqliteStore(t.testdir());
  const stores: EventStore[] = [];
  const stop = async () => {
    for (const store of stores.splice(0)) await store.close();
  };
  t.teardown(stop);
  const open = async () => {
    const store = await restorable.open();
    stores.push(store);
    return store;
  };
  return { restorable, open, stop };
}

t.test(
  'a snapshot of an actor that is ahead of its stream, or of another history, is not gone on from',
  async (t) => {
    const { restorable, open, stop } = opening(t);
    const db = openDatabase(':memory:');
    t.teardown(() => db.close());
    const snapshots = () => new ActorSnapshots(db, logLines().logger);
    const system = (store: EventStore) =>
      new ActorSystem({ store, clock: new ManualClock(), snapshots: snapshots(), shared: true });
    const before = system(await open());
    for (let n = 0; n < 40; n++) await before.execute(counter, 'a', { ...count(`${n}`), id: `c${n}` });
    await before.close();
    await stop();

    await restorable.restore(10);
    const after = system(await open());
    t.equal((await after.read(counter, 'a')).revision, 9);
    t.match(await after.execute(counter, 'a', { ...count('3'), id: 'c3' }), { duplicate: true, revision: 3 });
    const lost = await after.execute(counter, 'a', { ...count('30'), id: 'c30' });
    t.match(
      lost,
      { duplicate: false, revision: 10 },
      'a command that was lost with its events is carried out again',
    );
    for (let n = 0; n < 40; n++) await after.execute(counter, 'a', count(`new ${n}`));

    const other = system(await open());
    const { snapshot } = await other.read(counter, 'a');
    t.equal(snapshot.context.counted.length, 51);
    t.equal(snapshot.context.counted[39], 'new 28', 'though the stream is longer than the snapshot');
  },
);

for (const shared of [true, false]) {
  const where = shared ? 'a shared store' : 'a store of its own';
  t.test(`a live actor on ${where} does not answer from what is no longer stored`, async (t) => {
    const { restorable, open, stop } = opening(t);
    const first = await open();
    let current = first;
    const store = delegating(first, {
      append: (...given) => current.append(...given),
      readStream: (...given) => current.readStream(...given),
    });
    const system = new ActorSystem({ store, clock: new ManualClock(), shared });
    for (const what of ['1', '2', '3']) await system.execute(counter, 'a', { ...count(what), id: what });
    await stop();
    await restorable.restore(1);
    current = await open();
    const other = new ActorSystem({ store: current, clock: new ManualClock() });
    for (const what of ['x', 'y']) await other.execute(counter, 'a', count(what));

    // On a shared store it looks for what others have written, and so finds out by itself.
    if (!shared) {
      system.doubtAll();
      t.equal(system.acknowledged(['counter']), START, 'nothing counts as acknowledged any more');
    }
    const { snapshot, revision } = await system.read(counter, 'a');
    t.same(snapshot.context.counted, ['1', 'x', 'y']);
    t.equal(revision, 2);
    t.match(await system.execute(counter, 'a', { ...count('2'), id: '2' }), {
      duplicate: false,
      revision: 3,
    });
  });
}
