import t, { type Test } from 'tap';
import { OwlError } from '../../../src/base/errors.js';
import { ActorSystem } from '../../../src/runtime/actors/actor-system.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import { idOf } from '../../../src/runtime/event-store/event-store.js';
import { type CommandExecutor, commandTo, type Reactor } from '../../../src/runtime/reactors/reactor.js';
import type { ReactorRunnerOptions } from '../../../src/runtime/reactors/reactor-options.js';
import { ReactorRunner } from '../../../src/runtime/reactors/reactor-runner.js';
import { collect } from '../../support/events.js';
import { type Projecting, projecting } from '../../support/projecting.js';
import { until } from '../../support/until.js';
import { count, counter } from '../support/counter.js';
import { add } from '../support/tallies.js';

/** Counts each amount that is added to a tally, on the counter of the same id. */
const countsAmounts: Reactor = {
  name: 'counts-amounts',
  categories: ['tally'],
  react: (event) => [commandTo(counter, idOf(event.stream), count(`${event.data['amount']}`))],
};

interface Reacting extends Projecting {
  readonly system: ActorSystem;
  runner(reactor: Reactor, options?: Partial<ReactorRunnerOptions>): ReactorRunner;
  /** What the counter of that id was told, oldest first. */
  counted(id: string): Promise<unknown[]>;
}

function reacting(t: Test): Reacting {
  const around = projecting(t);
  const { store, db, clock, log } = around;
  const system = new ActorSystem({ store, clock });
  return {
    ...around,
    system,
    runner: (reactor, options = {}) => {
      const runner = new ReactorRunner({
        store,
        db,
        reactor,
        executor: system,
        clock,
        logger: log.logger,
        ...options,
      });
      around.onEnd(() => runner.stop());
      return runner;
    },
    counted: async (id) => (await collect(store.readStream(`counter-${id}`))).map(({ data }) => data['what']),
  };
}

/** An executor that may fail or wait before it hands the command on. */
function hindered(executor: CommandExecutor, hinder: (id: string) => void | Promise<void>): CommandExecutor {
  return {
    execute: async (type, id, command) => {
      await hinder(id);
      return executor.execute(type, id, command);
    },
  };
}

t.test('sends commands that carry on the conversation and name their cause', async (t) => {
  const { store, counted, runner } = reacting(t);
  const { events } = await add(store, 'a', 1);
  const reactions = runner(countsAmounts);
  await reactions.start();
  const { position } = await add(store, 'a', 2);
  await reactions.caughtUpTo(position);

  t.same(await counted('a'), ['1', '2']);
  const [cause] = events;
  const [effect] = await collect(store.readStream('counter-a'));
  t.match(effect?.metadata, {
    $correlationId: 'test',
    $causationId: `reactor:counts-amounts/${cause?.id}/0`,
    commandId: `reactor:counts-amounts/${cause?.id}/0`,
    by: 'reactor:counts-amounts',
  });
  t.match(reactions.status(), { name: 'counts-amounts', parked: 0, retrying: 0 });
});

t.test('a crash between commands and checkpoint changes nothing twice', async (t) => {
  const { store, db, clock, system, counted, runner, openReadModels } = reacting(t);
  const twice: Reactor = {
    ...countsAmounts,
    react: ({ stream, data }) =>
      [1, 2].map((n) => commandTo(counter, idOf(stream), count(`${data['amount']}/${n}`))),
  };
  // Who crashes leaves no mark for others either.
  const first = runner(twice, { store: delegating(store, { marks: undefined }) });
  await first.start();
  // From here on nothing of this process's reactor gets into the database: its checkpoint stays behind its commands.
  db.exec('PRAGMA query_only = ON');
  await add(store, 'a', 1, 2);
  await until('the commands were carried out', async () => (await counted('a')).length === 4);
  await until('the checkpoint was not', () => first.status().lastError !== undefined);
  await first.stop();
  await system.close();

  const sent: string[] = [];
  const again = new ActorSystem({ store, clock });
  const second = runner(twice, {
    db: openReadModels(),
    executor: hindered(again, (id) => {
      sent.push(id);
    }),
  });
  await second.start();
  await second.caughtUpTo((await add(store, 'a', 3)).position);
  t.equal(sent.length, 6, 'all were sent again');
  t.same(await counted('a'), ['1/1', '1/2', '2/1', '2/2', '3/1', '3/2']);
});

