import t, { type Test } from 'tap';
import { DamagedStreamError, OwlError, StoreUnavailableError } from '../../../src/base/errors.js';
import { openDatabase } from '../../../src/base/sqlite.js';
import { ActorSystem } from '../../../src/runtime/actors/actor-system.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import type { CommandExecutor } from '../../../src/runtime/reactors/reactor.js';
import { acquire, create, release, renew, semaphore } from '../../support/semaphore.js';
import { until } from '../../support/until.js';
import { timing } from './timing.js';

t.test('moved or cancelled while it fires, the state decides', async (t) => {
  const { clock, submit, system, timers, history } = await timing(t);
  let letGo: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const executor: CommandExecutor = {
    execute: async (type, id, command) => {
      await held;
      return system.execute(type, id, command);
    },
  };
  const running = timers({ executor });
  await running.start();
  const due = clock.now() + 1000;
  await submit(acquire('moved', due));
  const position = await submit(acquire('cancelled', due));
  await running.caughtUpTo(position);
  await until('they are armed', () => running.status().nextDueAt === due);
  clock.advance(1000);
  t.equal(running.status().firing, 2);
  await submit(renew('moved', due + 1000));
  const last = await submit(release('cancelled'));
  await running.caughtUpTo(last);
  letGo();
  await until('both have been fired', () => running.status().firing === 0);
  t.equal((await history()).length, 4, 'and changed nothing');
  t.match(running.status(), { pending: 1, nextDueAt: due + 1000 }, 'the moved one is not marked as fired');
  clock.advance(1000);
  await until('it fires at its new time', async () => (await history()).at(-1) === 'PermitExpired moved');
});

t.test('a crash between command and mark, or a second node, fires nothing twice', async (t) => {
  const { store, submit, db, clock, system, timers, expirations, openReadModels, onEnd } = await timing(t);
  const sent: string[] = [];
  const counting = (executor: CommandExecutor): CommandExecutor => ({
    execute: (type, id, command) => {
      sent.push(command.id ?? '');
      return executor.execute(type, id, command);
    },
  });
  const first = timers({ executor: counting(system) });
  await first.start();
  const position = await submit(acquire('a', clock.now() + 1000));
  await first.caughtUpTo(position);
  await until('it is armed', () => first.status().nextDueAt !== undefined);
  db.exec('PRAGMA query_only = ON');
  clock.advance(1000);
  await until('it has fired', async () => (await expirations()).length === 1);
  await until('the mark was not made', () => first.status().failing === 1);
  await first.stop();
  t.equal(sent.length, 1);

  // The same node again, and another one, neither of which has seen yet that the timer is done.
  const behind = delegating(store, {
    head: async () => position,
    subscribe: async function* (options = {}) {
      for await (const batch of store.subscribe(options)) {
        yield { ...batch, events: batch.events.filter((event) => event.position <= position) };
      }
    },
  });
  const other = openDatabase(':memory:');
  onEnd(() => other.close());
  for (const readModels of [openReadModels(), other]) {
    const executor = counting(new ActorSystem({ store, clock }));
    const again = timers({ db: readModels, executor, store: behind });
    const before = sent.length;
    await again.start();
    await until('it is fired again', () => sent.length > before);
    await until('it is done', () => again.status().firing === 0 && again.status().pending === 0);
    await again.stop();
  }
  t.equal(sent.length, 3);
  t.equal(new Set(sent).size, 1, 'always with the same command id');
  t.equal((await expirations()).length, 1);
});

t.test('what failed for now is tried again with growing delays, and holds up no other timer', async (t) => {
  const { clock, submit, system, timers, history } = await timing(t);
  const fails = new Map([
    ['stuck', Number.POSITIVE_INFINITY],
    ['slow', 3],
  ]);
  const failedAt: number[] = [];
  const executor: CommandExecutor = {
    execute: async (type, id, command) => {
      const holder = command.by?.slice('timer:'.length) ?? '';
      const left = fails.get(holder) ?? 0;
      if (left === 0) return system.execute(type, id, command);
      fails.set(holder, left - 1);
      if (holder === 'stuck') failedAt.push(clock.now());
      throw left % 2 === 0 ? new OwlError('unavailable', 'not now') : new TypeError('a fault');
    },
  };
  const running = timers({
    executor,
    parallel: 1,
    backoff: { firstMs: 100, longestMs: 1000, random: () => 1 },
  });
  await running.start();
  const due = clock.now() + 1000;
  for (const holder of ['stuck', 'slow']) await submit(acquire(holder, due));
  const position = await submit(acquire('good', due + 1));
  await running.caughtUpTo(position);
  await until('they are armed', () => running.status().nextDueAt === due);
  clock.advance(1001);
  await until('the good one fires', async () => (await history()).includes('PermitExpired good'));
  await until('the slow one fires', async () => {
    clock.advance(50);
    return (await history()).includes('PermitExpired slow');
  });
  await until('the stuck one is tried ever more slowly', () => {
    clock.advance(50);
    return failedAt.length >= 8;
  });
  const pauses = failedAt.slice(1).map((at, i) => at - (failedAt[i] ?? 0));
  t.ok(
    [100, 200, 400, 800, 1000, 1000, 1000].every((delay, i) => (pauses[i] ?? 0) >= delay),
    `pauses grow: ${pauses}`,
  );
  t.match(running.status(), { pending: 1, firing: 1, failing: 1 });
  t.ok(running.status().lastError);
  fails.clear();
  await until('it fires after all', async () => {
    clock.advance(1000);
    return (await history()).includes('PermitExpired stuck');
  });
  await until('it is done', () => running.status().firing === 0);
  t.match(running.status(), { pending: 0, failing: 0, lastError: undefined });
});

