/** What a command is answered beside its events: the first answer is that of each repetition. On both stores. */

import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { StoreUnavailableError } from '../../../src/base/errors.js';
import { openDatabase } from '../../../src/base/sqlite.js';
import { ActorSnapshots } from '../../../src/runtime/actors/actor-snapshots.js';
import { ActorSystem } from '../../../src/runtime/actors/actor-system.js';
import type { Command } from '../../../src/runtime/actors/actor-type.js';
import { CommandMemory } from '../../../src/runtime/actors/command-memory.js';
import { LARGEST_ANSWER } from '../../../src/runtime/actors/decision.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import {
  type EventStore,
  type JsonObject,
  ORDER_ACCEPTED,
} from '../../../src/runtime/event-store/event-store.js';
import { SchemaRegistry, withSchemas } from '../../../src/runtime/event-store/schema-checked-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { collect, ofKind } from '../../support/events.js';
import { openStore, startNode } from '../../support/eventstoredb-stores.js';
import { specificationOf } from '../../support/given.js';
import { ManualClock } from '../../support/manual-clock.js';
import { draw, look, orderOne, type TicketsMachine, tickets } from '../support/tickets.js';

const DAY_MS = 24 * 3_600_000;

/** Opens the store once more, as another process does. */
type Reopen = () => Promise<EventStore>;

const STORES: Record<string, (t: Test) => Promise<Reopen>> = {
  sqlite: async (t) => {
    const file = join(t.testdir(), 'owl.db');
    return async () => {
      const store = openSqliteEventStore(file);
      t.teardown(() => store.close());
      return store;
    };
  },
  'the EventStoreDB double': async (t) => {
    const node = await startNode(t);
    return () => openStore(t, node);
  },
};

/** So many events that a snapshot is kept of the actor when it is let go. */
async function fill(system: ActorSystem): Promise<void> {
  for (let n = 0; n < 20; n++) await system.execute(tickets, 'a', draw());
}

