/** How a reader finds out whether the store still is the one that it has read, and what it goes on from. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { systemClock } from '../../../src/base/clock.js';
import type { Database } from '../../../src/base/sql.js';
import { openDatabase } from '../../../src/base/sqlite.js';
import { ActorSystem } from '../../../src/runtime/actors/actor-system.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import type { EventStore } from '../../../src/runtime/event-store/event-store.js';
import type { Reactor } from '../../../src/runtime/reactors/reactor.js';
import { ReactorRunner } from '../../../src/runtime/reactors/reactor-runner.js';
import { Projector } from '../../../src/runtime/read-models/projector.js';
import { Checkpoints, LOST, LostHistoryError } from '../../../src/runtime/readers/checkpoints.js';
import { KnownHistory } from '../../../src/runtime/readers/known-history.js';
import { type LogLines, logLines } from '../../support/log-lines.js';
import { until } from '../../support/until.js';
import { type RestorableStore, sqliteStore } from '../support/restorable-stores.js';
import { add, rowsOf, talliesProjection } from '../support/tallies.js';

interface Reading {
  readonly db: Database;
  readonly log: LogLines;
  readonly restorable: RestorableStore;
  /** Until the next one is opened, or the test ends. */
  open(): Promise<EventStore>;
  projector(store: EventStore): Projector;
  reactor(store: EventStore, reactor: Reactor): ReactorRunner;
  history(store: EventStore): KnownHistory;
  /** Ends the readers and closes the store. */
  stop(): Promise<void>;
}

function reading(t: Test): Reading {
  const files = t.testdir();
  const db = openDatabase(join(files, 'read-models.db'));
  const log = logLines();
  const { logger } = log;
  const clock = systemClock;
  const releases: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (let release = releases.pop(); release !== undefined; release = releases.pop()) await release();
  };
  // A clock's alarm keeps no process alive; a node's server does.
  const running = setInterval(() => undefined, 60_000);
  t.teardown(async () => {
    await stop();
    db.close();
    clearInterval(running);
  });
  const restorable = sqliteStore(files);
  const readers = { db, clock, logger, restMs: 0 };
  return {
    db,
    log,
    restorable,
    stop,
    open: async () => {
      const store = await restorable.open();
      releases.push(() => store.close());
      return store;
    },
    projector: (store) => {
      const projector = new Projector({ ...readers, store, projection: talliesProjection() });
      releases.push(() => projector.stop());
      return projector;
    },
    reactor: (store, reactor) => {
      const executor = new ActorSystem({ store, clock });
      const runner = new ReactorRunner({ ...readers, store, reactor, executor });
      releases.push(() => runner.stop());
      return runner;
    },
    history: (store) => new KnownHistory({ store, db, clock, logger }),
  };
}

const never = new AbortController().signal;
const total = (db: Database) => rowsOf(db).reduce((sum, row) => sum + Number(row['total']), 0);

/** Starts a reader on the store and waits until it holds what is stored. */
async function catchUp(store: EventStore, reader: Projector | ReactorRunner): Promise<void> {
  await reader.start();
  const head = await store.head();
  await until('the reader holds what is stored', async () => {
    try {
      await reader.caughtUpTo(head);
      return true;
    } catch (error) {
      if (error instanceof LostHistoryError) return false;
      throw error;
    }
  });
}

t.test('a checkpoint behind events of no interest is taken back to what is known to be there', async (t) => {
  const { db, log, restorable, open, projector, stop } = reading(t);
  const before = await open();
  await add(before, 'a', 1);
  for (let n = 0; n < 9; n++) await before.append('other-x', 'any', [event()]);
  await catchUp(before, projector(before));
  await stop();
  t.match(new Checkpoints(db).read('tallies'), { position: '0000000000000010', last: { revision: 0 } });

  await restorable.restore(3);
  const after = await open();
  for (let n = 0; n < 9; n++) await add(after, 'a', 10);
  await catchUp(after, projector(after));
  t.equal(total(db), 91);
  t.same(log.messages('error'), [], 'nothing that it had read is lost');
});

t.test('a node that died while everything was given up goes on with it', async (t) => {
  const { db, log, restorable, open, projector, history, stop } = reading(t);
  const before = await open();
  await add(before, 'a', 1, 2, 3);
  await catchUp(before, projector(before));
  await stop();
  new Checkpoints(db).put('tallies#rebuild', { version: 1, position: '0000000000000002', last: 'none' });
  db.exec('CREATE TABLE tallies__rebuild (stream TEXT)');
  await restorable.restore(1);
  const after = await open();
  await history(after).check('tallies', never);
  t.match(new Checkpoints(db).read('tallies'), { version: LOST });
  t.match(new Checkpoints(db).read('tallies#rebuild'), { version: LOST }, 'and every other reader');

  const tallies = projector(after);
  const starting = catchUp(after, tallies);
  t.match(tallies.status(), { lastError: /no longer holds what tallies rests on/ }, 'its status says so');
  await starting;
  await until('it serves', () => tallies.status().caughtUp);
  t.match(rowsOf(db), [{ total: 1, applied: 1 }]);
  t.equal(tallies.status().lastError, undefined);
  t.equal(log.messages('error').length, 1);
});