t.test('two reactors of one name, as on two nodes, change nothing twice', async (t) => {
  const { store, counted, runner, openReadModels, clock } = reacting(t);
  const both = [1, 2].map(() =>
    runner(countsAmounts, { db: openReadModels(), executor: new ActorSystem({ store, clock }) }),
  );
  await Promise.all(both.map((reactions) => reactions.start()));
  const amounts = Array.from({ length: 40 }, (_, i) => i);
  for (const amount of amounts) await add(store, 'a', amount);
  const head = await store.head();
  await Promise.all(both.map((reactions) => reactions.caughtUpTo(head)));
  t.same(await counted('a'), amounts.map(String));
});

t.test('one stream in order, several streams at a time', async (t) => {
  const { store, system, counted, runner } = reacting(t);
  const running: string[] = [];
  const together: string[] = [];
  const executor: CommandExecutor = {
    execute: async (type, id, command) => {
      running.push(id);
      together.push([...running].sort().join());
      const result = await system.execute(type, id, command);
      running.splice(running.indexOf(id), 1);
      return result;
    },
  };
  for (const amount of [1, 2, 3]) for (const id of ['a', 'b', 'c']) await add(store, id, amount);
  const reactions = runner(countsAmounts, { executor, streams: 2 });
  await reactions.start();
  await reactions.caughtUpTo(await store.head());

  for (const id of ['a', 'b', 'c']) t.same(await counted(id), ['1', '2', '3']);
  const allowed = new Set(['a', 'b', 'c', 'a,b', 'a,c', 'b,c']);
  t.same(
    together.filter((ids) => !allowed.has(ids)),
    [],
  );
  t.ok(together.includes('a,b'), 'and really several');
});

t.test('a refused command counts as handled', async (t) => {
  const { store, log, counted, runner } = reacting(t);
  const kinds = ['refused', 'not_found', 'invalid'] as const;
  const reactions = runner({
    ...countsAmounts,
    react: ({ stream, data }) => [
      commandTo(counter, idOf(stream), {
        decide: () => {
          const kind = kinds[Number(data['amount'])];
          if (kind !== undefined) throw new OwlError(kind, 'too late');
          return [{ type: 'Counted', data: { what: 'in time' } }];
        },
      }),
    ],
  });
  await reactions.start();
  await reactions.caughtUpTo((await add(store, 'a', 0, 1, 2, 3)).position);
  t.same(await counted('a'), ['in time']);
  t.equal(reactions.status().parked, 0);
  t.equal(log.messages('info').filter((message) => message === 'command refused').length, 3);
});

t.test('what can not be carried out now is sent again without end, and shows', async (t) => {
  const { store, clock, system, counted, runner } = reacting(t);
  let away = true;
  const kinds = ['unavailable', 'conflict', 'retryable'] as const;
  let attempts = 0;
  const executor = hindered(system, () => {
    const kind = kinds[attempts % 3] ?? 'unavailable';
    attempts += 1;
    if (away) throw new OwlError(kind, 'not now');
  });
  const reactions = runner(countsAmounts, { executor });
  await reactions.start();
  const { position } = await add(store, 'a', 1);
  await until('many attempts were made', () => {
    clock.advance(10_000);
    return attempts > 30;
  });
  t.match(reactions.status(), {
    caughtUp: false,
    retrying: 1,
    parked: 0,
    lastError: /revision 0 of tally-.* waits .*: not now/,
  });
  t.ok(reactions.status().behindMs > 0);

  away = false;
  const caughtUp = reactions.caughtUpTo(position);
  await until('it was sent', async () => {
    clock.advance(10_000);
    return (await counted('a')).length > 0;
  });
  await caughtUp;
  t.same(await counted('a'), ['1']);
  await until('it is caught up', () => reactions.status().caughtUp);
  t.match(reactions.status(), { retrying: 0, behindMs: 0, lastError: undefined });
});

