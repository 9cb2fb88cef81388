/** Snapshots of actors that live: what a killed process leaves to be read, whom keeping one holds up, and what a failure costs. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { assign, setup } from 'xstate';
import { systemClock } from '../../../src/base/clock.js';
import { openDatabase } from '../../../src/base/sqlite.js';
import { ActorSnapshots } from '../../../src/runtime/actors/actor-snapshots.js';
import { ActorSystem } from '../../../src/runtime/actors/actor-system.js';
import type { ActorType, Command } from '../../../src/runtime/actors/actor-type.js';
import { jsonPieces } from '../../../src/runtime/actors/json-pieces.js';
import { LiveMachine } from '../../../src/runtime/actors/live-machine.js';
import { Tail } from '../../../src/runtime/actors/tail.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import type { EventSchemas, EventsOf } from '../../../src/runtime/event-store/event-schema.js';
import type { EventStore, RecordedEvent } from '../../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { hasToken, NO_TOKENS, type TokenSet, withToken } from '../../../src/state/token-set.js';
import { ofKind } from '../../support/events.js';
import { openStore, startNode } from '../../support/eventstoredb-stores.js';
import { logLines } from '../../support/log-lines.js';
import { until } from '../../support/until.js';
import { draw, orderOne, tickets } from '../support/tickets.js';
import { AT_ONCE } from './draw-until-killed.js';

/** Counts what is read of streams. */
function countingReads(store: EventStore) {
  const counted = { events: 0 };
  const counting = delegating(store, {
    async *readStream(...given) {
      for await (const event of store.readStream(...given)) {
        counted.events += 1;
        yield event;
      }
    },
  });
  return { store: counting, counted };
}

t.test('a killed process leaves the tail to be read, however long the stream is', async (t) => {
  const database = join(t.testdir(), 'owl.db');
  const program = fileURLToPath(new URL('./draw-until-killed.js', import.meta.url));
  const child = spawn(process.execPath, [program, database], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stdout })) if (Number(line) >= 5000) break;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  t.strictSame(await ended, [null, 'SIGKILL']);

  const db = openDatabase(database);
  t.teardown(() => db.close());
  const opened = openSqliteEventStore(database);
  t.teardown(() => opened.close());
  const { store, counted } = countingReads(opened);
  const system = new ActorSystem({
    store,
    clock: systemClock,
    snapshots: new ActorSnapshots(db, logLines().logger),
  });
  const { revision } = await system.read(tickets, 'a');
  t.ok(revision >= 5000);
  // 256 events, and what two batches bring: the one that makes it due, and one while it is written.
  t.ok(counted.events <= 1 + 256 + 2 * 2 * AT_ONCE, `${counted.events} of ${revision + 1} events were read`);
  t.match(
    await system.execute(tickets, 'a', orderOne('first')),
    {
      duplicate: true,
      answer: { number: 1, of: ['house'] },
      snapshot: { context: { drawn: (revision + 1) / 2 } },
    },
    'the order that only the snapshot remembers has its answer',
  );
});

const events = {
  Arrived: { version: 1, fields: { token: 'text' } },
  Ended: { version: 1, fields: {} },
} as const satisfies EventSchemas;

const machine = setup({
  types: {} as { context: { readonly arrived: TokenSet }; events: EventsOf<typeof events> },
}).createMachine({
  context: { arrived: NO_TOKENS },
  initial: 'open',
  states: {
    open: {
      on: {
        Arrived: {
          guard: ({ context, event }) => !hasToken(context.arrived, event.data.token),
          actions: assign(({ context, event }) => ({
            arrived: withToken(context.arrived, event.data.token, 1),
          })),
        },
        Ended: 'ended',
      },
    },
    ended: { type: 'final' },
  },
});

const countdown: ActorType<typeof machine> = { category: 'countdown', version: 1, machine, events };

const arrive = (...tokens: string[]): Command<typeof machine> => ({
  decide: ({ context }) =>
    tokens
      .filter((token) => !hasToken(context.arrived, token))
      .map((token) => ({ type: 'Arrived', data: { token } })),
});