t.test('of many that find it out at the same time, one gives everything up and tells it', async (t) => {
  const { log, restorable, open, projector, history, stop } = reading(t);
  const before = await open();
  await add(before, 'a', 1, 2, 3);
  await catchUp(before, projector(before));
  await stop();
  await restorable.restore(0);
  const after = await open();
  await add(after, 'b', 5);
  const known = history(after);
  let heard = 0;
  known.onLoss(() => {
    heard += 1;
  });
  await Promise.all([1, 2, 3].map(() => known.check('tallies', never)));
  t.equal(heard, 1);
  t.equal(log.messages('error').length, 1);
  t.match(log.entries('error'), [{ reader: 'tallies', missing: { stream: 'tally-a', revision: 2 } }]);
});

t.test('a store that holds the same events at other places is another one', async (t) => {
  const { db, log, restorable, open, projector, stop } = reading(t);
  const before = await open();
  const { events } = await add(before, 'a', 1, 2);
  await catchUp(before, projector(before));
  await stop();
  await restorable.restore(0);
  const after = await open();
  await add(after, 'b', 30);
  for (const { stream, revision: _, position: __, ...same } of events)
    await after.append(stream, 'any', [same]);
  await catchUp(after, projector(after));
  t.match(rowsOf(db), [{ total: 3 }, { stream: 'tally-b', total: 30 }]);
  t.equal(log.messages('error').length, 1);
});

t.test('an event that the store shows a moment later is not lost', async (t) => {
  const { db, log, open, projector, stop, history } = reading(t);
  const store = await open();
  await add(store, 'a', 1);
  const tallies = projector(store);
  await catchUp(store, tallies);
  await tallies.stop();
  let looks = 0;
  const late = delegating(store, {
    async holds(event) {
      looks += 1;
      return looks > 2 && (await store.holds(event));
    },
  });
  await history(late).check('tallies', never);
  t.equal(looks, 3);
  t.match(new Checkpoints(db).read('tallies'), { version: 1 });
  t.same(log.messages('error'), []);
  await stop();
});

t.test('a database from before goes on where it stood, and knows its last event from then on', async (t) => {
  const { db, log, restorable, open, projector, stop } = reading(t);
  const before = await open();
  await add(before, 'a', 1, 2);
  await catchUp(before, projector(before));
  await stop();
  db.exec(`CREATE TABLE older (reader TEXT PRIMARY KEY, version INTEGER NOT NULL, position TEXT NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO older SELECT reader, version, position FROM checkpoints;
    DROP TABLE checkpoints;
    ALTER TABLE older RENAME TO checkpoints`);
  const after = await open();
  const tallies = projector(after);
  await catchUp(after, tallies);
  t.match(new Checkpoints(db).read('tallies'), { position: '0000000000000002', last: undefined });
  t.match(rowsOf(db), [{ total: 3, applied: 2 }]);
  await tallies.caughtUpTo((await add(after, 'a', 3)).position);
  t.match(new Checkpoints(db).read('tallies'), { last: { stream: 'tally-a', revision: 2 } });
  t.same([...log.messages('error'), ...log.messages('info')], []);

  await t.test('and one that stood behind the end of a restored store takes in what comes', async (t) => {
    await stop();
    db.exec('UPDATE checkpoints SET last_position = NULL');
    await restorable.restore(1);
    const restored = await open();
    const again = projector(restored);
    await catchUp(restored, again);
    await again.caughtUpTo((await add(restored, 'b', 7)).position);
    t.match(rowsOf(db)[1], { stream: 'tally-b', total: 7 });
    await again.rebuild();
    t.match(rowsOf(db), [{ total: 1 }, { total: 7 }], 'a rebuild takes out what is no longer stored');
  });
});

t.test('a reactor that was to begin at `now` goes back to where it began, and no further', async (t) => {
  const { db, restorable, open, reactor, stop } = reading(t);
  const reacted: unknown[] = [];
  const fromNow: Reactor = {
    name: 'notes',
    categories: ['tally'],
    startFrom: 'now',
    react: ({ data }) => {
      reacted.push(data['amount']);
      return [];
    },
  };
  const before = await open();
  await add(before, 'a', 1, 2);
  const notes = reactor(before, fromNow);
  await notes.start();
  await notes.caughtUpTo((await add(before, 'a', 3, 4)).position);
  t.same(reacted.splice(0), [3, 4]);
  await stop();

  await restorable.restore(3);
  const after = await open();
  await add(after, 'a', 40);
  await catchUp(after, reactor(after, fromNow));
  t.same(reacted.splice(0), [3, 40], 'what was stored in between is not skipped');
  await stop();

  await restorable.restore(1);
  const older = await open();
  const again = reactor(older, fromNow);
  await catchUp(older, again);
  await again.caughtUpTo((await add(older, 'a', 20)).position);
  t.same(reacted, [20], 'in a store from before it began, it begins at the end');
  t.match(new Checkpoints(db).read('reactor:notes'), { last: { revision: 1 } });
});

function event() {
  return {
    id: crypto.randomUUID(),
    type: 'Noted',
    version: 1,
    data: {},
    metadata: { time: 0, $correlationId: 'test', $causationId: 'test' },
  };
}
