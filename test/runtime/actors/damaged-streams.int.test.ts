/** A node of which one stream is damaged: it harms itself alone, in every reader, over restarts, and until it is mended. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openDatabase } from '../../../src/base/sqlite.js';
import type { JsonObject } from '../../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { openRuntime } from '../../../src/runtime/runtime.js';
import { collect, propose } from '../../support/events.js';
import { logLines } from '../../support/log-lines.js';
import { ManualClock } from '../../support/manual-clock.js';
import { acquire, create, grantsPermits, permits, semaphore } from '../../support/semaphore.js';
import { until } from '../../support/until.js';

const BAD = /event semaphore\/PermitStolen at revision 2 of semaphore-bad \(position \d+\) can't be read/;

async function startNode(t: Test, path: string, clock: ManualClock) {
  const store = openSqliteEventStore(path);
  const runtime = openRuntime({
    store,
    databasePath: path,
    actorTypes: [semaphore],
    projections: [permits],
    clock,
    logger: logLines().logger,
    queryWaitMs: 10_000,
  });
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= runtime.close().then(() => store.close());
    return stopping;
  };
  // A clock's alarm keeps no process alive; a node's server does.
  const running = setInterval(() => undefined, 60_000);
  t.teardown(async () => {
    await stop();
    clearInterval(running);
  });
  await runtime.start(async () => [grantsPermits(60_000)]);
  const execute = (
    id: string,
    command: Parameters<typeof runtime.system.execute<typeof semaphore.machine, JsonObject>>[2],
  ) => runtime.system.execute(semaphore, id, command);
  const typesOf = async (id: string) =>
    (await collect(store.readStream(`semaphore-${id}`))).map(({ type }) => type);
  const parkedBy = () =>
    runtime
      .readers()
      .filter((reader) => reader.status().parked > 0)
      .map(({ name }) => name);
  return { store, runtime, stop, execute, typesOf, parkedBy };
}

t.test(
  'every reader parks it and goes on, and so do commands, timers, rebuilds and new starts',
  async (t) => {
    const path = join(t.testdir(), 'owl.db');
    const clock = new ManualClock();
    const first = await startNode(t, path, clock);
    const due = clock.now() + 1_000;
    for (const id of ['bad', 'good']) {
      await first.execute(id, create(2));
      await first.execute(id, acquire('a', due));
    }
    await until('both timers are known', () => first.runtime.status().timers.pending === 2);
    // Another program writes what it likes, and the newest event of the store is the one nobody can read.
    await first.store.append('semaphore-bad', 1, [propose({ holder: 'a' }, { type: 'PermitStolen' })]);
    await until('all have parked it', () => first.parkedBy().length === 3);
    t.same(first.parkedBy(), ['permits', 'grants-permits', 'timers']);

    const refused = { name: 'DamagedStreamError', kind: 'refused', revision: 2, message: BAD };
    await t.rejects(first.execute('bad', acquire('b', due)), refused);
    await t.rejects(first.execute('bad', acquire('b', due)), refused, 'it stays so');
    clock.advance(1_000);
    await until('the timer of the other one fires', async () =>
      (await first.typesOf('good')).includes('PermitExpired'),
    );
    // What it has done is stored a moment before the timer is told.
    await until('its timer is done', () => first.runtime.status().timers.firing === 0);
    t.match(first.runtime.status().timers, { pending: 1, firing: 0, failing: 0 }, 'the other one waits');
    await first.runtime.readYourWrites();
    await first.runtime.projector('permits').rebuild();
    t.match(first.runtime.projector('permits').firstParked('semaphore-bad'), { revision: 2, error: BAD });
    t.equal(first.runtime.projector('permits').firstParked('semaphore-good'), undefined);
    await first.stop();

    const second = await startNode(t, path, clock);
    await second.runtime.readYourWrites();
    await t.rejects(second.execute('bad', acquire('b', due)), refused);
    await second.execute('good', acquire('c', clock.now() + 9_000));
    await second.runtime.readYourWrites();
    await until('timers are armed', () => second.runtime.status().timers.nextDueAt !== undefined);
    t.match(second.runtime.status().timers, { pending: 2, firing: 0, failing: 0 });
    t.notOk((await second.typesOf('bad')).includes('PermitExpired'));
    await second.stop();
  },
);

t.test('once it can be read, redriving goes on from there, and the timer that waited fires', async (t) => {
  const path = join(t.testdir(), 'owl.db');
  const clock = new ManualClock();
  const first = await startNode(t, path, clock);
  await first.execute('bad', create(1));
  await first.execute('bad', acquire('a', clock.now() + 1_000));
  await first.execute('bad', acquire('b', clock.now() + 5_000));
  await until('it is known', () => first.runtime.status().timers.pending === 1);
  await first.stop();
  const change = (sql: string) => {
    const db = openDatabase(path);
    db.exec(sql);
    db.close();
  };
  const db = openDatabase(path);
  const good = String(db.prepare('SELECT data FROM events WHERE revision = 2').get()?.['data']);
  db.close();
  change(`UPDATE events SET data = 'x' WHERE revision = 2`);
  change(`DELETE FROM checkpoints; DROP TABLE permits; DROP TABLE timers; DROP TABLE marks`);
  clock.advance(2_000);
  const second = await startNode(t, path, clock);
  await until('all have parked it', () => second.parkedBy().length === 3);
  t.match(second.runtime.status().timers, { pending: 1, firing: 0, failing: 0 });
  await second.stop();

  change(`UPDATE events SET data = '${good}' WHERE revision = 2`);
  const third = await startNode(t, path, clock);
  for (const reader of third.runtime.readers()) {
    t.match(await reader.redrive(), { remaining: 0 }, reader.name);
  }
  t.same(third.parkedBy(), []);
  await until('the timer has fired, and the next one got the permit', async () => {
    const types = await third.typesOf('bad');
    return types.includes('PermitExpired') && types.at(-1) === 'PermitAcquired';
  });
});
