/**
 * Talents on EventStoreDB, over their gRPC surface: one alone, two on one store, and all of them while it is away. The store
 * is the protocol node of the test support.
 */

import { join } from 'node:path';
import { status as GrpcStatus } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { systemClock } from '../../../../src/base/clock.js';
import { OwlError } from '../../../../src/base/errors.js';
import { openDataDirectory } from '../../../../src/node/data-directory.js';
import { TalentLink } from '../../../../src/systems/talent/supervisor/talent-link.js';
import type { PlotTaskStatus } from '../../../../src/systems/talent/wire/messages.js';
import { PlotManagerClient } from '../../../../src/systems/talent/wire/plot-manager-client.js';
import { ofKind } from '../../../support/events.js';
import type { EventStoreDbNode } from '../../../support/eventstoredb-node/node.js';
import { recordLog, startNode } from '../../../support/eventstoredb-stores.js';
import { healthOf } from '../../../support/health.js';
import { ManualClock } from '../../../support/manual-clock.js';
import {
  orderFor,
  startTalentNode,
  type TalentNode,
  type TalentNodeOptions,
} from '../../../support/talent-node.js';
import { until } from '../../../support/until.js';
import { awakeTime } from './supervisors/awake-time.js';

/** Shorter than usual, so that calls during an outage are over soon, and long enough for a busy machine. */
const DEADLINE_MS = 2_000;
/** The store is looked for after pauses of two seconds at the most. */
const BACK_MS = 4_000;

function startOn(
  t: Test,
  store: EventStoreDbNode,
  name = 'talent',
  deadlineMs = 20_000,
  more: TalentNodeOptions = {},
): Promise<TalentNode> {
  return startTalentNode(t, {
    ...more,
    data: join(t.testdirName, name),
    config: { store: `${store.connectionString}&defaultDeadline=${deadlineMs}` },
  });
}

async function historyOf({ client }: TalentNode, task_id: string): Promise<string[]> {
  const types: string[] = [];
  for await (const { type = '' } of client.history({ task_id })) types.push(type);
  return types;
}

/** Everything this node shows of tasks that does not change with time alone, in an order of its own. */
async function shownBy({ client }: TalentNode): Promise<PlotTaskStatus[]> {
  const { tasks = [] } = await client.list({ page_size: 1000 });
  return tasks
    .map(({ seconds_left: _, ...task }) => task)
    .toSorted((a, b) => (a.task_id ?? '').localeCompare(b.task_id ?? ''));
}

/** Waits until a node has read everything that is stored. */
function untilRead(node: TalentNode, store: EventStoreDbNode, tasks: number): Promise<void> {
  return until('the read model is complete', async () => {
    const { caughtUp } = node.talent.status();
    return caughtUp && (await shownBy(node)).length === tasks && store.openConnections > 0;
  });
}

/** At its deadline at the latest; the half of it more is for the way there and back. */
async function isUnavailable(t: Test, call: Promise<unknown>, what: string): Promise<void> {
  const took = awakeTime(call);
  await t.rejects(call, { code: GrpcStatus.UNAVAILABLE }, what);
  t.ok((await took) < 1.5 * DEADLINE_MS, `${what} in time`);
}

t.test('a talent on it, from order to restart', async (t) => {
  t.testdir();
  const store = await startNode(t);
  const before = await startOn(t, store);
  t.equal(await healthOf(before.address), 'SERVING');
  await before.client.create(orderFor('a'));
  await before.client.create(orderFor('b'));
  for (const status of ['pending', 'started', 'running'])
    await before.client.update({ task_id: 'a', status });
  await before.client.update({ task_id: 'a', plot_details: { progress: 0.5 } });
  t.match(await before.client.update({ task_id: 'b', status: 'nonsense' }), { is_success: false });
  const shown = await shownBy(before);
  t.match(shown, [{ task_id: 'a', status: 'running', plot_details: { progress: 0.5 } }, { task_id: 'b' }]);
  const history = await historyOf(before, 'a');
  t.equal(history.length, 5);
  await before.stop();

  const after = await startOn(t, store);
  t.strictSame(await shownBy(after), shown);
  t.strictSame(await historyOf(after, 'a'), history);
  t.match(await after.client.update({ task_id: 'a', status: 'finished' }), { is_success: true });
});

