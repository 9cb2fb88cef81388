/** What becomes of jobs whose attempts fail: retries with their pauses, losses counted apart, poison, clocks that are set. */

import t from 'tap';
import { until } from '../../../../support/until.js';
import { steppedClock } from '../../support/stepped-clock.js';
import { type SyntheticPilot, startPilot } from '../../support/synthetic-pilot.js';
import { startWorkload, type WorkloadNode } from '../../support/workload-node.js';

const HOUR_MS = 3_600_000;

/** An event makes the executor look again. */
let pokes = 0;
async function poke(node: WorkloadNode): Promise<void> {
  pokes += 1;
  await node.createJob(`poke${pokes}`, { device_type: 'gpu' });
}

async function typesOf(node: WorkloadNode, uid: string): Promise<string[]> {
  return (await node.eventsOf(uid)).map(({ type }) => type);
}

t.test('its own failures use up its retries, each after a pause', async (t) => {
  const clock = steppedClock();
  const node = await startWorkload(t, { clock });
  const pilot = await startPilot(t, node);
  await node.createJob('j1', { retries: 1 });
  t.match(await pilot.failed(await pilot.take('j1'), 'payload_exit', 'it ended with 1'), {
    is_success: true,
  });
  t.match(await node.jobs.call('job_status', { id: 'j1' }), {
    ...{ state: 'created', cur_retry: 1, losses: 0, failure_class: 'payload_exit' },
    remarks: /attempt 1 has failed \(payload_exit\); the next one may begin in 5 s/,
  });
  await poke(node);
  t.notOk((await typesOf(node, 'j1')).slice(4).includes('JobQueued'), 'not before its time');
  clock.step(5_000);
  await poke(node);
  await until('there is another hint', () => pilot.told.some(({ hint }) => hint?.cur_retry === 1));
  const again = await pilot.take('j1');
  t.match(again, { attempt: 2, cur_retry: 1 });
  await pilot.failed(again, 'time_limit', 'it took too long');
  t.match(await node.jobs.call('job_status', { id: 'j1' }), {
    ...{ state: 'failed', failure_class: 'time_limit', remarks: 'it took too long', attempt: 2 },
  });
});

t.test('a job that takes its machines with it stops after three, and others go on', async (t) => {
  const clock = steppedClock();
  const node = await startWorkload(t, { clock });
  const pilots = [await startPilot(t, node, { name: 'p1' }), await startPilot(t, node, { name: 'p2' })];
  await node.createJob('j1', { retries: 5 });
  const took: SyntheticPilot[] = [];
  for (const pilot of pilots) pilot.onHint = (uid) => void (uid === 'j1' && took.push(pilot));
  for (let n = 1; n <= 3; n++) {
    await until('it is hinted', () => took.length === n);
    const answer = await took.at(-1)?.claim('j1', 0);
    if (answer?.grant === undefined) throw new Error('it was not granted');
    await took.at(-1)?.started(answer.grant);
    await took.at(-1)?.failed(answer.grant, 'end_unknown', 'the machine went down');
    clock.step(20_000);
    await poke(node);
  }
  t.match(await node.jobs.call('job_status', { id: 'j1' }), {
    ...{ state: 'failed', failure_class: 'poison', cur_retry: 0, attempt: 3 },
    remarks:
      'it was lost 3 times in a row, so it is taken for the reason; the last time: the machine went down',
  });
  t.not(took[0]?.name, took[1]?.name, 'elsewhere first');
  await node.createJob('j2');
  await until('another is hinted', () => pilots.some(({ hints }) => hints.includes('j2')));
});

t.test('a wall clock that is set gives nobody up, and keeps nobody waiting', async (t) => {
  const clock = steppedClock();
  const node = await startWorkload(t, { clock });
  const pilot = await startPilot(t, node, { slots: 2 });
  for (const uid of ['j1', 'j2']) await node.createJob(uid);
  const [kept, failed] = [await pilot.take('j1'), await pilot.take('j2')];
  await pilot.failed(failed, 'start_failed', 'EAGAIN');
  clock.step(-HOUR_MS);
  await poke(node);
  await until(
    'what waited goes on',
    async () => (await typesOf(node, 'j2')).filter((type) => type === 'JobQueued').length === 2,
  );
  clock.step(2 * HOUR_MS);
  await poke(node);
  await pilot.beat();
  await pilot.tell({ sample: { jobs: [kept] } });
  clock.step(-HOUR_MS);
  t.match(await pilot.finished(kept), { is_success: true });
  t.strictSame(await typesOf(node, 'j1'), ['JobCreated', 'JobQueued', 'JobClaimed', 'JobFinished']);
});

t.test('what a pilot says of itself is stored once a minute, or when its slots change', async (t) => {
  const node = await startWorkload(t);
  const pilot = await startPilot(t, node);
  for (const used of [0, 0, 1, 1, 1, 0])
    await pilot.tell({ sample: { slots_used: used, load: used, jobs_done: 1, jobs_failed: 0 } });
  const events = [];
  for await (const { type, data } of node.context.runtime.store.readStream('wl_pilot-p1'))
    events.push([type, data['slots_used']]);
  t.strictSame(events.slice(1), [
    ['PilotReported', 0],
    ['PilotReported', 1],
    ['PilotReported', 0],
  ]);
});

t.test('metrics count jobs, pilots, attempts and what was refused', async (t) => {
  const node = await startWorkload(t);
  await node.get('/metrics');
  const pilot = await startPilot(t, node);
  for (const uid of ['j1', 'j2', 'j3']) await node.createJob(uid);
  const first = await pilot.take('j1');
  await pilot.finished(first);
  await pilot.finished({ ...first, claim_id: 'stale' });
  await pilot.claim('j1');
  await pilot.failed(await pilot.take('j2'), 'input_missing');
  await pilot.take('j3');
  await until(
    'all is counted',
    async () => {
      const text = await node.get('/metrics');
      return [
        'workload_jobs{state="finished",device="cpu"} 1',
        'workload_jobs{state="failed",device="cpu"} 1',
        'workload_jobs{state="staging",device="cpu"} 1',
        'workload_queue_depth{device="cpu"} 0',
        'workload_pilots{status="active"} 1',
        'workload_attempts_total{class="finished"} 1',
        'workload_attempts_total{class="input_missing"} 1',
        'workload_claims_refused_total{reason="done"} 1',
        'workload_stale_claims_total 1',
        'workload_grant_wait_seconds_count{device="cpu"} 3',
      ].every((line) => text.includes(line));
    },
    10_000,
  );
});

t.test('how many losses a job survives is a key of the configuration', async (t) => {
  const node = await startWorkload(t, { config: { max_losses: 0 } });
  const pilot = await startPilot(t, node);
  await node.createJob('j1');
  await pilot.failed(await pilot.take('j1'), 'start_failed', 'ENOSPC');
  t.match(await node.jobs.call('job_status', { id: 'j1' }), {
    ...{ state: 'failed', failure_class: 'start_failed', remarks: 'it was lost once; the last time: ENOSPC' },
  });
});
