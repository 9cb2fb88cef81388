/** What nobody foresaw: whatever throws in an actor, a listener or a reactor is the affair of what it was thrown at alone. */

import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { assign, setup } from 'xstate';
import { DamagedStreamError } from '../../../src/base/errors.js';
import type { Database } from '../../../src/base/sql.js';
import { openDatabase } from '../../../src/base/sqlite.js';
import { ActorSnapshots } from '../../../src/runtime/actors/actor-snapshots.js';
import { ActorSystem } from '../../../src/runtime/actors/actor-system.js';
import type { ActorType, Command } from '../../../src/runtime/actors/actor-type.js';
import { LiveMachine } from '../../../src/runtime/actors/live-machine.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import type { EventSchemas, EventsOf } from '../../../src/runtime/event-store/event-schema.js';
import { type EventStore, idOf } from '../../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { commandTo, type Reactor } from '../../../src/runtime/reactors/reactor.js';
import { ReactorRunner } from '../../../src/runtime/reactors/reactor-runner.js';
import { collect } from '../../support/events.js';
import { ManualClock } from '../../support/manual-clock.js';
import { projecting } from '../../support/projecting.js';
import { count, counter } from '../support/counter.js';
import { add, talliesProjection } from '../support/tallies.js';

const events = { Paid: { version: 1, fields: { amount: 'integer' } } } as const satisfies EventSchemas;

/** Breaks in its guard at 13; a context without a sum breaks everything. */
const machine = setup({
  types: {} as { context: { readonly sum: number }; events: EventsOf<typeof events> },
}).createMachine({
  context: { sum: 0 },
  on: {
    Paid: {
      guard: ({ event }) => {
        if (event.data.amount === 13) throw new TypeError('the guard broke');
        return true;
      },
      actions: assign(({ context, event }) => ({ sum: context.sum + event.data.amount })),
    },
  },
});

const account: ActorType<typeof machine> = { category: 'account', version: 1, machine, events };

const pay = (...amounts: number[]): Command<typeof machine> => ({
  decide: () => amounts.map((amount) => ({ type: 'Paid', data: { amount } })),
});

function failing(): never {
  throw new TypeError('nobody foresaw this');
}

interface Setup {
  readonly store: EventStore;
  readonly db: Database;
  system(store?: EventStore): ActorSystem;
  /** Amounts that are stored. */
  stored(): Promise<unknown[]>;
}

function start(t: Test): Setup {
  const file = join(t.testdir(), 'owl.db');
  const store = openSqliteEventStore(file);
  const db = openDatabase(file);
  const systems: ActorSystem[] = [];
  t.teardown(async () => {
    for (const system of systems) await system.close();
    db.close();
    await store.close();
  });
  return {
    store,
    db,
    system: (around = store) => {
      const snapshots = new ActorSnapshots(db, pino({ level: 'silent' }));
      const system = new ActorSystem({ store: around, clock: new ManualClock(), snapshots });
      systems.push(system);
      return system;
    },
    stored: async () => (await collect(store.readStream('account-a'))).map(({ data }) => data['amount']),
  };
}

t.test('of commands that are carried out together only the one that throws fails', async (t) => {
  const { system, stored } = start(t);
  const actors = system();
  await actors.execute(account, 'a', pay(1));
  const outcomes = await Promise.allSettled([
    actors.execute(account, 'a', pay(2)),
    actors.execute(account, 'a', { decide: failing }),
    // Its first event could be taken, its second not: neither is.
    actors.execute(account, 'a', pay(100, 13)),
    actors.execute(account, 'a', { id: 'not-hashed', decide: () => [{ type: 'Paid', data: { amount: 3 } }] }),
    actors.execute(account, 'a', pay(4)),
  ]);
  t.same(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'fulfilled', 'fulfilled'],
  );
  t.match(outcomes[1], { reason: { name: 'TypeError', message: 'nobody foresaw this' } });
  t.match(outcomes[2], { reason: { kind: 'invalid', message: /the guard broke/ } });
  t.same(await stored(), [1, 2, 3, 4]);
  t.equal((await actors.read(account, 'a')).snapshot.context.sum, 10, 'and the machine holds what is stored');
});

