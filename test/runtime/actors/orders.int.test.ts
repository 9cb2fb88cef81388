/** Exactly once belongs to the command: what is known of an order, how long, and through what. On both stores. */

import { pino } from 'pino';
import t, { type Test } from 'tap';
import { openDatabase } from '../../../src/base/sqlite.js';
import { ActorSnapshots } from '../../../src/runtime/actors/actor-snapshots.js';
import { ActorSystem } from '../../../src/runtime/actors/actor-system.js';
import type { Command } from '../../../src/runtime/actors/actor-type.js';
import { ORDER_ACCEPTED } from '../../../src/runtime/event-store/event-store.js';
import { SchemaRegistry, withSchemas } from '../../../src/runtime/event-store/schema-checked-store.js';
import { STORES } from '../../support/both-stores.js';
import { collect, ofKind } from '../../support/events.js';
import { ManualClock } from '../../support/manual-clock.js';
import { account, type machine, pay } from './account.js';

const DAY_MS = 24 * 3_600_000;

/** Pays what is missing up to a sum, and so nothing where that is reached. */
function payUpTo(sum: number, id: string): Command<typeof machine> {
  return {
    id,
    asks: { name: 'pay up to', content: { sum } },
    decide: ({ context }) =>
      context.sum >= sum ? [] : [{ type: 'Paid', data: { amount: sum - context.sum } }],
  };
}

/** Pays everything back by closing. */
const closeAs = (id: string): Command<typeof machine> => ({
  id,
  asks: { name: 'close', content: {} },
  decide: () => [{ type: 'Closed', data: {} }],
});

for (const [name, open] of Object.entries(STORES)) {
  t.test(`orders on ${name}`, async (t) => {
    const start = async (t: Test) => {
      const store = withSchemas(await open(t), new SchemaRegistry([account]));
      const clock = new ManualClock(1_700_000_000_000);
      const db = openDatabase(':memory:');
      t.teardown(() => db.close());
      const system = () =>
        new ActorSystem({
          store,
          clock,
          snapshots: new ActorSnapshots(db, pino({ level: 'silent' })),
          limits: { mailbox: 20_000 },
        });
      const stored = () => collect(store.readStream('account-a'));
      return { clock, system, stored };
    };

    await t.test(
      'one that changes nothing is stored and known, through passivation and restarts',
      async (t) => {
        const { system, stored } = await start(t);
        const first = system();
        await first.execute(account, 'a', pay(5));
        const nothing = await first.execute(account, 'a', payUpTo(3, 'x'));
        t.match(nothing, { revision: 1, duplicate: false });
        t.match((await stored()).at(-1), {
          type: ORDER_ACCEPTED,
          data: {},
          metadata: { commandId: 'x', asked: /^pay up to\// },
        });
        await first.execute(account, 'a', pay(-5));
        t.match(await first.execute(account, 'a', payUpTo(3, 'x')), { revision: 1, duplicate: true });
        for (let n = 0; n < 40; n++) await first.execute(account, 'a', pay(0, `c${n}`));
        first.passivateIdle();
        t.match(
          await first.execute(account, 'a', payUpTo(3, 'x')),
          { revision: 1, duplicate: true },
          'snapshot',
        );
        t.match(
          await system().execute(account, 'a', payUpTo(3, 'x')),
          { revision: 1, duplicate: true },
          'replay',
        );
        t.equal((await stored()).length, 43);
      },
    );

    await t.test('another one under a known id is refused, by name, also within one batch', async (t) => {
      const { system, stored } = await start(t);
      const actors = system();
      await actors.execute(account, 'a', payUpTo(3, 'x'));
      await t.rejects(actors.execute(account, 'a', closeAs('x')), {
        ...ofKind('exists'),
        message: 'command x was pay up to and is not carried out as close; give it an id of its own',
      });
      await t.rejects(actors.execute(account, 'a', payUpTo(4, 'x')), /was another pay up to/);
      await t.rejects(actors.execute(account, 'a', pay(1, 'x')), /as another command/);
      const together = await Promise.allSettled([
        actors.execute(account, 'a', payUpTo(9, 'y')),
        actors.execute(account, 'a', payUpTo(9, 'y')),
        actors.execute(account, 'a', closeAs('y')),
      ]);
      t.match(together, [
        { value: { duplicate: false, revision: 1 } },
        { value: { duplicate: true, revision: 1 } },
        { status: 'rejected', reason: { kind: 'exists' } },
      ]);
      t.equal((await stored()).length, 2);
      t.match(await system().read(account, 'a'), { snapshot: { value: 'open', context: { sum: 9 } } });
    });

    await t.test('the id of a report does not stand for an order', async (t) => {
      const { system } = await start(t);
      const actors = system();
      await actors.execute(account, 'a', pay(1, 'x'));
      await actors.execute(account, 'a', closeAs('x'));
      t.match(await actors.read(account, 'a'), { snapshot: { value: 'closed' } });
    });

    await t.test('it is known for a day, whatever comes after it, and no event id comes twice', async (t) => {
      const { clock, system, stored } = await start(t);
      const actors = system();
      await actors.execute(account, 'a', payUpTo(3, 'x'));
      await Promise.all(
        Array.from({ length: 1500 }, (_, n) =>
          actors.execute(account, 'a', n % 2 === 0 ? payUpTo(0, `o${n}`) : pay(0, `r${n}`)),
        ),
      );
      clock.advance(DAY_MS - 1);
      t.match(await actors.execute(account, 'a', payUpTo(3, 'x')), { duplicate: true, revision: 0 });
      t.match(await system().execute(account, 'a', payUpTo(3, 'x')), { duplicate: true, revision: 0 });
      const before = (await stored()).length;
      clock.advance(1);
      t.match(await system().execute(account, 'a', payUpTo(3, 'x')), { duplicate: false, revision: before });
      await actors.execute(account, 'a', pay(0, 'r1'));
      const ids = (await stored()).map(({ id }) => id);
      t.equal(new Set(ids).size, ids.length);
    });
  });
}

t.test('with too many orders of a day the next one waits, and what is known stays known', async (t) => {
  const { CommandMemory } = await import('../../../src/runtime/actors/command-memory.js');
  const memory = new CommandMemory(2);
  const now = 1_700_000_000_000;
  const event = (commandId: string, revision: number, time: number) => ({
    ...{ id: '', type: 'Paid', version: 1, data: {}, stream: 'account-a', revision, position: `${revision}` },
    metadata: { time, $correlationId: '', $causationId: '', commandId, asked: askedFor(commandId) },
  });
  const askedFor = (id: string) => `pay up to/${id}`;
  memory.remember(event('a', 0, now), now);
  memory.remember(event('b', 1, now + 1), now + 1);
  t.throws(() => memory.answerTo(payUpTo(1, 'c'), now + 2), {
    ...ofKind('retryable'),
    message: /had 2 orders within a day/,
  });
  t.throws(() => memory.answerTo(payUpTo(1, 'a'), now + 2), ofKind('exists'));
  t.equal(memory.answerTo(payUpTo(1, 'c'), now + DAY_MS), undefined, 'the oldest is forgotten');
});
