/**
 * Tasks of which somebody has damaged what is stored: a talent tells each as what it is, to everybody and in the same
 * words, and goes on with all others. The stores are the embedded one and the protocol node of the test support.
 */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openDatabase } from '../../../../src/base/sqlite.js';
import type { PlotTaskStatus } from '../../../../src/systems/talent/wire/messages.js';
import { NodeClient } from '../../../../src/wire/node-client.js';
import { propose } from '../../../support/events.js';
import type { EventStoreDbNode } from '../../../support/eventstoredb-node/node.js';
import { startNode } from '../../../support/eventstoredb-stores.js';
import { localCredentials } from '../../../support/local-credentials.js';
import { makeOlder } from '../../../support/older-store.js';
import { orderFor, startTalentNode, type TalentNode } from '../../../support/talent-node.js';
import { until } from '../../../support/until.js';

interface Shown {
  readonly status: PlotTaskStatus;
  readonly stop: object;
  readonly history: readonly string[];
  readonly historyEnds: string;
}

async function running(node: TalentNode, taskId: string): Promise<void> {
  await node.ask('plot_task_create', orderFor(taskId));
  for (const status of ['started', 'running']) await report(node, taskId, { status });
}

function report(node: TalentNode, taskId: string, what: PlotTaskStatus): Promise<object> {
  return node.ask('plot_task_update', { task_id: taskId, ...what });
}

async function historyOf({ client }: TalentNode, task_id: string, from_revision = 0) {
  const types: string[] = [];
  try {
    for await (const { type = '' } of client.history({ task_id, from_revision })) types.push(type);
    return { types, end: '' };
  } catch (error) {
    return { types, end: error instanceof Error ? error.message : String(error) };
  }
}

async function shownOf(node: TalentNode, taskId: string): Promise<Shown> {
  const { types, end } = await historyOf(node, taskId);
  return {
    status: await node.ask('plot_task_status', { task_id: taskId }),
    stop: await node.ask('plot_task_stop', { task_id: taskId }),
    history: types,
    historyEnds: end,
  };
}

interface Damage {
  /** Of the task, and of what is done to it. */
  readonly name: string;
  readonly damage: (server: EventStoreDbNode, stream: string) => unknown;
  readonly says: RegExp;
  readonly status: string;
  readonly history: readonly string[];
}

/** What everybody sees of a damaged task. */
async function check(t: Test, node: TalentNode, damage: Damage): Promise<void> {
  const { name, says, status, history } = damage;
  await until(`the row of ${name} says so`, async () => {
    const { problem = '' }: PlotTaskStatus = await node.ask('plot_task_status', { task_id: name });
    return problem !== '';
  });
  t.match(
    await shownOf(node, name),
    {
      status: { existed: true, status, remarks: says, problem: says },
      stop: { is_success: false, msg: says },
      history,
      historyEnds: says,
    },
    name,
  );
  t.match(await report(node, name, { plot_details: { progress: 50 } }), { is_success: false, msg: says });
  t.match(await node.ask('plot_task_create', orderFor(name)), { is_success: false, msg: says });
  t.match(await historyOf(node, name, 90), { types: [], end: says }, 'nor anything behind it');
  const { tasks = [] } = await node.client.list({ task_id_prefix: name, statuses: [status] });
  t.match(tasks, [{ task_id: name, status, remarks: says }], 'and it is found by its status');
}

const BEFORE = ['PlotTaskReceived', 'PlotTaskPending', 'PlotTaskStarted', 'PlotTaskRunning'];

/** An event that another program has written, under a name of owl's. */
function foreign(type: string, data: string, metadata = '') {
  const record = {
    id: propose().id,
    type,
    json: true,
    data: Buffer.from(data),
    metadata: Buffer.from(metadata),
  };
  return (server: EventStoreDbNode, stream: string) => server.log.append(stream, 'any', [record]);
}

function unreadable(name: string, damage: Damage['damage'], problem: string): Damage {
  const says = new RegExp(`revision 4 of plot_task-${name} \\(position .+\\) can't be read: .*${problem}`);
  return { name, damage, says, status: 'running', history: BEFORE };
}

function cutOff(name: string, damage: Damage['damage'], problem: string): Damage {
  return {
    name,
    damage,
    says: new RegExp(`plot_task-${name} ${problem}.*another id`),
    status: 'failed',
    history: [],
  };
}

const CUT = '(is not whole: its events before revision \\d|lacks its events from revision 0 to \\d)';

const DAMAGES: readonly Damage[] = [
  unreadable('nonsense', foreign('PlotTaskReported', '{"progress":"half"}'), 'it has "half" in the field'),
  unreadable('no_json', foreign('PlotTaskReported', 'oops'), 'its data is no JSON object'),
  unreadable('metadata', foreign('PlotTaskReported', '{"progress":2}', 'oops'), 'its metadata is no JSON'),
  unreadable('unknown', foreign('PlotTaskMoved', '{}'), 'knows no such event; update owl'),
  unreadable('newer', foreign('PlotTaskReported', '{}', '{"$version":7}'), 'version 7 is newer'),
  cutOff('deleted', (server, stream) => server.log.delete(stream, 'any'), 'is not whole: it was deleted by'),
  cutOff('buried', (server, stream) => server.log.tombstone(stream, 'any'), 'is not whole: .* for good'),
  cutOff('truncated', (server, stream) => server.log.setMetadata(stream, { $tb: 2 }), CUT),
  cutOff('newest', (server, stream) => server.log.setMetadata(stream, { $maxCount: 1 }), CUT),
];