for (const [name, prepare] of Object.entries(STORES)) {
  t.test(`answers on ${name}`, async (t) => {
    const start = async (t: Test) => {
      const reopen = await prepare(t);
      const store = withSchemas(await reopen(), new SchemaRegistry([tickets]));
      const clock = new ManualClock(1_700_000_000_000);
      const db = openDatabase(':memory:');
      t.teardown(() => db.close());
      const snapshots = new ActorSnapshots(db, pino({ level: 'silent' }));
      const system = (on = store, shared = false) => new ActorSystem({ store: on, clock, snapshots, shared });
      return { clock, store, reopen, system, stored: () => collect(store.readStream('tickets-a')) };
    };

    await t.test('an order has its first answer through passivation, restart and a day', async (t) => {
      const { clock, system, stored, reopen } = await start(t);
      const first = system();
      const { answer, events } = await first.execute(tickets, 'a', orderOne('x'));
      t.strictSame(answer, { number: 1, of: ['house'] });
      t.strictSame(
        events.map(({ metadata }) => metadata.answer),
        [undefined, answer],
        'its last event holds it',
      );
      if (answer !== undefined) answer.number = 99;
      const again = { duplicate: true, revision: 1, answer: { number: 1, of: ['house'] } };
      t.match(await first.execute(tickets, 'a', orderOne('x')), again, 'live');
      await fill(first);
      for (let n = 0; n < 200; n++) await first.execute(tickets, 'a', draw(`report ${n}`));
      const looked = await first.execute(tickets, 'a', look('nothing'));
      t.match(looked, { duplicate: false, events: [{ type: ORDER_ACCEPTED }], answer: { drawn: 221 } });
      await first.execute(tickets, 'a', draw());
      first.passivateIdle();
      t.match(await first.execute(tickets, 'a', orderOne('x')), again, 'a snapshot');
      clock.advance(DAY_MS - 1);
      const elsewhere = system(withSchemas(await reopen(), new SchemaRegistry([tickets])));
      t.match(await elsewhere.execute(tickets, 'a', orderOne('x')), again, 'another process');
      t.match(await elsewhere.execute(tickets, 'a', look('nothing')), {
        duplicate: true,
        revision: looked.revision,
        answer: { drawn: 221 },
      });
      t.equal((await stored()).length, 445);
      clock.advance(1);
      t.match(await system().execute(tickets, 'a', orderOne('x')), {
        duplicate: false,
        answer: { number: 223 },
      });
    });

    await t.test(
      'a derived id has it as long as it is known; without events it is known in memory',
      async (t) => {
        const { system, stored } = await start(t);
        const actors = system();
        await actors.execute(tickets, 'a', draw('x'));
        await actors.execute(tickets, 'a', draw('y'));
        const again = { duplicate: true, answer: { number: 1, of: ['house'] } };
        t.match(await actors.execute(tickets, 'a', draw('x')), again);
        t.match(await system().execute(tickets, 'a', draw('x')), again, 'replayed');
        for (const id of ['z', undefined])
          t.match(await actors.execute(tickets, 'a', look(id, false)), { events: [], answer: { drawn: 2 } });
        await actors.execute(tickets, 'a', draw());
        const looked = { duplicate: true, revision: 3, position: undefined, answer: { drawn: 2 } };
        t.match(await actors.execute(tickets, 'a', look('z', false)), looked, 'without events as well');
        t.match(await actors.execute(tickets, 'a', look(undefined, false)), { answer: { drawn: 3 } });
        t.match(
          await system().execute(tickets, 'a', look('z', false)),
          { duplicate: false, answer: { drawn: 3 } },
          'until it is replayed: then the state answers',
        );
        await fill(actors);
        await actors.execute(tickets, 'a', look('w', false));
        await actors.execute(tickets, 'a', draw());
        actors.passivateIdle();
        t.match(
          await actors.execute(tickets, 'a', look('w', false)),
          { answer: { drawn: 23 } },
          'a snapshot',
        );
        const kept = (await stored()).map(({ metadata }) => metadata.answer);
        t.strictSame(kept.slice(-1), [undefined], 'nobody can ask again for a command without an id');
      },
    );

    await t.test('repeated within one batch, also behind more than are known of derived ids', async (t) => {
      const { system } = await start(t);
      const actors = system();
      await actors.execute(tickets, 'a', draw('before'));
      const ids = Array.from({ length: 150 }, (_, n) => `report ${n}`);
      const together = ['x', 'before', ...ids, 'x', 'before'];
      // The first is a batch of its own: the others wait while it is stored.
      const [, ...answers] = await Promise.all([
        actors.execute(tickets, 'a', draw('alone')),
        ...together.map((id) => actors.execute(tickets, 'a', draw(id))),
      ]);
      const of = (at: number) => ({ duplicate: answers[at]?.duplicate, number: answers[at]?.answer?.number });
      t.strictSame(of(0), { duplicate: false, number: 3 });
      t.strictSame(of(answers.length - 2), { duplicate: true, number: 3 });
      t.strictSame(
        [of(1), of(answers.length - 1)],
        [1, 1].map((number) => ({ duplicate: true, number })),
      );
      t.equal(answers.at(-2)?.revision, answers[0]?.revision);
      t.equal(answers[0]?.revision, 5);

      const asks = (id?: string) => actors.execute(tickets, 'a', look(id, false));
      const alone = actors.execute(tickets, 'a', draw());
      const first = asks('l');
      const between = actors.execute(tickets, 'a', draw());
      const looks = await Promise.all([first, asks('l'), asks()]);
      await Promise.all([alone, between]);
      t.strictSame(
        looks.map(({ duplicate, answer }) => [duplicate, answer]),
        [
          [false, { drawn: 154 }],
          [true, { drawn: 154 }],
          [false, { drawn: 155 }],
        ],
      );
    });

    await t.test('of a lost race, and of an append that nobody knows the outcome of', async (t) => {
      const { store, reopen, system, stored } = await start(t);
      const [one, other] = [
        system(store, true),
        system(withSchemas(await reopen(), new SchemaRegistry([tickets])), true),
      ];
      await one.execute(tickets, 'a', draw());
      await other.execute(tickets, 'a', draw());
      const race = await Promise.all([one, other].map((node) => node.execute(tickets, 'a', orderOne('x'))));
      t.strictSame(
        race.map(({ answer }) => answer?.number),
        [3, 3],
      );
      t.strictSame(race.map(({ duplicate }) => duplicate).sort(), [false, true]);

      let told = false;
      const silent = delegating(store, {
        append: async (...given) => {
          const result = await store.append(...given);
          if (told) return result;
          told = true;
          throw new StoreUnavailableError('the answer was lost', 'unknown');
        },
      });
      const node = system(silent);
      await t.rejects(node.execute(tickets, 'a', orderOne('y')), ofKind('unavailable'));
      t.match(await node.execute(tickets, 'a', orderOne('y')), { duplicate: true, answer: { number: 4 } });
      t.equal((await stored()).length, 8);
    });
  });
}

