/** A talent with an empty data directory on a store with a history: it serves while it builds, and says how far it is. */

import { join } from 'node:path';
import t from 'tap';
import type { PlotTaskStatus } from '../../../../src/systems/talent/wire/messages.js';
import { NodeClient } from '../../../../src/wire/node-client.js';
import type { NodeStatus } from '../../../../src/wire/node-messages.js';
import { TransactionLog } from '../../../support/eventstoredb-node/transaction-log.js';
import { startNode } from '../../../support/eventstoredb-stores.js';
import { healthOf } from '../../../support/health.js';
import { inTurns } from '../../../support/in-turns.js';
import { ManualClock } from '../../../support/manual-clock.js';
import { orderFor, startTalentNode } from '../../../support/talent-node.js';
import { owl } from '../../../support/terminal-double.js';
import { until } from '../../../support/until.js';

const TASKS = 300;
/** For queries that have to wait until this test lets the build go on. */
const DEADLINE_MS = 60_000;

t.test('a fresh talent serves while it builds its read models, and says how far it is', async (t) => {
  t.testdir();
  const store = await startNode(t, { log: new TransactionLog({ byCategory: true }) });
  const config = { store: `${store.connectionString}&defaultDeadline=${DEADLINE_MS}` };
  const start = (name: string, clock = new ManualClock(Date.now())) =>
    startTalentNode(t, { data: join(t.testdirName, name), config, clock });
  const before = await start('before');
  const ids = Array.from({ length: TASKS }, (_, n) => `task-${n}`);
  const orders = await inTurns(ids, (id) => before.client.create(orderFor(id)));
  t.ok(orders.every(({ is_success }) => is_success));
  const reported = await before.client.update({ task_id: 'task-0', status: 'pending' });
  t.ok(reported.is_success);
  await before.stop();

  const received = store.log.records.filter(({ type }) => type === 'PlotTaskReceived');
  const [last, next] = received.slice(TASKS / 3 - 1);
  const newest = store.log.records.findLast(({ stream }) => stream.startsWith('plot_task-'));
  if (last === undefined || next === undefined || newest === undefined) throw new Error('the store is empty');
  store.faults.holdSubscriptions(next.position);
  const expected = Number(last.position + 1n) / Number(newest.position + 1n);
  t.ok(expected > 0.2 && expected < 0.5, `${expected}`);

  const clock = new ManualClock(Date.now());
  const fresh = await start('fresh', clock);
  const node = new NodeClient({ server: fresh.address });
  t.teardown(() => node.close());
  const run = (...args: string[]) => owl(args, { env: { OWL_SERVER: fresh.address } });
  await until(
    'it has built what it may',
    async () => shareOf(await node.status(), 'plot_tasks') === expected,
  );
  await until('other readers have passed what is not theirs', async () => {
    return shareOf(await node.status(), 'supervisors') === 1;
  });
  t.match(await node.status(), { caught_up: false, share: expected, readers: [{ caught_up: false }] });
  t.equal(await healthOf(fresh.address), 'SERVING');
  const percent = `${(Math.floor(expected * 1000) / 10).toFixed(1)}%`.replace('.', '\\.');
  const { stdout } = await run('node', 'status');
  t.match(stdout, new RegExp(`^read models +hold ${percent} of what is stored$`, 'm'));
  t.match(stdout, new RegExp(`^plot_tasks +projection +${percent} `, 'm'));
  t.match(stdout, /^supervisors +projection +100\.0% +none /m);
  const told: NodeStatus = JSON.parse((await run('node', 'status', '--json')).stdout);
  t.equal(told.share, expected);
  clock.advance(5_000);
  t.match(
    fresh.log.entries('info').filter((entry) => 'reader' in entry && entry.reader === 'plot_tasks'),
    [{ msg: 'catching up with what is stored', share: Math.floor(expected * 1000) / 1000 }],
  );

  const command = await fresh.client.update({ task_id: `task-${TASKS - 1}`, status: 'pending' });
  t.ok(command.is_success, 'a command on what is not in the read model yet is carried out');
  let answered = false;
  const query = allTasks(fresh.client.list({ page_size: 1_000 })).finally(() => {
    answered = true;
  });

  await store.stop();
  await until('health says so', async () => (await healthOf(fresh.address)) === 'NOT_SERVING');
  const away = await node.status();
  t.ok(
    (away.share ?? 0) > 0 && (away.share ?? 1) <= expected,
    'while the store is away, what is known is told',
  );
  await store.start();
  await until('it serves again', async () => (await healthOf(fresh.address)) === 'SERVING');
  t.equal(answered, false, 'a query waits for what was stored before');

  const shares: number[] = [];
  store.faults.releaseSubscriptions();
  await until('it has caught up', async () => {
    const status = await node.status();
    shares.push(status.share ?? Number.NaN);
    return status.caught_up === true;
  });
  t.ok(
    shares.every((share, i) => share >= (shares[i - 1] ?? 0) && share <= 1),
    'it only grows',
  );
  t.match(await node.status(), { caught_up: true, share: 1, readers: [{ name: 'plot_tasks', share: 1 }] });
  t.match((await run('node', 'status')).stdout, /^plot_tasks +projection +100\.0% +none /m);
  const tasks = await query;
  t.equal(tasks.length, TASKS);
  t.equal(tasks.filter(({ status }) => status === 'pending').length, 2);
});

function shareOf({ readers = [] }: NodeStatus, reader: string): number | undefined {
  return readers.find(({ name }) => name === reader)?.share;
}

async function allTasks(list: Promise<{ readonly tasks?: PlotTaskStatus[] }>): Promise<PlotTaskStatus[]> {
  return (await list).tasks ?? [];
}
