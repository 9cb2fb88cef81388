/** Pilots that fall silent, return, begin anew and die: what becomes of their jobs. Leases of two seconds. */

import t from 'tap';
import { job } from '../../../../../src/systems/workload/service/jobs/job-commands.js';
import { pilotKind } from '../../../../../src/systems/workload/service/pilots/pilot-kind.js';
import { until as untilSoon } from '../../../../support/until.js';
import { steppedClock } from '../../support/stepped-clock.js';
import { type Granted, keepBeating, type SyntheticPilot, startPilot } from '../../support/synthetic-pilot.js';
import { ON_STORES, startWorkload, type WorkloadNode } from '../../support/workload-node.js';

/**
 * Whatever holds this process up for a third of a lease begins that lease anew, and what is to be given up is heard out for a whole one
 * without: on a busy machine that may take many of them.
 */
const SHORT = { lease_seconds: 2, give_up_seconds: 4, margin_seconds: 1 };
/** Nothing is given up. */
const PATIENT = { ...SHORT, give_up_seconds: 120 };
const LONGEST_MS = 150_000;
const until: typeof untilSoon = (what, condition) => untilSoon(what, condition, LONGEST_MS);

// They wait for leases to run out most of the time.
t.jobs = 4;

async function typesOf(node: WorkloadNode, uid: string): Promise<string[]> {
  return (await node.eventsOf(uid)).map(({ type }) => type);
}

async function has(node: WorkloadNode, uid: string, type: string): Promise<boolean> {
  return (await typesOf(node, uid)).includes(type);
}

async function statusOf(node: WorkloadNode): Promise<unknown> {
  return Reflect.get(await node.pilots.call('pilot_status', { id: 'p1' }), 'status');
}

/** It is heard of until then, however busy the machine is. */
async function running(node: WorkloadNode, pilot: SyntheticPilot, uid: string): Promise<Granted> {
  const beating = setInterval(() => void pilot.beat().catch(() => undefined), 250);
  try {
    await node.createJob(uid);
    const grant = await pilot.take(uid);
    await pilot.started(grant);
    return grant;
  } finally {
    clearInterval(beating);
  }
}

const listing = (grant: Granted) => ({
  sample: { slots_used: 1, jobs: [{ job: grant.job, claim_id: grant.claim_id, phase: 'running' }] },
});

for (const [store, start] of Object.entries(ON_STORES)) {
  t.test(
    `on ${store} a silent pilot's job is marked, then fails as lost and goes elsewhere`,
    { buffered: true },
    async (t) => {
      const node = await start(t, { config: SHORT });
      const silent = await startPilot(t, node, { name: 'p1' });
      const grant = await running(node, silent, 'j1');
      await until('its job is marked', () => has(node, 'j1', 'JobPilotLost'));
      t.match(await node.jobs.call('job_status', { id: 'j1' }), {
        ...{ state: 'running', remarks: /pilot p1 is silent since 20/ },
      });
      const shown = await node.pilots.call('pilot_status', { id: 'p1' });
      const [heard, lost] = [Reflect.get(shown, 'last_report_time'), Reflect.get(shown, 'lost_time')];
      const since = new Date(Number(heard) * 1000).toISOString();
      t.equal(Reflect.get(shown, 'remarks'), `silent since ${since}; 1 job waits for it`);
      t.ok(heard < lost, 'it was heard before its lease was over');
      t.notOk(await has(node, 'j1', 'JobAttemptFailed'), 'nothing else happens at first');
      const other = await startPilot(t, node, { name: 'p2' });
      keepBeating(t, other);
      await until('it is given up', () => has(node, 'j1', 'JobAttemptFailed'));
      const failed = (await node.eventsOf('j1')).find(({ type }) => type === 'JobAttemptFailed');
      t.match(failed?.data, { class: 'pilot_lost', attempt: 1, cur_retry: 0, losses: 1, losses_in_a_row: 1 });
      t.match(await silent.finished(grant), { is_success: false, reason: 'stale_claim' });
      const again = await other.take('j1');
      t.match(again, { attempt: 2, cur_retry: 0 });
      t.not(again.claim_id, grant.claim_id);
      t.match(await silent.started(grant), { is_success: false, reason: 'stale_claim' });
    },
  );

  t.test(
    `on ${store} a pilot that begins anew has what it lists, and goes on with it`,
    { buffered: true },
    async (t) => {
      const node = await start(t, { config: SHORT });
      const first = await startPilot(t, node, { name: 'p1', slots: 2 });
      keepBeating(t, first);
      const [kept, gone] = [await running(node, first, 'j1'), await running(node, first, 'j2')];
      first.close();
      const anew = await startPilot(t, node, { name: 'p1', slots: 2 });
      keepBeating(t, anew);
      await until(
        'both are marked',
        async () => (await has(node, 'j1', 'JobPilotLost')) && (await has(node, 'j2', 'JobPilotLost')),
      );
      t.match(await node.jobs.call('job_status', { id: 'j1' }), {
        remarks: /pilot p1 has begun anew at 20.* and has not said yet that it has this job/,
      });
      const samples = setInterval(() => void anew.tell(listing(kept)), 250);
      t.teardown(() => clearInterval(samples));
      await until('what it lists is not lost', () => has(node, 'j1', 'JobPilotReturned'));
      await until('what it does not list is given up', () => has(node, 'j2', 'JobAttemptFailed'));
      clearInterval(samples);
      t.match(await anew.started(gone), { is_success: false, reason: 'stale_claim' });
      t.match(await anew.started(kept), { is_success: true }, 'of the session before, and it counts');
      t.match(await anew.finished(kept), { is_success: true });
      t.match(await node.jobs.call('job_status', { id: 'j1' }), { state: 'finished', attempt: 1 });
    },
  );
}