/** An actor system on a store in memory. */
function inMemory(t: Test, opened: EventStore = openSqliteEventStore(':memory:')) {
  t.teardown(() => opened.close());
  const db = openDatabase(':memory:');
  t.teardown(() => db.close());
  const { store, counted } = countingReads(opened);
  const { logger, messages } = logLines();
  const lines = () => messages('warn');
  const snapshots = new ActorSnapshots(db, logger);
  const system = () => new ActorSystem({ store, clock: systemClock, snapshots });
  const kept = () => Number(db.prepare('SELECT revision FROM actor_snapshots').get()?.['revision'] ?? -1);
  return { db, system, counted, kept, lines, snapshots };
}

const STORES: Readonly<Record<string, (t: Test) => Promise<EventStore>>> = {
  sqlite: async () => openSqliteEventStore(':memory:'),
  'the EventStoreDB double': async (t) => openStore(t, await startNode(t)),
};

for (const [name, open] of Object.entries(STORES)) {
  t.test(`thousands of tokens of one actor, and its end: on ${name}`, async (t) => {
    const { system, kept, counted, lines, snapshots } = inMemory(t, await open(t));
    const first = system();
    const tokens = Array.from({ length: 1500 }, (_, n) => `task-${(n * 7_919) % 100_003}`);
    for (let from = 0; from < tokens.length; from += 500)
      await first.execute(countdown, 'a', arrive(...tokens.slice(from, from + 500)));
    await first.execute(countdown, 'a', arrive('task-0', 'task-1'));
    await first.execute(countdown, 'a', { decide: () => [{ type: 'Ended', data: {} }] });
    await snapshots.settled();
    t.ok(kept() >= 499, 'a snapshot is kept of one that was not let go');

    const next = system();
    const { snapshot, revision } = await next.read(countdown, 'a');
    t.equal(revision, snapshot.context.arrived.count);
    t.match(snapshot, { value: 'ended', status: 'done', context: { arrived: { count: revision } } });
    t.equal(counted.events, revision - kept() + 1, 'the tail was read, and the event of the snapshot');
    await t.rejects(next.execute(countdown, 'a', arrive('late')), ofKind('refused'), 'the end is the end');
    await next.close();
    await first.close();
    t.same(lines(), []);
  });
}

t.test('one that is refused goes back to the tokens it had', async (t) => {
  const { system } = inMemory(t);
  const actors = system();
  await actors.execute(countdown, 'a', arrive('a', 'b'));
  const twice: Command<typeof machine> = {
    decide: () => ['c', 'd', 'a'].map((token) => ({ type: 'Arrived', data: { token } })),
  };
  await t.rejects(actors.execute(countdown, 'a', twice), ofKind('refused'));
  const { snapshot } = await actors.execute(countdown, 'a', arrive('c'));
  t.strictSame(snapshot.context.arrived, { count: 3, root: { tokens: ['a', 'b', 'c'], marks: [1, 1, 1] } });
});

t.test('where it stands is told without a look at all that it holds', async (t) => {
  let looks = 0;
  const held = {
    get tokens() {
      looks += 1;
      return [1, 2, 3];
    },
  };
  const machine = setup({ types: {} as { context: { readonly held: typeof held } } }).createMachine({
    context: { held },
    initial: 'open',
    states: { open: {} },
  });
  const live = new LiveMachine(machine);
  looks = 0;
  const kept = live.persisted();
  t.equal(looks, 0);
  t.match(JSON.parse(JSON.stringify(kept)), {
    value: 'open',
    status: 'active',
    context: { held: { tokens: [1, 2, 3] } },
  });
  const { tokens } = new LiveMachine(machine, kept).snapshot.context.held;
  t.same(tokens, [1, 2, 3]);
});

/** A state that takes many turns to be written. */
function large(): TokenSet {
  let set: TokenSet = NO_TOKENS;
  for (let n = 0; n < 40_000; n++) set = withToken(set, `task ${n}`, n);
  return set;
}

t.test('a large state is written in pieces, which give what JSON gives', async (t) => {
  const set = large();
  const strange = {
    ...{ nothing: undefined, none: null, list: [undefined, () => 1, { a: undefined }], date: new Date(0) },
    ...{ '10': 1, b: {}, c: [], long: 'x'.repeat(100_000), set, more: Array(5000).fill({ a: [1, 'é"'] }) },
    ...JSON.parse(`{"__proto__":${JSON.stringify(Array(3000).fill(1))}}`),
  };
  for (const value of [set, strange, [strange, 1], 5, 'x', null, {}, [], { a: 1 }]) {
    const pieces = [...jsonPieces(value)];
    t.ok(pieces.join('') === JSON.stringify(value), 'the same text');
  }
  const longest = Math.max(...[...jsonPieces(set)].map(({ length }) => length));
  t.ok(longest <= 32 * 1024, `no piece is longer than ${longest} characters`);
});

