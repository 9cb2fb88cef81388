/** A loop that runs on one node of a store at a time, with two nodes on each kind of store and a clock for each of them. */

import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { StoreUnavailableError } from '../../../src/base/errors.js';
import { type CheckedStore, checkStore } from '../../../src/runtime/event-store/check-store.js';
import { copyStore } from '../../../src/runtime/event-store/copy-store.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import type { EventStore } from '../../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import type { Loop, LoopContext } from '../../../src/runtime/loops/loop.js';
import { STORES } from '../../support/both-stores.js';
import { collect } from '../../support/events.js';
import { openStore, startNode } from '../../support/eventstoredb-stores.js';
import { ManualClock } from '../../support/manual-clock.js';
import { notices, tellsHolders } from '../../support/notices.js';
import { until } from '../../support/until.js';
import { type LoopingNode, loopingNode } from './looping-node.js';

const LEASE_SECONDS = 10;
const LEASE_MS = LEASE_SECONDS * 1000;
const LEASES = 'owl_loop-tells-holders';

interface SharedNode extends LoopingNode {
  readonly clock: ManualClock;
  /** Its store answers nothing any more, or again. */
  isAway: boolean;
  /** Its appends of leases are stored, and it hears that nobody knows. */
  losesAnswers: boolean;
}

interface Shared {
  /** Whom each node told, in order: `a: h1`. */
  readonly told: string[];
  readonly store: EventStore;
  node(name: string, more?: NodeOptions): Promise<SharedNode>;
}

interface NodeOptions extends Partial<Pick<Loop, 'round'>> {
  /** As this node sees it. */
  readonly store?: EventStore;
}

async function sharing(t: Test, open: (t: Test) => Promise<EventStore>): Promise<Shared> {
  t.testdir();
  const store = await open(t);
  const told: string[] = [];
  return {
    told,
    store,
    async node(name, { store: own = store, ...more } = {}) {
      const faults = { isAway: false, losesAnswers: false };
      const clock = new ManualClock();
      const node = await loopingNode(
        t,
        (runtime) => [
          {
            ...tellsHolders({
              runtime,
              leaseSeconds: LEASE_SECONDS,
              tell: ({ holder }) => void told.push(`${name}: ${holder}`),
            }),
            ...more,
          },
        ],
        {
          clock,
          databasePath: join(t.testdirName, `${name}.db`),
          sharedAs: name,
          store: faulty(own, faults),
        },
      );
      return Object.assign(faults, { ...node, clock });
    },
  };
}

function faulty(store: EventStore, faults: { isAway: boolean; losesAnswers: boolean }): EventStore {
  const check = () => {
    if (faults.isAway) throw new StoreUnavailableError('it is away', 'refused');
  };
  return delegating(store, {
    async append(...parameters) {
      check();
      const done = await store.append(...parameters);
      if (faults.losesAnswers) throw new StoreUnavailableError('nobody knows', 'unknown');
      return done;
    },
    async *readStream(...parameters) {
      check();
      yield* store.readStream(...parameters);
    },
  });
}

/** How often the lease was recorded, as `a` or, given back, `a gone`. */
async function records({ store }: Shared): Promise<string[]> {
  const events = await collect(store.readStream(LEASES));
  return events.map(({ data }) => `${data['node_id']}${data['held'] === true ? '' : ' gone'}`);
}

const openOnServer = async (t: Test): Promise<EventStore> => openStore(t, await startNode(t));

const runs = (node: LoopingNode) => node.status().state === 'resting';

