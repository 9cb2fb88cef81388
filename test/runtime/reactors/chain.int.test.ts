/** Chains of two commands: carried out once, by the handler or the safety net, whatever stops in between. On both stores. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { systemClock } from '../../../src/base/clock.js';
import { StoreUnavailableError } from '../../../src/base/errors.js';
import { ActorSystem } from '../../../src/runtime/actors/actor-system.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import { type EventStore, idOf } from '../../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { type Chain, executeChain, safetyNet } from '../../../src/runtime/reactors/chain.js';
import { openRuntime } from '../../../src/runtime/runtime.js';
import { STORES } from '../../support/both-stores.js';
import { collect, ofKind } from '../../support/events.js';
import { until } from '../../support/until.js';
import { askFor, booking, hall, open, type Seat, seating, take, tellsBookings } from '../support/bookings.js';

/** A node with the safety net, until the test ends. */
async function startWithNet(t: Test, store: EventStore, name = 'node') {
  const runtime = openRuntime({
    ...{
      store,
      databasePath: join(t.testdirName, `${name}.db`),
      actorTypes: [booking, hall],
      projections: [],
    },
    ...{ clock: systemClock, logger: pino({ level: 'silent' }) },
  });
  t.teardown(() => runtime.close());
  await runtime.start(async () => [safetyNet(seating), tellsBookings]);
  return runtime;
}

/** It is answered the seats that were free then as well, which nobody can tell later. */
const seatingAmongFree: Chain<typeof booking.machine, typeof hall.machine, Seat & { free: number }> = {
  ...seating,
  next: (event) => {
    const next = seating.next(event);
    if (next === undefined) return undefined;
    const { decide, asks } = take(idOf(event.stream));
    return {
      ...next,
      command: {
        asks,
        decide: (snapshot) => {
          const { events, answer } = decide(snapshot);
          const { seats, asked } = snapshot.context;
          return { events, answer: { ...answer, free: seats - asked.count } };
        },
      },
    };
  },
};

/** A store that does something else with the appends to halls, as long as it has something to do. */
function hindered(store: EventStore) {
  const hinder: { append?: EventStore['append'] | undefined } = {};
  const around = delegating(store, {
    append: (stream, ...given) =>
      (stream.startsWith('hall-') ? (hinder.append ?? store.append.bind(store)) : store.append.bind(store))(
        stream,
        ...given,
      ),
  });
  return { around, hinder };
}

const typesIn = async (store: EventStore, stream: string) =>
  (await collect(store.readStream(stream))).map(({ type }) => type);
const isSeated = (system: ActorSystem) => async () =>
  (await system.read(booking, 'b')).snapshot.value === 'seated';