t.test('a pilot that returns within its time has lost nothing', { buffered: true }, async (t) => {
  const node = await startWorkload(t, { config: PATIENT });
  const pilot = await startPilot(t, node);
  const grant = await running(node, pilot, 'j1');
  await until('its job is marked', () => has(node, 'j1', 'JobPilotLost'));
  await pilot.beat();
  await until('the mark is gone', () => has(node, 'j1', 'JobPilotReturned'));
  t.match(await pilot.finished(grant), { is_success: true });
});

t.test(
  'a claim that is sent again gets its grant again, also by the next session',
  { buffered: true },
  async (t) => {
    const node = await startWorkload(t);
    const pilot = await startPilot(t, node);
    await node.createJob('j1');
    await until('there is a hint', () => pilot.hints.length > 0);
    const { grant } = await pilot.claim('j1', 0, 'c-1');
    t.match((await pilot.claim('j1', 0, 'c-1')).grant, grant ?? {});
    const anew = await startPilot(t, node, { name: 'p1' });
    t.match((await anew.claim('j1', 0, 'c-1')).grant, grant ?? {});
    t.match(await pilot.claim('j1', 0, 'c-1'), { is_success: false, reason: 'stale' }, 'the old session');
    t.match(await pilot.tell({ sample: {} }), { is_success: false, reason: 'stale_session' });
    t.equal((await typesOf(node, 'j1')).filter((type) => type === 'JobClaimed').length, 1);
  },
);

t.test(
  'a payload without a claim is told to end, one that has finished is not',
  { buffered: true },
  async (t) => {
    const node = await startWorkload(t);
    const pilot = await startPilot(t, node, { slots: 2 });
    const [done, going] = [await running(node, pilot, 'j1'), await running(node, pilot, 'j2')];
    await pilot.finished(done);
    const stray = { job: 'j2', claim_id: 'of-yesterday' };
    await pilot.tell({ sample: { jobs: [{ ...done }, { ...going }, stray] } });
    await until('it is told', () => pilot.told.some(({ cancel }) => cancel !== undefined && cancel !== null));
    const cancels = pilot.told.flatMap(({ cancel }) => cancel ?? []);
    t.match(cancels, [{ ...stray, reason: 'its claim counts no more' }]);
    t.equal(cancels.length, 1);
  },
);

