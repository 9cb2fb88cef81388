import t from 'tap';
import { OwlError } from '../../../src/base/errors.js';
import type { RecordedEvent } from '../../../src/runtime/event-store/event-store.js';
import type { CommandExecutor } from '../../../src/runtime/reactors/reactor.js';
import { collect } from '../../support/events.js';
import { acquire, release, renew, semaphore } from '../../support/semaphore.js';
import { until } from '../../support/until.js';
import { counter } from '../support/counter.js';
import { STREAM, timing } from './timing.js';

const DAY = 24 * 60 * 60 * 1000;

t.test('fires at the time an event has set, and not before', async (t) => {
  const { store, submit, clock, timers, history, expirations } = await timing(t);
  const running = timers();
  await running.start();
  const position = await submit({
    ...acquire('a', clock.now() + 1000),
    correlationId: 'a conversation',
  });
  await running.caughtUpTo(position);
  await until('it is armed', () => running.status().nextDueAt === clock.now() + 1000);
  clock.advance(999);
  t.match(running.status(), { pending: 1, firing: 0 });
  clock.advance(1);
  t.match(running.status(), { firing: 1 });
  await until('it has fired', async () => (await history()).length === 2);
  t.same(await history(), ['PermitAcquired a', 'PermitExpired a']);

  const [set] = await collect(store.readStream(STREAM, { from: 1 }));
  const [fired] = await expirations();
  t.match(fired?.metadata, {
    time: clock.now(),
    commandId: `timer:${set?.id}/a`,
    $correlationId: 'a conversation',
    by: 'timer:a',
  });
  await until('nothing is left to do', () => running.status().pending + running.status().firing === 0);
});

t.test('timers that were set before the start, or fell due while nothing ran, fire after it', async (t) => {
  const { clock, submit, timers, history } = await timing(t);
  const before = timers();
  await before.start();
  const position = await submit(acquire('a', clock.now() + 1000));
  await before.caughtUpTo(position);
  await before.stop();
  await submit(acquire('b', clock.now() + 1500));
  await submit(acquire('c', clock.now() + 9000));
  clock.advance(2000);
  t.equal((await history()).length, 3, 'a stopped one fires nothing');

  const after = timers();
  await after.start();
  await until('those that are due have fired', async () => (await history()).length === 5);
  t.same((await history()).slice(3).sort(), ['PermitExpired a', 'PermitExpired b']);
  await until('the next is armed', () => after.status().pending === 1);
  clock.advance(7000);
  await until('it has fired', async () => (await history()).length === 6);
});

t.test('a moved timer fires at its new time, a cancelled one never', async (t) => {
  const { clock, submit, timers, history } = await timing(t);
  const running = timers();
  await running.start();
  const started = clock.now();
  for (const holder of ['moved', 'cancelled', 'other']) {
    await submit(acquire(holder, started + 1000));
  }
  await submit(renew('moved', started + 5000));
  const position = await submit(release('cancelled'));
  await running.caughtUpTo(position);
  t.equal(running.status().pending, 2);
  clock.advance(4999);
  await until('the other has fired', async () => (await history()).at(-1) === 'PermitExpired other');
  await until('it is known', () => running.status().firing === 0 && running.status().pending === 1);
  clock.advance(1);
  await until('the moved one has fired', async () => (await history()).at(-1) === 'PermitExpired moved');
  t.notOk((await history()).includes('PermitExpired cancelled'));
});

t.test('a timer is done also when nothing follows, or when it is refused', async (t) => {
  const { clock, submit, timers, history } = await timing(t);
  const { timers: leases } = semaphore;
  let asked = 0;
  const types = [
    {
      ...semaphore,
      timers: {
        on: (event: RecordedEvent) => leases?.on(event) ?? [],
        due: (name: string) => {
          asked += 1;
          if (name === 'refused') throw new OwlError('refused', 'not any more');
          return [];
        },
      },
    },
  ];
  const running = timers({ types });
  await running.start();
  await submit(acquire('nothing', clock.now() + 1000));
  const position = await submit(acquire('refused', clock.now() + 1000));
  await running.caughtUpTo(position);
  await until('they are armed', () => running.status().nextDueAt !== undefined);
  clock.advance(1000);
  await until('both were asked', () => asked === 2);
  await until('both are done', () => running.status().pending === 0 && running.status().firing === 0);
  await running.stop();

  await submit(acquire('later', clock.now() + 2 * DAY));
  const after = timers({ types });
  await after.start();
  await until('it is armed', () => after.status().nextDueAt === clock.now() + 2 * DAY);
  clock.advance(DAY);
  t.match(after.status(), { pending: 1, firing: 0 }, 'also after a restart');
  t.equal(asked, 2);

  await after.rebuild();
  t.equal(after.status().firing, 2, 'a rebuild has no marks, so they are fired once more');
  await until('both are done again', () => after.status().pending === 1 && after.status().firing === 0);
  t.equal((await history()).length, 3, 'and change nothing');

  const set = await submit(renew('nothing', clock.now() + 1000));
  await after.caughtUpTo(set);
  clock.advance(1000);
  await until('one that is set again fires again', () => asked === 5);
});

