/** A job whose stream nobody can read, among the others of its pilot: these are given up, marked and heard of as ever. */

import t, { type Test } from 'tap';
import { startNode } from '../../../../support/eventstoredb-stores.js';
import { until as untilSoon } from '../../../../support/until.js';
import { damage } from '../../support/damage.js';
import { keepBeating, startPilot } from '../../support/synthetic-pilot.js';
import { startWorkload, type WorkloadNode } from '../../support/workload-node.js';

const LONGEST_MS = 150_000;
const until: typeof untilSoon = (what, condition) => untilSoon(what, condition, LONGEST_MS);

// They wait for leases to run out most of the time.
t.jobs = 3;

/** One pilot, that has both. */
async function world(t: Test) {
  const store = await startNode(t);
  const config = { lease_seconds: 2, give_up_seconds: 4, margin_seconds: 1 };
  const node = await startWorkload(t, { store: store.connectionString, config });
  const pilot = await startPilot(t, node, { slots: 2 });
  const stopBeating = keepBeating(t, pilot);
  for (const uid of ['bad', 'good']) {
    await node.createJob(uid);
    await pilot.started(await pilot.take(uid));
  }
  return { store, node, pilot, stopBeating };
}

const has = async (node: WorkloadNode, uid: string, type: string) =>
  (await node.eventsOf(uid)).some((event) => event.type === type);

t.test('the other jobs of a pilot that is given up fail as lost', { buffered: true }, async (t) => {
  const { store, node, pilot, stopBeating } = await world(t);
  damage(store, 'wl_job-bad');
  stopBeating();
  pilot.close();
  await until('the other has failed', () => has(node, 'good', 'JobAttemptFailed'));
  await until('the pilot is given up', () => node.log.messages('warn').includes('a pilot is given up'));
});

t.test('the other jobs that a pilot does not list are marked', { buffered: true }, async (t) => {
  const { store, node, pilot } = await world(t);
  damage(store, 'wl_job-bad');
  await until('the other is marked', async () => {
    await pilot.tell({ sample: { slots_used: 2, jobs: [] } });
    return has(node, 'good', 'JobPilotLost');
  });
  const told = node.log.messages('error').filter((one) => one.startsWith('a job can not be compared'));
  t.equal(told.length, 1);
});

t.test(
  'a job that was marked and can not be read is not tried again and again',
  { buffered: true },
  async (t) => {
    const { store, node, pilot } = await world(t);
    await until('both are marked', async () => {
      await pilot.tell({ sample: { slots_used: 2, jobs: [] } });
      return (await has(node, 'good', 'JobPilotLost')) && (await has(node, 'bad', 'JobPilotLost'));
    });
    damage(store, 'wl_job-bad');
    await until('the other has failed', () => has(node, 'good', 'JobAttemptFailed'));
    await until('it is told', () => node.log.messages('error').includes('a lost job can not be given up'));
    t.notOk(node.log.messages('warn').includes('a lost job was not given up; trying again'));
  },
);