for (const [name, prepare] of Object.entries(STORES)) {
  t.test(`a chain on ${name}`, async (t) => {
    await t.test('handler and safety net send the same command, which happens once', async (t) => {
      t.testdir();
      const store = await prepare(t);
      const runtime = await startWithNet(t, store);
      await runtime.system.execute(hall, 'h', open(2));
      const ids = ['b', 'c', 'd'];
      const booked = await Promise.all(
        ids.map((id) => executeChain(runtime, seating, id, askFor(`order ${id}`))),
      );
      t.strictSame(booked.map(({ second }) => second?.answer?.seat).sort(), [0, 1, 2]);
      await until('all are told', async () => {
        const states = await Promise.all(ids.map((id) => runtime.system.read(booking, id)));
        return states.every(({ snapshot }) => snapshot.value !== 'asking');
      });
      const seated = await Promise.all(ids.map((id) => runtime.system.read(booking, id)));
      t.strictSame(seated.map(({ snapshot }) => snapshot.value).sort(), ['refused', 'seated', 'seated']);
      const types = await typesIn(store, 'hall-h');
      t.strictSame(types.sort(), ['HallOpened', 'SeatDeclined', 'SeatTaken', 'SeatTaken']);
      const asked = (await collect(store.readStream('booking-b')))[0]?.id;
      const taken = (await collect(store.readStream('hall-h'))).filter(({ data }) => data['booking'] === 'b');
      t.match(taken, [{ metadata: { commandId: `reactor:seating/${asked}/0`, by: 'reactor:seating' } }]);
    });

    await t.test(
      'stopped in between, it stands where everybody sees it, and the net carries it on',
      async (t) => {
        t.testdir();
        const store = await prepare(t);
        const { around, hinder } = hindered(store);
        const system = new ActorSystem({ store: around, clock: systemClock });
        await system.execute(hall, 'h', open(1));
        hinder.append = async () => {
          throw new StoreUnavailableError('the store is away', 'refused');
        };
        const book = () => executeChain({ system, store: around }, seating, 'b', askFor('order'));
        await t.rejects(book(), ofKind('unavailable'));
        t.equal((await system.read(booking, 'b')).snapshot.value, 'asking');
        t.strictSame(await typesIn(store, 'hall-h'), ['HallOpened']);
        hinder.append = undefined;

        const runtime = await startWithNet(t, store);
        await until('the booking is seated', isSeated(runtime.system));
        const again = await executeChain(runtime, seating, 'b', askFor('order'));
        t.match(again, { first: { duplicate: true }, second: { duplicate: true, answer: { seat: 1 } } });
        t.strictSame(await typesIn(store, 'hall-h'), ['HallOpened', 'SeatTaken']);
        // A node that is new to the store reacts to all of it.
        const other = await startWithNet(t, store, 'new');
        const [{ name: net } = { name: '' }] = other.status().reactors;
        t.equal(net, 'seating');
        const head = await store.head();
        await until('it has read all', () =>
          other.status().reactors.every(({ checkpoint }) => checkpoint >= head),
        );
        t.strictSame(await typesIn(store, 'hall-h'), ['HallOpened', 'SeatTaken']);
      },
    );

    await t.test(
      'the order sent again carries it on without a net, also where an answer was lost',
      async (t) => {
        t.testdir();
        const store = await prepare(t);
        const { around, hinder } = hindered(store);
        const system = new ActorSystem({ store: around, clock: systemClock });
        await system.execute(hall, 'h', open(1));
        const book = () => executeChain({ system, store: around }, seating, 'b', askFor('order'));
        hinder.append = async () => {
          throw new StoreUnavailableError('the store is away', 'refused');
        };
        await t.rejects(book(), ofKind('unavailable'));
        hinder.append = async (...given) => {
          await store.append(...given);
          throw new StoreUnavailableError('the answer was lost', 'unknown');
        };
        await t.rejects(book(), ofKind('unavailable'));
        hinder.append = undefined;
        t.match(await book(), { second: { duplicate: true, answer: { seat: 1 } } });
        t.strictSame(await typesIn(store, 'hall-h'), ['HallOpened', 'SeatTaken']);
        t.strictSame(await typesIn(store, 'booking-b'), ['SeatAsked']);
      },
    );

    await t.test('the answer of the second is known after hundreds of others', async (t) => {
      t.testdir();
      const store = await prepare(t);
      const system = new ActorSystem({ store, clock: systemClock });
      const book = (system: ActorSystem) =>
        executeChain({ system, store }, seatingAmongFree, 'b', askFor('order'));
      await system.execute(hall, 'h', open(1_000));
      const { second: first } = await book(system);
      t.strictSame(first?.answer, { seat: 1, free: 1_000 });
      const others = Array.from({ length: 200 }, (_, n) => `other-${n}`);
      await Promise.all(
        others.map((id) => system.execute(hall, 'h', { id, decide: (state) => take(id).decide(state) })),
      );
      for (const later of [system, new ActorSystem({ store, clock: systemClock })]) {
        const { second } = await book(later);
        t.match(second, { duplicate: true, answer: first?.answer });
      }
      const [taken] = (await collect(store.readStream('hall-h'))).filter(
        ({ data }) => data['booking'] === 'b',
      );
      t.match(taken?.metadata.asked, /^take\//, 'it was an order');
    });
  });
}

t.test('a process that is killed in between leaves a chain that the next one carries on', async (t) => {
  const database = join(t.testdir(), 'events.db');
  const program = fileURLToPath(new URL('./stop-between.js', import.meta.url));
  const child = spawn(process.execPath, [program, database], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  t.equal(line, 'between');
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  t.strictSame(await ended, [null, 'SIGKILL']);

  const store = openSqliteEventStore(database);
  t.teardown(() => store.close());
  t.strictSame(await typesIn(store, 'booking-b'), ['SeatAsked']);
  t.strictSame(await typesIn(store, 'hall-h'), ['HallOpened']);
  const runtime = await startWithNet(t, store);
  await until('the booking is seated', isSeated(runtime.system));
  t.match(await executeChain(runtime, seating, 'b', askFor('order')), { second: { answer: { seat: 1 } } });
  t.strictSame(await typesIn(store, 'hall-h'), ['HallOpened', 'SeatTaken']);
});

t.test('the state in between is one of the first actor, and nothing may follow from a command', async (t) => {
  t.throws(() => safetyNet({ ...seating, between: 'waiting' }), {
    ...ofKind('invalid'),
    message: 'chain seating stands in waiting, which is no state of booking',
  });
  t.throws(() => safetyNet({ ...seating, between: 'asking.more' }), ofKind('invalid'));
  const store = openSqliteEventStore(':memory:');
  t.teardown(() => store.close());
  const system = new ActorSystem({ store, clock: systemClock });
  const nothing = { ...seating, next: () => undefined };
  t.match(await executeChain({ system, store }, nothing, 'b', askFor('order')), {
    first: { duplicate: false },
    second: undefined,
  });
  await t.rejects(
    executeChain({ system, store }, seating, 'c', askFor('other')),
    ofKind('not_found'),
    'what the second refuses, who asked is told',
  );
});