/** Node's longest timeout is 24.9 days. */
t.test('timers beyond the longest timeout of Node, and a clock that is seldom looked at', async (t) => {
  const { clock, submit, timers, history } = await timing(t);
  const running = timers();
  await running.start();
  const position = await submit(acquire('a', clock.now() + 26 * DAY));
  await running.caughtUpTo(position);
  await until('it is armed', () => running.status().nextDueAt !== undefined);
  const naps: number[] = [];
  const after = clock.after.bind(clock);
  clock.after = (delayMs, run) => {
    naps.push(delayMs);
    return after(delayMs, run);
  };
  clock.advance(DAY);
  t.ok(naps.length <= 24 * 60 + 1, 'no busy loop');
  t.ok(Math.max(...naps) <= 60_000);
  clock.advance(25 * DAY - 1);
  t.equal((await history()).length, 1);
  clock.advance(1);
  await until('it has fired', async () => (await history()).length === 2);
});

t.test(
  'a timer that is set behind a step of the wall clock, forward or back, fires at its time',
  async (t) => {
    for (const step of [3_600_000, -3_600_000]) {
      const { clock, submit, timers, history } = await timing(t);
      const running = timers();
      await running.start();
      await running.caughtUpTo(await submit(acquire('far off', clock.now() + DAY)));
      await until('it is armed', () => running.status().nextDueAt !== undefined);
      clock.step(step);
      await running.caughtUpTo(await submit(acquire('near', clock.now() + 2_000)));
      clock.advance(1_999);
      t.equal((await history()).includes('PermitExpired near'), false);
      clock.advance(1);
      await until('it has fired', async () => (await history()).includes('PermitExpired near'));
    }
  },
);

t.test('many timers due at once fire with bounded parallelism', async (t) => {
  const { clock, system, timers, history } = await timing(t);
  let running = 0;
  let most = 0;
  const executor: CommandExecutor = {
    execute: async (type, id, command) => {
      running += 1;
      most = Math.max(most, running);
      const result = await system.execute(type, id, command);
      running -= 1;
      return result;
    },
  };
  const all = timers({ executor, parallel: 4 });
  await all.start();
  for (let i = 0; i < 10; i++) await system.execute(semaphore, 's', acquire(`${i}`, clock.now() + 1000));
  await until('all are known', () => all.status().pending === 10 && all.status().nextDueAt !== undefined);
  clock.advance(1000);
  await until('all have fired', async () => (await history()).length === 20);
  t.equal(most, 4);
});

t.test('a rebuild brings back timers that are set, and finished ones change nothing', async (t) => {
  const { clock, submit, timers, history } = await timing(t);
  const running = timers();
  await running.start();
  await submit(acquire('a', clock.now() + 1000));
  const position = await submit(acquire('b', clock.now() + 5000));
  await running.caughtUpTo(position);
  await until('they are armed', () => running.status().nextDueAt !== undefined);
  clock.advance(1000);
  await until('the first has fired', async () => (await history()).length === 3);
  await until('it is done', () => running.status().firing === 0);

  await running.rebuild();
  t.match(running.status(), { pending: 1 });
  clock.advance(4000);
  await until('the second has fired', async () => (await history()).length === 4);
  await until('it is done', () => running.status().firing === 0);
  t.same(await history(), ['PermitAcquired a', 'PermitAcquired b', 'PermitExpired a', 'PermitExpired b']);
});

t.test('without any type that has timers there is nothing to do', async (t) => {
  const { timers } = await timing(t);
  const idle = timers({ types: [counter] });
  await idle.start();
  t.match(idle.status(), { pending: 0, firing: 0 });
  await idle.stop();
});