t.test('what is no answer is refused, and nothing is stored or moved', async (t) => {
  const given = specificationOf(tickets);
  const answering = (answer: JsonObject): Command<TicketsMachine, JsonObject> => ({
    decide: () => ({ events: [{ type: 'Stamped', data: {} }], answer }),
  });
  const store = openSqliteEventStore(':memory:');
  t.teardown(() => store.close());
  const actors = new ActorSystem({ store, clock: new ManualClock() });
  const list: JsonObject = JSON.parse('[1]');
  const circle: JsonObject = {};
  circle['circle'] = circle;
  const large = { text: 'x'.repeat(LARGEST_ANSWER) };
  for (const [answer, message] of [
    [list, 'the answer of a command must be a JSON object'],
    [circle, /^the answer of a command has no JSON form: /],
    [large, /^the answer of a command is 16395 characters of JSON, more than 16384; store what is large/],
  ] as const) {
    given([]).when(answering(answer)).then(t, { kind: 'invalid', message });
    await t.rejects(actors.execute(tickets, 'a', answering(answer)), { ...ofKind('invalid'), message });
  }
  t.equal((await actors.read(tickets, 'a')).revision, -1);
  given([])
    .when(draw('x'))
    .then(t, {
      events: [
        { type: 'Drawn', data: { number: 1 } },
        { type: 'Stamped', data: {} },
      ],
      answer: { number: 1, of: ['house'] },
    });
  t.throws(() => given([]).when(answering({ a: Number.NaN })), /another one after JSON: {"a":null}/);
});

t.test('orders of a day are answered with no more than fits into memory', async (t) => {
  const memory = new CommandMemory(10, 30);
  const now = 1_700_000_000_000;
  const event = (commandId: string, time: number, answer: JsonObject) => ({
    ...{ id: '', type: 'Drawn', version: 1, data: {}, stream: 'tickets-a', revision: 0, position: '0' },
    metadata: { time, $correlationId: '', $causationId: '', commandId, asked: 'draw/x', answer },
  });
  for (const id of ['a', 'a', 'b'])
    memory.remember(event(id, id === 'b' ? now + 1 : now, { n: '12345' }), now);
  t.equal(memory.answerTo(orderOne('c'), now), undefined, 'an order that is told twice counts once');
  memory.remember(event('c', now + 2, { n: 1 }), now);
  t.throws(() => memory.answerTo(orderOne('d'), now + 2), {
    ...ofKind('retryable'),
    message: /answered orders of a day with 33 characters/,
  });
  const restored = new CommandMemory(10, 30);
  restored.reset(memory.entries(), now);
  t.throws(() => restored.answerTo(orderOne('d'), now + 2), /33 characters/, 'also out of a snapshot');
  t.equal(restored.answerTo(orderOne('d'), now + DAY_MS), undefined, 'until the oldest is forgotten');
});