await t.test('on EventStoreDB', async (t) => {
  const server = await startNode(t);
  const data = join(t.testdir(), 'data');
  const start = () => startTalentNode(t, { data, config: { store: server.connectionString } });
  const node = await start();
  for (const { name } of DAMAGES) await running(node, name);
  await running(node, 'good');
  for (const { name, damage } of DAMAGES) damage(server, `plot_task-${name}`);
  const checkAll = async (at: TalentNode) => {
    for (const damage of DAMAGES) await check(t, at, damage);
    t.match(await report(at, 'good', { plot_details: { progress: 10 } }), { is_success: true });
    t.match(await at.ask('plot_task_status', { task_id: 'good' }), { status: 'running', problem: undefined });
    t.equal((await at.tasks('plot_task_status_all')).length, DAMAGES.length + 1);
  };
  await t.test('as it comes', () => checkAll(node));
  await t.test('after a rebuild', async (t) => {
    const operator = new NodeClient({ server: node.address, credentials: localCredentials(node.data) });
    t.teardown(() => operator.close());
    await operator.rebuild({ projection: 'plot_tasks' });
    await checkAll(node);
    const { readers = [] } = await operator.status();
    t.match(
      readers.find(({ name }) => name === 'plot_tasks'),
      { caught_up: true, parked: DAMAGES.length },
    );
  });
  await t.test('after a restart', async () => {
    await node.stop();
    await checkAll(await start());
  });
});

await t.test('on EventStoreDB, a stream that is made whole again', async (t) => {
  const server = await startNode(t);
  const node = await startTalentNode(t, { config: { store: server.connectionString } });
  await running(node, 'bad');
  server.log.setMetadata('plot_task-bad', { $tb: 2 });
  const status = async (): Promise<PlotTaskStatus> => node.ask('plot_task_status', { task_id: 'bad' });
  await until('the row says so', async () => (await status()).status === 'failed');
  server.log.setMetadata('plot_task-bad', {});
  const operator = new NodeClient({ server: node.address, credentials: localCredentials(node.data) });
  t.teardown(() => operator.close());
  t.match(await operator.redrive({ reader: 'plot_tasks' }), { applied: 0, still_parked: 1 });
  const { readers = [] } = await operator.status();
  t.match(
    readers.find(({ name }) => name === 'plot_tasks'),
    { parked_events: [{ error: /is whole again; `owl node rebuild plot_tasks`/ }] },
  );
  await operator.rebuild({ projection: 'plot_tasks' });
  t.match(await status(), { status: 'running', problem: undefined });
  t.match(await report(node, 'bad', { plot_details: { progress: 50 } }), { is_success: true });
  t.match(await status(), { plot_details: { progress: 50 } });
});

await t.test('on EventStoreDB, a supervisor whose stream was deleted', async (t) => {
  const server = await startNode(t);
  const { client } = await startTalentNode(t, { config: { store: server.connectionString } });
  const attachment = { worker_id: 'w', session_id: 's', lease_seconds: 30 };
  await client.attach(attachment);
  server.log.delete('supervisor-w', 'any');
  const says = /supervisor-w is not whole: it was deleted by somebody/;
  await until('its row says so', async () => {
    const { supervisors = [] } = await client.supervisors();
    return supervisors.some(({ status }) => status === 'detached');
  });
  await t.rejects(client.attach(attachment), { kind: 'refused', message: says });
  t.match(await client.attach({ ...attachment, worker_id: 'v' }), { lease_seconds: 30 });
});

await t.test('on the embedded store, as the newest event of all, in a row of before', async (t) => {
  const data = join(t.testdir(), 'data');
  const start = () => startTalentNode(t, { data });
  const cases: readonly [string, RegExp][] = [
    ["data = 'oops'", /revision 4 of plot_task-bad .*its data is no JSON object/],
    ["type = 'PlotTaskMoved'", /revision 4 of plot_task-bad .*knows no such event/],
    ['version = 9', /revision 4 of plot_task-bad .*version 9 is newer/],
  ];
  const before = await start();
  await running(before, 'good');
  await running(before, 'bad');
  t.match(await report(before, 'bad', { plot_details: { progress: 5 } }), { is_success: true });
  await before.stop();
  const path = join(data, 'owl.db');
  await makeOlder(path);
  const original = openDatabase(path);
  const row = original.prepare('SELECT * FROM events ORDER BY position DESC LIMIT 1').get();
  original.close();
  for (const [change, says] of cases) {
    const db = openDatabase(path);
    db.exec(`UPDATE events SET type = 'PlotTaskReported', version = 1, data = '{"progress":5}'
      WHERE position = ${row?.['position']}`);
    db.exec(`UPDATE events SET ${change} WHERE position = ${row?.['position']}`);
    db.close();
    const node = await start();
    const { tasks = [] } = await node.client.list({});
    t.match(tasks.map(({ task_id }) => task_id).toSorted(), ['bad', 'good'], 'queries are answered');
    t.match(await node.ask('plot_task_stop', { task_id: 'bad' }), { is_success: false, msg: says });
    t.match(await historyOf(node, 'bad'), { types: BEFORE, end: says });
    const operator = new NodeClient({ server: node.address, credentials: localCredentials(node.data) });
    await operator.rebuild({ projection: 'plot_tasks' });
    operator.close();
    t.match(await node.ask('plot_task_status', { task_id: 'bad' }), { status: 'running', remarks: says });
    t.match(await node.ask('plot_task_stop', { task_id: 'good', command_id: change }), {});
    t.match(await node.ask('plot_task_create', orderFor(`new ${says.source.length}`)), {});
    await node.stop();
  }
});