t.test(
  'an event the reactor throws at is parked, its stream behind it, and can be driven again',
  async (t) => {
    const { store, clock, log, counted, runner } = reacting(t);
    let broken = true;
    let asked = 0;
    const reactions = runner(
      {
        ...countsAmounts,
        react: (event, context) => {
          if (broken && event.data['amount'] === 13) {
            asked += 1;
            throw new TypeError('thirteen');
          }
          return countsAmounts.react(event, context);
        },
      },
      { attempts: 4 },
    );
    await reactions.start();
    await add(store, 'a', 1, 13, 2);
    const { position } = await add(store, 'b', 1);
    const passed = reactions.caughtUpTo(position);
    await until('it was given up', () => {
      clock.advance(10_000);
      return reactions.status().parked > 0;
    });
    await passed;
    t.equal(asked, 4);
    t.same([await counted('a'), await counted('b')], [['1'], ['1']]);
    t.match(reactions.parked(), [
      { reader: 'reactor:counts-amounts', stream: 'tally-a', revision: 1, error: 'thirteen', attempts: 4 },
      { stream: 'tally-a', revision: 2, error: /waits behind revision 1/, attempts: 0 },
    ]);
    t.equal(log.messages('error').filter((message) => message === 'event parked').length, 2);

    t.same(await reactions.redrive(), { redriven: 0, remaining: 2 });
    await reactions.caughtUpTo((await add(store, 'a', 3)).position);
    broken = false;
    t.same(await reactions.redrive(), { redriven: 3, remaining: 0 });
    await reactions.caughtUpTo((await add(store, 'a', 4)).position);
    t.same(await counted('a'), ['1', '13', '2', '3', '4']);
  },
);

t.test('a fault in the decision of a command parks the event, too', async (t) => {
  const { store, clock, runner } = reacting(t);
  const reactions = runner({
    ...countsAmounts,
    react: ({ stream }) => [
      commandTo(counter, idOf(stream), {
        decide: () => {
          throw new TypeError('nothing is undefined');
        },
      }),
    ],
  });
  await reactions.start();
  await add(store, 'a', 1);
  await until('it was given up', () => {
    clock.advance(10_000);
    return reactions.status().parked === 1;
  });
  t.match(reactions.parked(), [{ error: 'nothing is undefined', attempts: 3 }]);
});

t.test('where a new reactor begins is decided at its first start', async (t) => {
  const { store, counted, runner } = reacting(t);
  await add(store, 'a', 1);
  const fromNow = runner({ ...countsAmounts, startFrom: 'now' });
  await fromNow.start();
  await fromNow.stop();
  await add(store, 'a', 2);
  const again = runner({ ...countsAmounts, startFrom: 'beginning' });
  await again.start();
  await again.caughtUpTo((await add(store, 'a', 3)).position);
  t.same(await counted('a'), ['2', '3'], 'not decided anew at the next start');

  const other = runner({ ...countsAmounts, name: 'counts-again', startFrom: 'beginning' });
  await other.start();
  await other.caughtUpTo(await store.head());
  t.same(await counted('a'), ['2', '3', '1', '2', '3'], 'another name is another reactor');
});

t.test('stopped while a command is sent again and again, it goes on there at the next start', async (t) => {
  const { store, db, system, counted, runner } = reacting(t);
  let attempts = 0;
  const away = hindered(system, () => {
    attempts += 1;
    throw new OwlError('unavailable', 'not now');
  });
  const before = runner(countsAmounts, { executor: away });
  await before.start();
  const { position } = await add(store, 'a', 1);
  await until('it was tried', () => attempts > 0);
  await before.stop();
  await t.rejects(before.caughtUpTo(position), /is stopped/);

  const after = runner(countsAmounts, { db });
  await after.start();
  await after.caughtUpTo(position);
  t.same(await counted('a'), ['1']);
});
