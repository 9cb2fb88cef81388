/** A second kind of actor on the runtime as it is: what only the tests declare runs with projections, reactor and timers. */

import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { type Clock, systemClock } from '../../src/base/clock.js';
import { StoreUnavailableError } from '../../src/base/errors.js';
import { isTransient } from '../../src/base/failure-kinds.js';
import type { Command } from '../../src/runtime/actors/actor-type.js';
import { LiveMachine } from '../../src/runtime/actors/live-machine.js';
import type { JsonObject } from '../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { openRuntime, type Runtime } from '../../src/runtime/runtime.js';
import { collect } from '../support/events.js';
import { ManualClock } from '../support/manual-clock.js';
import {
  acquire,
  acquireAll,
  create,
  grantsPermits,
  holderIn,
  permits,
  release,
  type SemaphoreMachine,
  semaphore,
} from '../support/semaphore.js';
import { until } from '../support/until.js';

const LEASE_MS = 10 * 60_000;

/** One node on a file; `restart` ends it and starts another one on the same file. */
async function startNode(t: Test, clock: Clock) {
  const file = join(t.testdir(), 'owl.db');
  const start = async () => {
    const store = openSqliteEventStore(file);
    const runtime = openRuntime({
      store,
      databasePath: file,
      actorTypes: [semaphore],
      projections: [permits],
      clock,
      logger: pino({ level: 'silent' }),
    });
    await runtime.start(async () => [grantsPermits(LEASE_MS)]);
    return runtime;
  };
  const stop = async (runtime: Runtime) => {
    await runtime.close();
    await runtime.store.close();
  };
  const node = {
    runtime: await start(),
    restart: async () => {
      await stop(node.runtime);
      node.runtime = await start();
    },
    execute: <A extends JsonObject = never>(command: Command<SemaphoreMachine, A>) =>
      node.runtime.system.execute(semaphore, 's', command),
    history: () => collect(node.runtime.store.readStream('semaphore-s')),
    /** As the read model has it; undefined also while the node is down. */
    permitOf: (holder: string) => {
      try {
        return node.runtime.db.prepare('SELECT state FROM permits WHERE holder = ?').get(holder)?.['state'];
      } catch (error) {
        if (error instanceof StoreUnavailableError) return undefined;
        throw error;
      }
    },
  };
  t.teardown(() => stop(node.runtime));
  return node;
}

/** As a client does: the same command again until it is answered. */
async function insist(execute: () => Promise<unknown>): Promise<void> {
  await until('the command is answered', async () => {
    try {
      await execute();
      return true;
    } catch (error) {
      if (isTransient(error)) return false;
      throw error;
    }
  });
}

t.test('64 race for 5 permits while the node is restarted in the middle', async (t) => {
  const node = await startNode(t, systemClock);
  await node.execute(create(5));
  let released = 0;
  let goOn: () => void = () => undefined;
  const restarting = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const work = async (holder: string) => {
    await insist(() => node.execute(acquire(holder, Date.now() + LEASE_MS)));
    await until(`${holder} holds a permit`, () => node.permitOf(holder) === 'held');
    if (released >= 20) await restarting;
    await insist(() => node.execute(release(holder)));
    released += 1;
  };
  const holders = Array.from({ length: 64 }, (_, i) => `holder ${i}`);
  const working = Promise.all(holders.map(work));
  await until('some are done', () => released >= 20);
  const restarted = node.restart();
  goOn();
  await Promise.all([restarted, working]);

  const history = await node.history();
  const holding = new Set<string>();
  let most = 0;
  for (const { type, data } of history) {
    if (type === 'PermitAcquired') holding.add(holderIn(data));
    if (type === 'PermitReleased') holding.delete(holderIn(data));
    most = Math.max(most, holding.size);
  }
  t.equal(most, 5, 'the capacity is used and never exceeded');
  t.equal(holding.size, 0);
  const holdersOf = (wanted: string) =>
    history.filter(({ type }) => type === wanted).map(({ data }) => holderIn(data));
  t.same(holdersOf('PermitAcquired').sort(), [...holders].sort(), 'everyone got a permit once');
  t.same(holdersOf('PermitReleased').sort(), [...holders].sort());
  const awaited = holdersOf('PermitAwaited');
  t.ok(awaited.length > 0);
  t.same(
    holdersOf('PermitAcquired').filter((holder) => awaited.includes(holder)),
    awaited,
    'those who waited were granted theirs in order of asking',
  );
});