t.test('cancelled while it waits to be tried again, it is given up', async (t) => {
  const { clock, submit, timers, history } = await timing(t);
  let attempts = 0;
  const executor: CommandExecutor = {
    execute: async () => {
      attempts += 1;
      throw new OwlError('unavailable', 'not now');
    },
  };
  const running = timers({ executor });
  await running.start();
  await running.caughtUpTo(await submit(acquire('a', clock.now() + 1000)));
  await until('it is armed', () => running.status().nextDueAt !== undefined);
  clock.advance(1000);
  await until('it has failed', () => running.status().failing === 1);
  await running.caughtUpTo(await submit(release('a')));
  clock.advance(60_000);
  await until('it is given up', () => running.status().firing === 0);
  t.equal(attempts, 1);
  t.same(await history(), ['PermitAcquired a', 'PermitReleased a']);
});

/** More than are tried while the store is away. */
const MANY = 1300;

/** So many permits of one semaphore that end at one instant, and what their commands fail with. */
async function manyFailing(t: Test, failure: () => Error | undefined) {
  const around = await timing(t);
  const { clock, system, timers, store } = around;
  const due = clock.now() + 1000;
  const ordered: Promise<unknown>[] = [system.execute(semaphore, 'many', create(MANY))];
  for (let n = 0; n < MANY; n++) ordered.push(system.execute(semaphore, 'many', acquire(`${n}`, due)));
  await Promise.all(ordered);
  const sent = { failed: 0 };
  const running = timers({
    executor: {
      execute: async (type, id, command) => {
        const error = id === 'many' ? failure() : undefined;
        if (error === undefined) return system.execute(type, id, command);
        sent.failed += 1;
        throw error;
      },
    },
  });
  await running.start();
  await running.caughtUpTo(await store.head());
  await until('they are armed', () => running.status().nextDueAt === due);
  return { ...around, running, due, sent };
}

t.test('thousands that fail for a reason of their own keep none of the others', async (t) => {
  const isDamaged = true;
  const failure = () =>
    isDamaged ? new DamagedStreamError('semaphore-many', 1, 'it is damaged') : undefined;
  const { clock, submit, running, timers, system, due, sent, history, db } = await manyFailing(t, failure);
  clock.advance(1000);
  await until('all have failed', () => running.status().failing === MANY);
  t.equal(sent.failed, MANY, 'each was tried once');
  await until('most of them wait in the table', () => running.status().firing === 256);
  t.match(running.status(), { pending: MANY, lastError: 'it is damaged' });
  const next = Number(running.status().nextDueAt) - due;
  t.ok(next >= 60_000 && next <= 61_000, `the others are looked for after ${next} ms`);
  await running.caughtUpTo(await submit(acquire('good', due + 1)));
  clock.advance(1);
  await until('the good one fires', async () => (await history()).includes('PermitExpired good'));

  const before = sent.failed;
  await until('what was put off is tried again', () => {
    clock.advance(30_000);
    return sent.failed > before + MANY;
  });
  t.ok(running.status().failing <= MANY, 'none counts twice');
  await running.stop();
  const again = timers({ executor: system });
  await again.start();
  const left = db.prepare('SELECT count(*) AS n FROM timers WHERE fired_at IS NULL');
  await until('the next process has tried all at once', () => left.get()?.['n'] === 0);
  t.match(again.status(), { failing: 0, lastError: undefined });
});

t.test('while the store is away only so many are tried, and none is put off', async (t) => {
  let isAway = true;
  const failure = () => (isAway ? new StoreUnavailableError('it is away', 'refused') : undefined);
  const { clock, running, sent, db } = await manyFailing(t, failure);
  clock.advance(1000);
  await until('so many have failed', () => running.status().failing === 1000);
  t.equal(sent.failed, 1000);
  t.equal(db.prepare('SELECT max(put_off_until) AS n FROM timers').get()?.['n'], 0);
  isAway = false;
  clock.advance(10_000);
  await until('all have fired within the longest pause', () => running.status().pending === 0);
});