t.test(
  'two talents on one store serve each other’s tasks, and a fresh one builds its read model',
  async (t) => {
    t.testdir();
    const store = await startNode(t);
    const [one, two] = await Promise.all([startOn(t, store, 'one'), startOn(t, store, 'two')]);
    await one.client.create(orderFor('a'));
    t.match(await two.client.update({ task_id: 'a', status: 'running' }), { is_success: true });
    t.match(await one.client.retry({ task_id: 'a' }), { is_success: false, msg: /running/ });
    await two.client.update({ task_id: 'a', status: 'failed' });
    t.match(await one.client.retry({ task_id: 'a' }), { is_success: true }, 'what the other did is known');
    t.match(await two.client.update({ task_id: 'a', status: 'pending' }), { is_success: true });

    const tasks = Array.from({ length: 20 }, (_, index) => `both-${index}`);
    const orders = tasks.flatMap((task_id) =>
      [one, two].map(({ client }) => client.create(orderFor(task_id))),
    );
    const taken = (await Promise.all(orders)).filter(({ is_success }) => is_success);
    t.equal(taken.length, tasks.length, 'of two orders for one task, one is taken');
    const reports = tasks.flatMap((task_id) =>
      [one, two].flatMap(({ client }) =>
        ['pending', 'started', 'running'].map((status) => client.update({ task_id, status })),
      ),
    );
    t.ok((await Promise.all(reports)).every(({ is_success }) => is_success));
    for (const task_id of tasks) {
      const types = await historyOf(one, task_id);
      t.strictSame(
        types,
        ['PlotTaskReceived', 'PlotTaskPending', 'PlotTaskStarted', 'PlotTaskRunning'],
        task_id,
      );
    }
    await untilRead(one, store, 21);
    await untilRead(two, store, 21);
    await until('both show the same', async () => same(await shownBy(one), await shownBy(two)));

    const fresh = await startOn(t, store, 'fresh');
    await untilRead(fresh, store, 21);
    t.strictSame(await shownBy(fresh), await shownBy(one));
  },
);

t.test('a lease is held through either of two talents', async (t) => {
  t.testdir();
  const LEASE = 30;
  const store = await startNode(t);
  const clock = new ManualClock();
  const [one, two] = await Promise.all(
    ['one', 'two'].map((name) => startOn(t, store, name, 20_000, { clock })),
  );
  if (one === undefined || two === undefined) throw new Error('there are two');
  const holder = { worker_id: 'w', session_id: 's1' };
  const knows = ({ client, talent }: TalentNode, expected: object) =>
    until('both know', async () => {
      const [known = {}] = (await client.supervisors()).supervisors ?? [];
      return talent.status().caughtUp && match(known, expected);
    });
  const bothKnow = async (expected: object) => {
    for (const node of [one, two]) await knows(node, expected);
  };
  await one.client.attach({ ...holder, lease_seconds: LEASE, version: '2.0' });
  await one.client.create(orderFor('a', { worker_id: 'w' }));
  await two.client.update({ task_id: 'a', status: 'running' });
  await bothKnow({ status: 'attached', node_id: one.talent.workerId, version: '2.0' });

  clock.advance((LEASE - 1) * 1000);
  await two.client.heartbeat(holder);
  await bothKnow({ status: 'attached', node_id: two.talent.workerId });
  clock.advance((LEASE - 1) * 1000);
  await one.client.heartbeat(holder);
  await bothKnow({ status: 'attached', node_id: one.talent.workerId });

  clock.advance(LEASE * 1000);
  await bothKnow({ status: 'lost', node_id: one.talent.workerId });
  for (const { client } of [one, two])
    await until('its task is marked', async () =>
      /has not been heard of/.test((await client.status({ task_id: 'a' })).remarks ?? ''),
    );
  await two.client.heartbeat(holder);
  await bothKnow({ status: 'attached', node_id: two.talent.workerId });
  for (const { client } of [one, two])
    await until(
      'the mark is gone',
      async () => (await client.status({ task_id: 'a' })).remarks === undefined,
    );
  await one.client.detach({ ...holder, reason: 'update' });
  await bothKnow({ status: 'detached', remarks: 'update' });
  await t.rejects(two.client.heartbeat(holder), ofKind('refused'), 'given back to one, it is given back');
});

t.test('a supervisor goes on with another talent when its own is gone', async (t) => {
  t.testdir();
  const store = await startNode(t);
  const [one, two] = [await startOn(t, store, 'one'), await startOn(t, store, 'two')];
  // What a name with an address for each talent is resolved to.
  const client = new PlotManagerClient({ server: `ipv4:${one.address},${two.address}` });
  const work: string[] = [];
  const link = new TalentLink({
    client,
    workerId: 'w',
    sessionId: 's1',
    host: 'plotter-1',
    version: '2.0',
    reportKeyHash: undefined,
    leaseSeconds: undefined,
    clock: systemClock,
    logger: one.log.logger,
  });
  t.teardown(async () => {
    await link.stop('the test is over');
    client.close();
  });
  link.start({
    onWork: (_kind, { task_id = '' }) => void work.push(task_id),
    onAway: () => undefined,
  });
  await one.client.create(orderFor('a', { worker_id: 'w' }));
  await until('it has work', () => work.includes('a'));
  await one.stop();
  await two.client.create(orderFor('b', { worker_id: 'w' }));
  await until('it has work of the other', () => work.includes('b'));
  await until('which keeps its lease', async () => {
    const { supervisors = [] } = await two.client.supervisors();
    return match(supervisors[0] ?? {}, {
      session_id: 's1',
      status: 'attached',
      node_id: two.talent.workerId,
    });
  });
});

