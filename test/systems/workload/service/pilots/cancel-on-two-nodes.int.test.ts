/** Two services on one store: what one is asked to cancel ends wherever it runs, and whoever runs a loop by a lease is followed. */

import t, { type Test } from 'tap';
import { idOf } from '../../../../../src/runtime/event-store/event-store.js';
import { job } from '../../../../../src/systems/workload/service/jobs/job-commands.js';
import { startNode as startStore } from '../../../../support/eventstoredb-stores.js';
import { until } from '../../../../support/until.js';
import { finishJob, submitTask, taskStatus, untilTask } from '../../support/orders-of-tasks.js';
import {
  type Granted,
  keepBeating,
  type PilotTraits,
  type SyntheticPilot,
  startPilot,
} from '../../support/synthetic-pilot.js';
import { startWorkload, type WorkloadNode } from '../../support/workload-node.js';

/** Two nodes and their store are in this process: on a busy machine all of it takes its time. */
const LONGEST_MS = 150_000;

async function twoNodes(t: Test): Promise<readonly [WorkloadNode, WorkloadNode]> {
  const { connectionString: store } = await startStore(t);
  return [await startWorkload(t, { store }), await startWorkload(t, { store })];
}

/** Heard of until the test ends, however long that takes. */
async function livingPilot(t: Test, node: WorkloadNode, traits: PilotTraits): Promise<SyntheticPilot> {
  const pilot = await startPilot(t, node, traits);
  keepBeating(t, pilot);
  return pilot;
}

/** It ends what it is told to end. */
function obeys(pilot: SyntheticPilot): void {
  pilot.onCancel = (uid, claim_id) =>
    void pilot.tellSurely({ cancelled: { job: uid, claim_id, processes_ended: 1 } });
}

t.test('what runs on pilots of both nodes ends, whichever node was asked', async (t) => {
  const [a, b] = await twoNodes(t);
  const pilots = [
    await livingPilot(t, a, { name: 'p1', slots: 1 }),
    await livingPilot(t, b, { name: 'p2', slots: 1 }),
  ];
  const { task, jobs } = await submitTask(a, 4);
  const granted: Granted[] = [];
  for (const pilot of pilots) {
    await until('there is a hint', () => pilot.hints.length > 0);
    for (const uid of [...pilot.hints]) {
      const { grant } = await pilot.claim(uid);
      if (grant === undefined) continue;
      granted.push(grant);
      await pilot.started(grant);
      break;
    }
  }
  t.equal(granted.length, 2, 'a job runs on each');
  pilots.forEach(obeys);
  await b.ask('TaskManager', 'task_cancel', { id: task, reason: 'wrong' });
  for (const node of [a, b])
    t.match(await untilTask(node, task, 'cancelled', LONGEST_MS), { jobs_cancelled: 4, jobs_running: 0 });
  const asked = granted.map(({ job: uid }) => uid);
  for (const uid of jobs) {
    const types = (await a.eventsOf(uid)).map(({ type }) => type);
    t.equal(types.at(-1), 'JobCancelled');
    t.equal(
      types.includes('JobCancelRequested'),
      asked.includes(uid),
      'what runs is asked to end, what waits is not',
    );
    for (const pilot of pilots)
      t.match(
        await pilot.claim(uid),
        { is_success: false, reason: 'cancelled' },
        'nothing is granted any more',
      );
  }
});

t.test('a grant that another node was about to store is cancelled as one that runs', async (t) => {
  const [a, b] = await twoNodes(t);
  const pilot = await livingPilot(t, b, { name: 'p2' });
  const { task, jobs } = await submitTask(a, 1);
  const [uid = ''] = jobs;
  await until('there is a hint', () => pilot.hints.length > 0);
  obeys(pilot);
  // It waits for a pilot that has it, so the task is not called cancelled before the grant is there.
  const claimed = { pilot: 'p2', session_id: pilot.session, claim_id: 'c-1', lease_seconds: 30 };
  const { system } = b.context.runtime;
  const cancelling = a.ask('TaskManager', 'task_cancel', { id: task, reason: 'wrong' });
  const granting = system.execute(job, uid, {
    decide: ({ value }) =>
      value === 'queued' ? [{ type: 'JobClaimed', data: { ...claimed, attempt: 1, cur_retry: 0 } }] : [],
  });
  await Promise.all([cancelling, granting]);
  await untilTask(a, task, 'cancelled', LONGEST_MS);
  const types = (await a.eventsOf(uid)).map(({ type }) => type);
  t.equal(types.at(-1), 'JobCancelled');
  if (types.includes('JobClaimed')) t.ok(types.includes('JobCancelRequested'), 'it was asked to end first');
  await finishJob(pilot, { job: uid, claim_id: 'c-1', attempt: 1 }, task);
  t.equal((await a.eventsOf(uid)).length, types.length, 'nothing that is told later counts');
});

t.test(
  'the node that queues and closes is stopped in the middle: the other one goes on, and nothing comes twice',
  async (t) => {
    const [a, b] = await twoNodes(t);
    const pilot = await livingPilot(t, b, { name: 'p2', slots: 4 });
    let task = '';
    const done = new Set<string>();
    pilot.onHint = async (uid) => {
      const { grant } = await pilot.claim(uid);
      if (grant === undefined) return;
      await finishJob(pilot, grant, task);
      done.add(uid);
    };
    const submitted = await submitTask(a, 12);
    task = submitted.task;
    await until('some are done', () => done.size > 2);
    await a.stop();
    t.match(await untilTask(b, task, 'finished', LONGEST_MS), { jobs_finished: 12 });
    for (const uid of submitted.jobs) {
      const types = (await b.eventsOf(uid)).map(({ type }) => type);
      t.strictSame(types, ['JobCreated', 'JobQueued', 'JobClaimed', 'JobFinished']);
    }
    const ends = [];
    for await (const { type } of b.context.runtime.store.readStream(`wl_task-${task}`)) ends.push(type);
    t.equal(ends.filter((type) => type === 'TaskFinished').length, 1);
  },
);

t.test('a pilot that changes nodes hears there what it has to end', async (t) => {
  const [a, b] = await twoNodes(t);
  const first = await livingPilot(t, a, { name: 'p1' });
  const { task, jobs } = await submitTask(a, 1);
  const grant = await first.take(jobs[0] ?? '');
  await first.started(grant);
  first.close();
  await b.ask('TaskManager', 'task_cancel', { id: task, reason: 'wrong' });
  await until('it is to end', async () =>
    (await b.eventsOf(grant.job)).some(
      ({ type, stream }) => type === 'JobCancelRequested' && idOf(stream) === grant.job,
    ),
  );
  t.match(await taskStatus(a, task), { state: 'cancelling' });
  const anew = await livingPilot(t, b, { name: 'p1' });
  await until('it is told', () => anew.told.some(({ cancel }) => cancel?.claim_id === grant.claim_id));
  t.match(await anew.tell({ cancelled: { job: grant.job, claim_id: grant.claim_id, processes_ended: 2 } }), {
    is_success: true,
  });
  await untilTask(a, task, 'cancelled', LONGEST_MS);
});
