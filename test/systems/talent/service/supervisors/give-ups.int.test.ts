/** Who is given up, and when: over stores that are away, signs of life that nobody can record, and other nodes. */

import { join } from 'node:path';
import { setTimeout as realPause } from 'node:timers/promises';
import t, { type Test } from 'tap';

import { StoreUnavailableError } from '../../../../../src/base/errors.js';
import { hearOut, ListeningTime } from '../../../../../src/base/listening-time.js';
import { LeaseDecisions } from '../../../../../src/peers/lease-events.js';
import { SELDOM } from '../../../../../src/peers/peer-kind.js';
import { ActorSystem } from '../../../../../src/runtime/actors/actor-system.js';
import { delegating } from '../../../../../src/runtime/event-store/delegating-store.js';
import { openSqliteEventStore } from '../../../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { plotTask, receive, report } from '../../../../../src/systems/talent/service/plot-task-commands.js';
import { markLost } from '../../../../../src/systems/talent/service/supervisor-losses.js';
import { supervisorGiveUps } from '../../../../../src/systems/talent/service/supervisors/give-ups.js';
import {
  supervisor,
  supervisorPeers,
} from '../../../../../src/systems/talent/service/supervisors/supervisor-type.js';
import { propose } from '../../../../support/events.js';
import { logLines } from '../../../../support/log-lines.js';
import { ManualClock } from '../../../../support/manual-clock.js';
import { ORDER } from '../../../../support/plot-task-order.js';
import { until } from '../../../../support/until.js';

const SILENT_FOR_LEASES = SELDOM.goneAfter;
const leaseEvents = new LeaseDecisions(supervisorPeers);
const LEASE = 30;
const GIVE_UP = 600;

let stores = 0;

/** A supervisor `w` that node `a` has just called lost, and its running tasks, as a node of the same store sees them. */
async function losing(t: Test, nodeId = 'a', taskIds: readonly string[] = ['x']) {
  const real = openSqliteEventStore(join(t.testdir(), `${stores++}.db`));
  const store = { away: false, broken: '' };
  const assertThere = (stream: string): void => {
    if (store.away || stream === store.broken)
      throw new StoreUnavailableError('the store is away', 'refused');
  };
  const clock = new ManualClock();
  const system = new ActorSystem({
    store: delegating(real, {
      append: async (stream, ...rest) => {
        assertThere(stream);
        return await real.append(stream, ...rest);
      },
      async *readStream(stream, ...rest) {
        assertThere(stream);
        yield* real.readStream(stream, ...rest);
      },
    }),
    clock,
    shared: true,
  });
  const now = () => clock.now() / 1000;
  const given = {
    leaseSeconds: LEASE,
    host: undefined,
    pid: undefined,
    version: undefined,
    more: {},
  };
  const held = { peerId: 'w', sessionId: 's1', leaseSeconds: LEASE, nodeId: 'a' };
  const here = () => ({ nodeId: 'a', now: now() });
  await system.execute(supervisor, 'w', {
    decide: (known) => leaseEvents.attach(known, { ...held, ...given }, here(), false),
  });
  await system.execute(supervisor, 'w', { decide: (known) => leaseEvents.lose(known, held, now()) });
  for (const id of taskIds) {
    const running = { status: 'running', times: {}, changes: {}, attempt: undefined, now: now() } as const;
    await system.execute(plotTask, id, { decide: (task) => receive(task, { ...ORDER, task_id: id }) });
    await system.execute(plotTask, id, { decide: (task) => report(task, id, running) });
    await system.execute(plotTask, id, { decide: (task) => markLost(task, 'w', now(), now() + GIVE_UP) });
  }
  const log = logLines();
  const giveUps = supervisorGiveUps({
    system,
    clock,
    listening: new ListeningTime(clock),
    logger: log.logger,
    nodeId,
    shared: true,
    giveUpSeconds: GIVE_UP,
    begun: () => taskIds,
  });
  t.teardown(async () => {
    giveUps.stop();
    await giveUps.ended();
    await system.close();
    await real.close();
  });
  const state = async (id = 'x') => (await system.read(plotTask, id)).snapshot.value;
  /** In steps, so that what is done in between gets done. */
  const pass = async (seconds: number): Promise<void> => {
    for (let left = seconds; left > 0; left -= LEASE) {
      clock.advance(Math.min(left, LEASE) * 1000);
      for (let turns = 0; turns < 5; turns++) await hearOut();
      // The store is a real one.
      await realPause(2);
    }
  };
  const untilFailed = (id = 'x') =>
    until(`${id} fails`, async () => {
      await pass(1);
      return (await state(id)) === 'failed';
    });
  giveUps.watch('w', 's1');
  await hearOut();
  return { clock, giveUps, log, real, store, system, here, state, pass, untilFailed };
}