for (const [name, open] of Object.entries(STORES)) {
  t.test(`on ${name}`, async (t) => {
    t.test('one of two nodes runs it, and the other at once when that ends in order', async (t) => {
      const shared = await sharing(t, open);
      const a = await shared.node('a');
      await until('a runs it', () => runs(a));
      const b = await shared.node('b');
      await until('b knows', () => b.status().node === 'a');
      t.match(b.status(), { state: 'elsewhere', rounds: 0 });
      t.match(a.status(), { node: 'a' });
      await b.grant('h1');
      await until('it was told', () => shared.told.length === 1);
      await a.close();
      await until('b runs it', () => runs(b));
      await b.grant('h2');
      await until('that was told too', () => shared.told.length === 2);
      t.same(shared.told, ['a: h1', 'b: h2']);
      t.same(await records(shared), ['a', 'a gone', 'b']);
    });

    t.test('a node that is cut off stops before the other begins', async (t) => {
      const shared = await sharing(t, open);
      const a = await shared.node('a');
      await until('a runs it', () => runs(a));
      const b = await shared.node('b');
      await until('b knows', () => b.status().node === 'a');
      const told: string[] = [];
      for (const [name, { runtime }] of Object.entries({ a, b })) {
        runtime.lifeCycle.on('lease taken', () => told.push(`${name} took it`));
        runtime.lifeCycle.on('lease lost', () => told.push(`${name} lost it`));
      }
      a.isAway = true;
      const acting: string[] = [];
      await until('b runs it', () => {
        acting.push(`${runs(a) ? 'a' : ''}${runs(b) ? 'b' : ''}`);
        for (const { clock } of [a, b]) clock.advance(LEASE_MS / 20);
        return runs(b);
      });
      t.notOk(acting.includes('ab'), 'never both');
      t.ok(acting.includes(''), 'and none for a while');
      t.match(a.status(), { state: 'elsewhere', why: 'it is away' });
      t.same(told, ['a lost it', 'b took it'], 'in this order');
      a.isAway = false;
      await until('a hears of it', () => {
        a.clock.advance(100);
        return a.status().node === 'b';
      });
      await a.grant('h1');
      await until('it was told', () => shared.told.length === 1);
      t.same(shared.told, ['b: h1']);
    });

    t.test('a node that was stopped for long acts no more, whatever it hears first', async (t) => {
      const shared = await sharing(t, open);
      const contexts: LoopContext[] = [];
      let release: () => void = () => undefined;
      const round = (context: LoopContext) =>
        new Promise<object>((resolve) => {
          contexts.push(context);
          release = () => resolve({});
        });
      const a = await shared.node('a', { round });
      t.teardown(() => release());
      await until('a is in a round', () => contexts.length === 1);
      const b = await shared.node('b');
      await until('b knows', () => b.status().node === 'a');
      await until('b runs it', () => {
        b.clock.advance(LEASE_MS / 20);
        return runs(b);
      });
      a.clock.sleep(LEASE_MS);
      t.throws(() => contexts[0]?.assertMayAct(), { message: 'the lease of the loop tells-holders is over' });
      t.ok(contexts[0]?.signal.aborted);
      release();
      await until('a knows', () => {
        a.clock.advance(100);
        return a.status().node === 'b';
      });
      t.equal(contexts.length, 1);
    });

    t.test('while the store is away nobody runs it, and then who ran it goes on', async (t) => {
      const shared = await sharing(t, open);
      const a = await shared.node('a');
      await until('a runs it', () => runs(a));
      const b = await shared.node('b');
      await until('b knows', () => b.status().node === 'a');
      for (const node of [a, b]) node.isAway = true;
      await until('a has stopped', () => {
        for (const { clock } of [a, b]) clock.advance(LEASE_MS / 20);
        return a.status().state === 'elsewhere' && b.status().why === 'it is away';
      });
      for (let n = 0; n < 100; n++) b.clock.advance(LEASE_MS / 20);
      t.notOk(runs(a) || runs(b));
      for (const node of [a, b]) node.isAway = false;
      await until('a goes on', () => {
        a.clock.advance(100);
        return runs(a);
      });
      t.same(new Set(await records(shared)), new Set(['a']));
    });

    t.test('a record whose answer was lost counts, and one that no one took is no end', async (t) => {
      const shared = await sharing(t, open);
      const a = await shared.node('a');
      await until('a runs it', () => runs(a));
      a.losesAnswers = true;
      a.clock.advance(LEASE_MS / 3);
      await until('it was recorded', async () => (await records(shared)).length === 2);
      await until('a does not know', () => a.log.messages('warn').length > 0);
      a.losesAnswers = false;
      a.clock.advance(LEASE_MS / 10);
      await until('a looks it up', async () => {
        a.clock.advance(50);
        return (await records(shared)).length > 2;
      });
      t.ok(runs(a));
      t.same(a.log.messages('warn'), ['that a loop is run here was not recorded; trying again']);
    });

    t.test('a node that follows begins when it knows all that the one before it has done', async (t) => {
      const shared = await sharing(t, open);
      const a = await shared.node('a');
      await until('a runs it', () => runs(a));
      let hears: () => void = () => undefined;
      let hearing: Promise<void> | undefined;
      const store = delegating(shared.store, {
        async *subscribe(options) {
          for await (const batch of shared.store.subscribe(options)) {
            await hearing;
            yield batch;
          }
        },
      });
      const b = await shared.node('b', { store });
      await b.runtime.caughtUp();
      hearing = new Promise((resolve) => {
        hears = resolve;
      });
      t.teardown(() => hears());
      await a.grant('h1');
      await until('it was told', () => shared.told.length === 1);
      await until('that is recorded', () => a.status().rounds === 2 && runs(a));
      await a.runtime.stopLoops();
      await until('b has the lease', async () => {
        // What b hears of it is held back as well.
        b.clock.advance(LEASE_MS / 20);
        return (await records(shared)).at(-1) === 'b';
      });
      t.match(b.status(), { state: 'waiting', rounds: 0 });
      hears();
      await until('b runs it', () => {
        b.clock.advance(LEASE_MS / 20);
        return runs(b);
      });
      t.same(shared.told, ['a: h1'], 'and tells nobody twice');
    });
  });
}

