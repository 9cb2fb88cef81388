/**
 * A plot from start to finish on a real node that keeps its history on EventStoreDB, whatever becomes of that in its middle.
 * The store is the protocol node of the test support.
 */

import { readdirSync } from 'node:fs';
import t, { type Test } from 'tap';
import { statusMessageOf } from '../../src/systems/talent/service/shown/status-message.js';
import type { EventStoreDbNode } from '../support/eventstoredb-node/node.js';
import { startNode } from '../support/eventstoredb-stores.js';
import { healthOf } from '../support/health.js';
import { plotsIn } from '../support/plots-in.js';
import { historyOf, rowOf } from '../support/plotted.js';
import { processesOf } from '../support/processes.js';
import { until } from '../support/until.js';
import { Node } from './node.js';
import { EVENTS, goOn, isInTheMiddle, isOver, pausingArgs, storyOf } from './paused-plots.js';

/** Shorter than usual, so that calls during an outage are over soon, and long enough for a busy machine. */
const DEADLINE_MS = 2_000;

const disturbances: readonly [
  what: string,
  disturb: (store: EventStoreDbNode, node: Node, taskId: string) => unknown,
][] = [
  [
    'connections drop',
    ({ faults }) => {
      faults.drop();
      faults.dropAfter(20);
    },
  ],
  [
    'appends are stored, and their answers lost',
    ({ faults }) => {
      faults.lostAnswers = 3;
    },
  ],
  ['the store is restarted', (store) => store.restart()],
  [
    'the store is away, and the plot ends meanwhile',
    async (store, node, taskId) => {
      const made = node.filesIn('plots').length;
      await store.stop();
      goOn(node, taskId);
      await until('health says so', async () => (await healthOf(node.address)) === 'NOT_SERVING');
      await until('the plot is made', () => node.filesIn('plots').length > made);
      await store.start();
      await until('health says so', async () => (await healthOf(node.address)) === 'SERVING');
    },
  ],
];

/** The wire has some numbers as floats. */
function asFloats(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_key, one) => (typeof one === 'number' ? Math.fround(one) : one));
}

/** Store, history, table and status call tell the same of a finished task. */
async function allAgree(t: Test, node: Node, store: EventStoreDbNode, taskId: string): Promise<void> {
  const stored = store.log.records.filter(({ stream }) => stream === `plot_task-${taskId}`);
  const history = await historyOf(node.talent, taskId);
  const row = rowOf(node.data, taskId, node.database);
  const status = await node.talent.status({ task_id: taskId });
  t.equal(stored.length, EVENTS);
  t.equal(new Set(stored.map(({ id }) => id)).size, EVENTS, 'nothing is stored twice');
  t.strictSame(
    stored.map(({ type }) => type),
    history.map((event) => (typeof event === 'object' && event && 'type' in event ? event.type : event)),
  );
  const { type, by: _, ...told } = Object.assign({}, ...history);
  t.equal(type, 'PlotTaskFinished');
  t.match(row, told, 'the table holds what the events say');
  t.match(row, { status: 'finished', progress: 100, exit_code: 0, wrote: 148 });
  t.match(asFloats(status), asFloats(statusMessageOf(row)), 'the status call says what the table holds');
  t.equal(status.revision, EVENTS - 1);
}

t.test(
  'whatever becomes of its store in the middle of a plot, its row and its history are the same',
  async (t) => {
    const store = await startNode(t);
    const node = await Node.start(t, pausingArgs, `${store.connectionString}&defaultDeadline=${DEADLINE_MS}`);
    await node.order('task-0');
    await isOver(node, 'task-0');
    const undisturbed = await storyOf(node, 'task-0');
    await allAgree(t, node, store, 'task-0');

    for (const [index, [what, disturb]] of disturbances.entries()) {
      await t.test(what, async (t) => {
        const taskId = `task-${index + 1}`;
        await node.order(taskId);
        await isInTheMiddle(node, taskId);
        const connections = store.connections;
        await disturb(store, node, taskId);
        await isOver(node, taskId);
        await until('it was disturbed', () => store.connections > connections);
        const { row, history } = await storyOf(node, taskId);
        t.strictSame(row, undisturbed.row);
        t.strictSame(history, undisturbed.history);
        await allAgree(t, node, store, taskId);
      });
    }

    t.equal(node.filesIn('plots').length, 1 + disturbances.length, 'one plot for each task');
    t.strictSame(node.filesIn('cache'), []);
    await until(
      'nothing is left to settle',
      () => readdirSync(plotsIn(node.data).directory.records).length === 0,
    );
    t.equal(await node.stop(), 0);
    await until('no process is left', () => processesOf(node.directory).length === 0);
    await until('no connection is left', () => store.openConnections === 0);
  },
);