t.test('not a second before the time, and then', async (t) => {
  const { pass, state, untilFailed } = await losing(t);
  await pass(GIVE_UP - 1);
  t.equal(await state(), 'running');
  await untilFailed();
});

t.test('while the store is away nobody is given up, and when it is back there is a full lease', async (t) => {
  const { pass, state, untilFailed, store } = await losing(t);
  await pass(GIVE_UP / 2);
  store.away = true;
  await pass(3 * GIVE_UP);
  store.away = false;
  t.equal(await state(), 'running');
  await pass(LEASE - 1);
  t.equal(await state(), 'running');
  await untilFailed();
});

t.test('a pause just before the end gives a full lease more, however long it was', async (t) => {
  for (const pauseMs of [(LEASE * 1000) / 3 + 500, 12 * 3_600_000]) {
    const { clock, pass, state, untilFailed } = await losing(t);
    await pass(GIVE_UP - 5);
    clock.pause(pauseMs);
    await pass(LEASE - 1);
    t.equal(await state(), 'running', `${pauseMs} ms`);
    await untilFailed();
  }
});

t.test('who returns when the store is back keeps its tasks', async (t) => {
  const { pass, state, store, system, here } = await losing(t);
  store.away = true;
  await pass(3 * GIVE_UP);
  store.away = false;
  await pass(LEASE / 2);
  await system.execute(supervisor, 'w', {
    decide: (known) => leaseEvents.hear(known, 'w', 's1', here(), false),
  });
  await pass(2 * GIVE_UP);
  t.equal(await state(), 'running');
});

t.test('a sign of life that can not be recorded counts, one of a replaced session does not', async (t) => {
  const { pass, state, giveUps } = await losing(t);
  await pass(GIVE_UP - 1);
  giveUps.heard('w', 's1');
  await hearOut();
  await pass(GIVE_UP - 1);
  t.equal(await state(), 'running');
  giveUps.heard('w', 'an older one');
  giveUps.heard('another', 's1');
  // The clock waits for the store here, so that a slow one costs no time.
  for (let left = GIVE_UP - LEASE - 1; left > 0 && (await state()) === 'running'; left--) {
    await pass(1);
    for (let look = 0; look < 10 && (await state()) === 'running'; look++) await realPause(5);
  }
  t.equal(await state(), 'failed', 'the time did not begin anew');
});

t.test('another node waits until it would have taken the lease over', async (t) => {
  const { pass, state, untilFailed } = await losing(t, 'b');
  await pass(SILENT_FOR_LEASES * LEASE + GIVE_UP - 1);
  t.equal(await state(), 'running');
  await untilFailed();
});

t.test('a task that can not be told keeps no other from it, and is told later', async (t) => {
  const { pass, state, untilFailed, store } = await losing(t, 'a', ['bad', 'x']);
  store.broken = 'plot_task-bad';
  await pass(GIVE_UP - 1);
  await untilFailed('x');
  store.broken = '';
  t.equal(await state('bad'), 'running');
  await untilFailed('bad');
});

t.test('a supervisor whose stream is damaged is told once and not given up', async (t) => {
  const { pass, state, real, log } = await losing(t);
  await pass(GIVE_UP / 2);
  await real.append('supervisor-w', 'any', [propose({}, { type: 'Nonsense' })]);
  await pass(2 * GIVE_UP);
  t.equal(await state(), 'running');
  t.match(log.messages('error'), [/not given up: what is stored of it is damaged/]);
});