t.test('an outage in the middle of writes: nothing hangs, nothing is lost, nothing is made up', async (t) => {
  t.testdir();
  const store = await startNode(t);
  const node = await startOn(t, store, 'talent', DEADLINE_MS);
  const { client } = node;
  const acknowledged: string[] = [];
  const refused: string[] = [];
  let created = 0;
  let ended = false;
  const write = async () => {
    while (!ended) {
      const task_id = `task-${created++}`;
      try {
        const { is_success = false } = await client.create(orderFor(task_id));
        if (is_success) acknowledged.push(task_id);
      } catch (error) {
        if (!(error instanceof OwlError) || error.kind !== 'unavailable') throw error;
        refused.push(task_id);
      }
    }
  };
  const writers = Promise.all(Array.from({ length: 4 }, write));
  await until('some are stored', () => acknowledged.length > 20);
  await store.stop();
  const away = until('health says so', async () => (await healthOf(node.address)) === 'NOT_SERVING');
  t.ok((await awakeTime(away)) < DEADLINE_MS, 'and at once');
  await away;
  await until('some are refused', () => refused.length > 20);
  const told = acknowledged.length;
  await isUnavailable(t, node.ask('plot_task_create', orderFor('late')), 'a command');
  await isUnavailable(t, node.ask('plot_task_update', { task_id: 'task-0', status: 'running' }), 'a report');
  t.equal(acknowledged.length, told, 'nothing is acknowledged meanwhile');
  await store.start();
  const back = until('it takes orders again by itself', () => acknowledged.length > told + 20);
  t.ok((await awakeTime(back)) < BACK_MS, 'and soon');
  await back;
  await until('health says so', async () => (await healthOf(node.address)) === 'SERVING');
  ended = true;
  await writers;

  const shown = new Set((await shownBy(node)).map(({ task_id }) => task_id));
  t.strictSame(
    acknowledged.filter((task_id) => !shown.has(task_id)).slice(0, 5),
    [],
    'what was acknowledged is there',
  );
  for (const task_id of acknowledged.slice(-3)) t.equal((await historyOf(node, task_id)).length, 1);
  for (const task_id of refused.slice(0, 3)) {
    await client.create(orderFor(task_id));
    t.equal((await historyOf(node, task_id)).length, 1, 'what was refused can be sent again, stored or not');
  }
});

t.test('a talent that starts while the store is away says so, and goes on when it comes', async (t) => {
  t.testdir();
  const store = await startNode(t);
  const before = await startOn(t, store, 'talent', DEADLINE_MS);
  await before.client.create(orderFor('a'));
  await before.stop();
  await store.stop();

  const node = await startOn(t, store, 'talent', DEADLINE_MS);
  t.equal(await healthOf(node.address), 'NOT_SERVING');
  await isUnavailable(t, node.ask('plot_task_list'), 'a query');
  await isUnavailable(t, node.ask('plot_task_create', orderFor('b')), 'a command');
  await store.start();
  await until('it serves', async () => (await healthOf(node.address)) === 'SERVING');
  await until('it has caught up', () => node.talent.status().caughtUp);
  await until('it answers', async () => (await shownBy(node).catch(() => [])).length === 1);
  t.match(await node.client.create(orderFor('b')), { is_success: true });
});

t.test('a talent that never saw its store ends in order', async (t) => {
  t.testdir();
  const store = await startNode(t);
  await store.stop();
  const node = await startOn(t, store, 'talent', DEADLINE_MS);
  await node.stop();
  await t.rejects(healthOf(node.address), 'nothing answers any more');
  const again = openDataDirectory(node.data, systemClock);
  t.ok(again.workerId, 'and its directory is free');
  again.release();
});

t.test('credentials are in no log', async (t) => {
  t.testdir();
  const store = await startNode(t);
  const withSecret = store.connectionString.replace('//', '//root:hunter2@');
  const { logger, lines } = recordLog();
  const node = await startTalentNode(t, {
    data: join(t.testdirName, 'talent'),
    config: { store: withSecret },
    logger,
  });
  await node.client.create(orderFor('a'));
  await store.stop();
  await until('it is away', async () => (await healthOf(node.address)) === 'NOT_SERVING');
  await node.stop();
  t.not(lines.length, 0);
  t.notMatch(lines.join(''), /root|hunter2/);
});

function match(found: object, expected: object): boolean {
  return same({ ...found, ...expected }, found);
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