t.test('others have their turns while a large one is kept, and what comes meanwhile decides', async (t) => {
  const { snapshots, kept, db, lines } = inMemory(t);
  const state = { set: large() };
  const at = (revision: number) => () => {
    const snapshot = { revision, eventId: 'e', machineVersion: 1, commands: [] };
    return {
      ...snapshot,
      state: { status: 'active' as const, output: undefined, error: undefined, ...state },
    };
  };
  let turns = 0;
  let isKept = false;
  const length = snapshots.keep('countdown-a', at(100)).finally(() => {
    isKept = true;
  });
  for (; !isKept; turns++) await nextTurn();
  const characters = Number(await length);
  t.ok(turns > characters / (128 * 1024), `${turns} turns of others for ${characters} characters`);
  t.equal(kept(), 100);
  t.equal(snapshots.read('countdown-a', 1)?.length, characters);

  const older = snapshots.keep('countdown-a', at(200));
  const newer = snapshots.keep('countdown-a', at(300));
  t.strictSame(await Promise.all([older, newer]), [undefined, characters], 'the one that was taken last');
  t.equal(kept(), 300);
  const discarded = [snapshots.keep('countdown-a', at(400)), snapshots.keepSoon('countdown-a', at(401))];
  snapshots.discard('countdown-a');
  t.strictSame(await Promise.all(discarded), [undefined, undefined]);
  t.equal(
    db.prepare('SELECT * FROM actor_snapshots').all().length,
    0,
    'what is suspected is not kept after all',
  );
  void snapshots.keep('countdown-a', at(500));
  await snapshots.settled();
  t.equal(kept(), 500, 'who closes waits for it');
  t.same(lines(), []);
});

t.test('one that can not be kept costs nothing, and is tried again as many events later', async (t) => {
  const { system, kept, db, lines } = inMemory(t);
  db.exec(`CREATE TRIGGER full BEFORE INSERT ON actor_snapshots BEGIN SELECT raise(ABORT, 'disk full'); END`);
  const actors = system();
  const drawMany = async (count: number) => {
    for (let n = 0; n < count; n++) await actors.execute(tickets, 'a', draw());
    await nextTurn();
  };
  await drawMany(127);
  t.same(lines(), [], 'a small actor is not kept before it is let go');
  await drawMany(1);
  await until('it was tried', () => lines().length === 1);
  t.match(lines()[0], /was not kept/);
  await drawMany(127);
  t.equal(lines().length, 1);
  db.exec('DROP TRIGGER full');
  await drawMany(1);
  await until('it is kept', () => kept() === 511);
  t.equal(lines().length, 1);
});

t.test('what lies behind a snapshot weighs as much as the snapshot before the next one is due', async (t) => {
  const event = (data: RecordedEvent['data']): RecordedEvent => ({
    ...{ id: '', type: 'Arrived', version: 1, data, stream: 'countdown-a', revision: 0, position: '0' },
    metadata: { time: 0, $correlationId: '', $causationId: '' },
  });
  const dueAfter = (tail: Tail, data: RecordedEvent['data']): number => {
    for (let n = 1; ; n++) {
      tail.add(event(data));
      if (tail.isWorthASnapshot) return n;
    }
  };
  t.equal(dueAfter(new Tail(), {}), 256, 'the first one');
  t.equal(dueAfter(new Tail(1000), { token: 'a' }), 256, 'a small state');
  t.ok(dueAfter(new Tail(1_700_000), { token: 'a' }) > 8_000, 'ten thousand orders');
  t.equal(dueAfter(new Tail(1_700_000), { list: Array(1000).fill('0123456789') }), 256, 'events with lists');

  // A set that grows by each event: all snapshots together are a few times what the events are.
  const tail = new Tail();
  let [written, events, snapshots] = [0, 0, 0];
  while (events < 100_000) {
    events += dueAfter(tail, { token: 'task-123456' });
    tail.begin();
    t.notOk(tail.isWorthASnapshot);
    const size = 500 + 20 * events;
    tail.end(size);
    written += size;
    snapshots += 1;
  }
  t.ok(written <= 180 * 2 * events, `${snapshots} snapshots, ${written} characters for ${events} events`);
});