t.test(
  'a pilot that has left without its jobs is given up as a lost one is',
  { buffered: true },
  async (t) => {
    const node = await startWorkload(t, { config: SHORT });
    const pilot = await startPilot(t, node);
    await running(node, pilot, 'j1');
    await pilot.leave();
    await until('its job is marked', () => has(node, 'j1', 'JobPilotLost'));
    await until('it is given up', () => has(node, 'j1', 'JobAttemptFailed'));
    t.match(await node.jobs.call('job_status', { id: 'j1' }), { failure_class: 'pilot_lost', losses: 1 });
  },
);

t.test('what is granted to a pilot that is just lost is marked, too', { buffered: true }, async (t) => {
  const node = await startWorkload(t);
  const pilot = await startPilot(t, node);
  await node.createJob('j1');
  await until('it is queued', () => pilot.hints.length > 0);
  const { system } = node.context.runtime;
  const data = { peer_id: 'p1', session_id: pilot.session, lost_time: 1 };
  await system.execute(pilotKind.type, 'p1', { decide: () => [{ type: 'PilotLost', data }] });
  await until('it is lost', async () => (await statusOf(node)) === 'lost');
  const claimed = { pilot: 'p1', session_id: pilot.session, claim_id: 'c', lease_seconds: 30 };
  await system.execute(job, 'j1', {
    decide: () => [{ type: 'JobClaimed', data: { ...claimed, attempt: 1, cur_retry: 0 } }],
  });
  await until('its job is marked', () => has(node, 'j1', 'JobPilotLost'));
});

t.test(
  'who knows nothing of a job has cancelled it only where it had claimed it itself',
  { buffered: true },
  async (t) => {
    const node = await startWorkload(t, { config: SHORT });
    const first = await startPilot(t, node, { name: 'p1', slots: 2 });
    const [own, left] = [await running(node, first, 'j1'), await running(node, first, 'j2')];
    const unknown = ({ job, claim_id }: Granted) => ({ cancelled: { job, claim_id, unknown: true } });
    await node.jobs.call('job_cancel', { id: 'j1' });
    t.match(await first.tell(unknown(own)), { is_success: true });
    t.match(await node.jobs.call('job_status', { id: 'j1' }), { state: 'cancelled' });
    first.close();
    const elsewhere = await startPilot(t, node, { name: 'p1', slots: 2 });
    keepBeating(t, elsewhere);
    await until('it is marked', () => has(node, 'j2', 'JobPilotLost'));
    await node.jobs.call('job_cancel', { id: 'j2' });
    t.match(await elsewhere.tell(unknown(left)), { is_success: true });
    t.match(await node.jobs.call('job_status', { id: 'j2' }), { state: 'cancelling' }, 'it may run on');
    await until('its keeper has ended it by now', () => has(node, 'j2', 'JobCancelled'));
    const end = (await node.eventsOf('j2')).find(({ type }) => type === 'JobCancelled');
    t.match(end?.data, { by_lease: true });
  },
);

t.test(
  'a claim that its pilot does not have is marked, also where the clock was set back since',
  { buffered: true },
  async (t) => {
    const clock = steppedClock();
    const node = await startWorkload(t, { config: PATIENT, clock });
    const pilot = await startPilot(t, node);
    keepBeating(t, pilot);
    await running(node, pilot, 'j1');
    clock.step(-3_600_000);
    const samples = setInterval(() => void pilot.tell({ sample: { slots_used: 0, jobs: [] } }), 250);
    t.teardown(() => clearInterval(samples));
    await until('its job is marked', () => has(node, 'j1', 'JobPilotLost'));
    t.match(await node.jobs.call('job_status', { id: 'j1' }), { remarks: /does not list it among its jobs/ });
  },
);

t.test('a node that was away counts anew', { buffered: true }, async (t) => {
  const first = await startWorkload(t, { config: SHORT });
  const pilot = await startPilot(t, first);
  await running(first, pilot, 'j1');
  await pilot.leave();
  await until('its job is marked', () => has(first, 'j1', 'JobPilotLost'));
  await first.stop();
  const second = await startWorkload(t, { config: SHORT, data: first.data });
  t.notOk(await has(second, 'j1', 'JobAttemptFailed'));
  await until('it is given up', () => has(second, 'j1', 'JobAttemptFailed'));
});