t.test('a server keeps the newest records only, and they are no part of the history', async (t) => {
  const shared = await sharing(t, openOnServer);
  const a = await shared.node('a');
  await until('a runs it', () => runs(a));
  await a.grant('h1');
  let newest = 0;
  await until('it was recorded often', async () => {
    a.clock.advance(LEASE_MS / 30);
    for await (const { revision } of shared.store.readStream(LEASES, { direction: 'backwards', limit: 1 }))
      newest = revision;
    return newest > 40;
  });
  t.ok(runs(a));
  t.equal((await records(shared)).length, 16);
  const b = await shared.node('b');
  await until('b knows', () => b.status().node === 'a');
  await a.close();
  await until('b runs it', () => runs(b));
  await b.close();

  const copied = openSqliteEventStore(':memory:');
  t.teardown(() => copied.close());
  const { signal } = new AbortController();
  const onProgress = () => undefined;
  const clock = new ManualClock();
  const { streams } = await copyStore({ from: shared.store, to: copied, clock, signal, onProgress });
  t.equal(streams, 2, 'a semaphore and its notices');
  const problems: string[] = [];
  const store: CheckedStore = {
    readAll: () => shared.store.readAll(),
    readStream: (stream, limit) => shared.store.readStream(stream, { limit }),
    async *others() {},
  };
  await checkStore({
    ...{ store, signal, onProgress },
    onProblem: async ({ problem }) => void problems.push(problem),
  });
  t.same(problems, []);
});

t.test('what is read of it lags: it is tried again after pauses, not at once', async (t) => {
  const shared = await sharing(t, openOnServer);
  const a = await shared.node('a');
  await until('a runs it', () => runs(a));
  let reads = 0;
  let lags = true;
  const store = delegating(shared.store, {
    async *readStream(stream, options) {
      if (stream === LEASES) reads += 1;
      if (stream !== LEASES || !lags) yield* shared.store.readStream(stream, options);
    },
  });
  const b = await shared.node('b', { store });
  await until('b has tried', () => reads > 0);
  for (let turn = 0; turn < 100; turn++) await nextTurn();
  t.equal(reads, 1, 'and waits');
  await until('b tries again', () => {
    b.clock.advance(50);
    return reads > 1;
  });
  lags = false;
  await until('b knows', () => {
    b.clock.advance(50);
    return b.status().node === 'a';
  });
  t.ok(runs(a));
});

t.test('on a store of its own a node needs no lease', async (t) => {
  const node = await loopingNode(t, (runtime) => [
    { ...tellsHolders({ runtime, tell: () => undefined, leaseSeconds: 1 }) },
  ]);
  await until('it runs', () => runs(node));
  t.same(await collect(node.runtime.store.readStream(LEASES)), []);
});

t.test('a name or a lease that is none is refused', async (t) => {
  const node = await loopingNode(t, () => []);
  const loop: Loop = { name: 'x', readModels: [notices.name], round: () => ({}) };
  for (const leaseSeconds of [0, 1.5, 3601])
    t.throws(() => node.runtime.startLoops([{ ...loop, leaseSeconds }]), { message: /1 to 3600 whole/ });
  t.throws(() => node.runtime.startLoops([{ ...loop, name: 'a b' }]), { message: /called "a b"/ });
});