t.test('a store that throws what it should not fails its command, and the next one is taken', async (t) => {
  const { store, system, stored } = start(t);
  let breaks = 0;
  const breaking = delegating(store, {
    append: (...parameters) => (breaks-- > 0 ? failing() : store.append(...parameters)),
  });
  const actors = system(breaking);
  await actors.execute(account, 'a', pay(1));
  breaks = 1;
  await t.rejects(actors.execute(account, 'a', pay(2)), TypeError);
  await actors.execute(account, 'a', pay(3));
  t.same(await stored(), [1, 3]);
  t.equal((await actors.read(account, 'a')).snapshot.context.sum, 4);

  // The first of three that wait breaks the append of all: each is carried out by itself then.
  breaks = 1;
  const all = await Promise.allSettled([5, 6, 7].map((amount) => actors.execute(account, 'a', pay(amount))));
  t.ok(all.filter(({ status }) => status === 'rejected').length <= 1);
  t.equal(
    (await actors.read(account, 'a')).snapshot.context.sum,
    (await stored()).reduce((sum: number, amount) => sum + Number(amount), 0),
  );
});

t.test('a snapshot that everything throws at is thrown away, and the stream replayed', async (t) => {
  const { system, store, db } = start(t);
  const before = system();
  for (let n = 0; n < 40; n++) await before.execute(account, 'a', pay(1));
  await before.close();
  const [newest] = await collect(store.readStream('account-a', { direction: 'backwards', limit: 1 }));
  const eventId = newest?.id ?? '';
  // As of code that kept no sum, and whoever changed it did not raise the version.
  const state = { ...new LiveMachine(machine).persisted(), context: {} };
  new ActorSnapshots(db, pino({ level: 'silent' })).keep('account-a', () => ({
    ...{ revision: 39, eventId, machineVersion: 1, state, commands: [] },
  }));

  const actors = system();
  const double: Command<typeof machine> = {
    decide: ({ context }) => [{ type: 'Paid', data: { amount: Number(context.sum.toFixed()) } }],
  };
  await t.rejects(actors.execute(account, 'a', double), TypeError);
  t.equal((await actors.execute(account, 'a', double)).snapshot.context.sum, 80);
});

t.test('a machine that can not be kept is let go of all the same', async (t) => {
  const { system } = start(t);
  const endless = setup({
    types: {} as { context: { readonly big: bigint }; events: EventsOf<typeof events> },
  }).createMachine({ context: { big: 1n }, on: { Paid: { actions: () => undefined } } });
  const odd: ActorType<typeof endless> = { category: 'odd', version: 1, machine: endless, events };
  const actors = system();
  for (let n = 0; n < 40; n++) {
    await actors.execute(odd, 'a', { decide: () => [{ type: 'Paid', data: { amount: n } }] });
  }
  t.doesNotThrow(() => actors.passivateIdle(-1));
  t.equal(actors.live, 0);
  t.equal((await actors.read(odd, 'a')).revision, 39);
});

t.test('a listener that throws misses that event and nobody else misses any', async (t) => {
  const around = projecting(t);
  const projector = around.projector(talliesProjection());
  const heard: string[] = [];
  const others: string[] = [];
  projector.onApplied((applied) => {
    for (const event of applied) {
      if (event.stream === 'tally-bad') failing();
      if (!heard.includes(event.id)) heard.push(event.id);
    }
  });
  projector.onApplied((applied) => void others.push(...applied.map(({ id }) => id)));
  for (const id of ['a', 'bad', 'c', 'd']) await add(around.store, id, 1);
  await projector.start();
  await projector.caughtUpTo(await around.store.head());
  t.equal(heard.length, 3);
  t.equal(others.length, 4);
  t.match(around.log.entries('error'), [{ stream: 'tally-bad', revision: 0 }]);
  t.equal(around.log.entries('error').length, 1);
});

t.test(
  'a reactor goes on behind a target that is damaged, with the other targets and the other events',
  async (t) => {
    const around = projecting(t);
    const { store, db, clock, log } = around;
    const damaged = delegating(store, {
      async *readStream(stream, options) {
        if (stream === 'counter-bad')
          throw new DamagedStreamError(stream, 3, `${stream} is damaged at revision 3`);
        yield* store.readStream(stream, options);
      },
    });
    const executor = new ActorSystem({ store: damaged, clock });
    const reactor: Reactor = {
      name: 'tells-three',
      categories: ['tally'],
      react: (event) =>
        ['first', 'bad', 'last'].map((id) => commandTo(counter, id, count(idOf(event.stream)))),
    };
    const runner = new ReactorRunner({ store, db, reactor, executor, clock, logger: log.logger });
    around.onEnd(() => runner.stop());
    for (const id of ['a', 'a', 'b']) await add(store, id, 1);
    await runner.start();
    await runner.caughtUpTo(await store.head());
    for (const id of ['first', 'last']) {
      const counted = (await collect(store.readStream(`counter-${id}`))).map(({ data }) => data['what']);
      t.same(counted.sort(), ['a', 'a', 'b'], id);
    }
    t.equal(runner.status().parked, 0, 'what follows in the stream waits for nothing');
    t.match(log.entries('error')[0], { target: 'counter-bad', reason: /damaged at revision 3/ });
  },
);
