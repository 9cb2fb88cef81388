/** A task whose pilot can't be reached stays `cancelling`, says for whom it waits, and is cancelled when its keeper has ended what ran. */

import t from 'tap';
import { until } from '../../../../support/until.js';
import { finishJob, submitTask, taskStatus, untilTask } from '../../support/orders-of-tasks.js';
import { startPilot } from '../../support/synthetic-pilot.js';
import { ON_STORES } from '../../support/workload-node.js';

const SHORT = { lease_seconds: 2, give_up_seconds: 6, margin_seconds: 1 };
/** A process that is held up again and again judges late. */
const LONGEST_MS = 150_000;

t.jobs = 2;

for (const [store, start] of Object.entries(ON_STORES))
  t.test(`on ${store}`, { buffered: true }, async (t) => {
    const node = await start(t, { config: SHORT });
    const pilot = await startPilot(t, node, { name: 'p2' });
    const beating = setInterval(() => void pilot.beat().catch(() => undefined), 250);
    t.teardown(() => clearInterval(beating));
    const { task, jobs } = await submitTask(node, 1);
    const [job = ''] = jobs;
    const grant = await pilot.take(job);
    await pilot.started(grant);
    clearInterval(beating);
    pilot.close();
    await node.ask('TaskManager', 'task_cancel', { id: task, reason: 'wrong' });
    await until(
      'it says for whom it waits',
      async () =>
        /is cancelled \(wrong\);.*; waits for pilot p2, silent since 20\d\d-/.test(
          String((await taskStatus(node, task))['remarks']),
        ),
      LONGEST_MS,
    );
    const seen = await node.eventsOf(job);
    t.notOk(
      seen.some(({ type }) => type === 'JobCancelled'),
      'it may run on',
    );
    t.match(await taskStatus(node, task), { state: 'cancelling' });
    t.match(await node.jobs.call('job_status', { id: job }), {
      ...{
        state: 'cancelling',
        remarks: /^waits for pilot p2, silent since 20.*: its keeper ends what it runs/,
      },
    });
    await untilTask(node, task, 'cancelled', LONGEST_MS);
    const end = (await node.eventsOf(job)).at(-1);
    t.match(end, { type: 'JobCancelled', data: { by_lease: true, claim_id: grant.claim_id } });
    // It comes back, and tells what it had.
    const anew = await startPilot(t, node, { name: 'p2' });
    t.match(await finishJob(anew, grant, task), { is_success: false, reason: 'stale_claim' });
    t.equal((await node.eventsOf(job)).at(-1)?.type, 'JobCancelled', 'and that undoes nothing');
  });