t.test('the history, replayed, gives the same state and the same read model', async (t) => {
  const node = await startNode(t, systemClock);
  await node.execute(create(2));
  for (const holder of ['a', 'b', 'c', 'd', 'e']) await node.execute(acquire(holder, Date.now() + LEASE_MS));
  for (const holder of ['a', 'b']) {
    await node.execute(release(holder));
  }
  await until(
    'c and d are granted theirs',
    () => node.permitOf('c') === 'held' && node.permitOf('d') === 'held',
  );
  const { snapshot, revision } = await node.runtime.system.read(semaphore, 's');
  const rows = () =>
    node.runtime.db
      .prepare('SELECT * FROM permits ORDER BY holder')
      .all()
      .map((row) => ({ ...row }));
  const live = rows();
  t.same(
    live.map(({ state }) => state),
    ['gone', 'gone', 'held', 'held', 'waiting'],
  );

  const replayed = new LiveMachine(semaphore.machine);
  replayed.take(await node.history());
  t.same(replayed.snapshot.context, snapshot.context);
  t.equal(replayed.snapshot.value, snapshot.value);
  await node.restart();
  const recovered = await node.runtime.system.read(semaphore, 's');
  t.same(recovered.snapshot.context, snapshot.context);
  t.equal(recovered.revision, revision);
  await node.runtime.projector('permits').rebuild();
  t.same(rows(), live);
});

t.test(
  'permits that are not released expire, are granted on, and expire again after a restart',
  async (t) => {
    const clock = new ManualClock();
    const node = await startNode(t, clock);
    await node.execute(create(1));
    const begin = clock.now();
    for (const holder of ['a', 'b', 'c']) await node.execute(acquire(holder, begin + LEASE_MS));
    const armedFor = (dueAt: number) => () => node.runtime.status().timers.nextDueAt === dueAt;
    await until('the lease is armed', armedFor(begin + LEASE_MS));
    clock.advance(LEASE_MS);
    await until('b has what a did not release', () => node.permitOf('b') === 'held');
    t.equal(node.permitOf('a'), 'gone');

    await node.restart();
    await until('the lease is armed again', armedFor(begin + 2 * LEASE_MS));
    clock.advance(LEASE_MS - 1);
    t.equal(node.permitOf('b'), 'held');
    clock.advance(1);
    await until('c has what b did not release', () => node.permitOf('c') === 'held');
    t.same(
      (await node.history()).map(({ type, data }) => `${type} ${data['holder'] ?? ''}`.trim()),
      [
        'SemaphoreCreated',
        'PermitAcquired a',
        'PermitAwaited b',
        'PermitAwaited c',
        'PermitExpired a',
        'PermitAcquired b',
        'PermitExpired b',
        'PermitAcquired c',
      ],
    );
  },
);

t.test(
  'an order of many is two events with lists; its answer and those who wait outlive restarts',
  async (t) => {
    const clock = new ManualClock();
    const node = await startNode(t, clock);
    await node.execute(create(3));
    const holders = Array.from({ length: 1000 }, (_, n) => `h${n}`);
    const order = () => acquireAll(holders, clock.now() + LEASE_MS, 'order');
    const answer = { held: 3, waiting: 997 };
    t.match(await node.execute(order()), { duplicate: false, answer });
    t.match(
      (await node.history()).map(({ type, data }) => [type, data['holders']]),
      [['SemaphoreCreated'], ['PermitsAcquired', holders.slice(0, 3)], ['PermitsAwaited', holders.slice(3)]],
    );
    const waits = Array.from({ length: 9 }, (_, more) =>
      Array.from({ length: 1000 }, (_, n) => `more ${more} ${n}`),
    );
    for (const [n, more] of waits.entries()) await node.execute(acquireAll(more, 0, `order ${n}`));
    await until('the leases are armed', () => node.runtime.status().timers.nextDueAt !== undefined);
    t.match(await node.execute(acquire('late', 0)), { answer: { holder: 'late', state: 'waiting' } });

    await node.execute(release('h1'));
    await until('who has waited longest holds it', () => node.permitOf('h3') === 'held');
    await node.restart();
    t.match(await node.execute(order()), { duplicate: true, answer }, 'as at first, though h1 is gone');
    const { snapshot } = await node.runtime.system.read(semaphore, 's');
    t.match(snapshot.context, { turn: 9998, waiting: { count: 9997 }, queue: { count: 9997 } });
    await node.runtime.readYourWrites();
    const counts = node.runtime.db.prepare(
      'SELECT state, count(*) AS n FROM permits GROUP BY state ORDER BY state',
    );
    t.strictSame(
      counts.all().map(({ state, n }) => [state, n]),
      [
        ['gone', 1],
        ['held', 3],
        ['waiting', 9997],
      ],
    );
    clock.advance(LEASE_MS);
    await until('what was not given back goes to those who wait', () => node.permitOf('h6') === 'held');
  },
);
