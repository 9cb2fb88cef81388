/** The executor, switched off: nothing more is queued, pilots go on with what they have, and strictly off nothing is granted. */

import t, { type Test } from 'tap';
import { until } from '../../../../support/until.js';
import { type SyntheticPilot, startPilot } from '../../support/synthetic-pilot.js';
import { ON_STORES, startWorkload, type WorkloadNode } from '../../support/workload-node.js';

const switchTo = (node: WorkloadNode, enabled: boolean, more: object = {}) =>
  node.ask('Switches', 'switch_set', { switch: 'executor', enabled, ...more });

const job = (node: WorkloadNode, id: string) => node.ask('JobManager', 'job_status', { id });

async function types(node: WorkloadNode, uid: string): Promise<string[]> {
  return (await node.eventsOf(uid)).map(({ type }) => type);
}

/** Types of what is stored behind the answer to an off, and before the on that follows it. */
async function storedWhileOff(node: WorkloadNode): Promise<string[]> {
  const stored: string[] = [];
  let isOff = false;
  for await (const { type } of node.context.runtime.store.readAll({ categories: ['wl_switch', 'wl_job'] })) {
    if (type === 'SwitchedOn') isOff = false;
    if (isOff) stored.push(type);
    if (type === 'SwitchSettled') isOff = true;
  }
  return stored;
}

/** Queued again, as it was taken back: a hint of before comes to nothing until then. */
async function untilGranted(pilot: SyntheticPilot, uid: string): Promise<void> {
  await until(`${uid} is granted`, async () => (await pilot.claim(uid)).is_success === true);
}

async function worldOf(t: Test, start: (t: Test) => Promise<WorkloadNode>) {
  const node = await start(t);
  const pilot = await startPilot(t, node, { slots: 4 });
  await node.createJob('j1');
  await node.createJob('j2');
  const grant = await pilot.take('j1');
  await until('there is a hint of j2', () => pilot.hints.includes('j2'));
  return { node, pilot, grant };
}

for (const [store, start] of Object.entries(ON_STORES)) {
  t.test(`off, what is queued is granted and what is not waits, on ${store}`, async (t) => {
    const { node, pilot, grant } = await worldOf(t, start);
    t.match(await switchTo(node, false, { reason: 'storage is moved' }), { enabled: false });
    await node.createJob('j3');
    t.match(await pilot.finished(grant), { is_success: true }, 'what runs goes on');
    t.match(await pilot.claim('j2'), { is_success: true }, 'so does what was queued');
    t.match(await job(node, 'j3'), {
      state: 'created',
      remarks: /^is not queued: the executor is switched off since \d{4}-\S+Z, by \S.*: storage is moved$/,
    });
    t.match(await node.get('/metrics'), /^workload_switch_on\{switch="executor"\} 0$/m);
    t.strictSame(await types(node, 'j3'), ['JobCreated']);
    await switchTo(node, true);
    await pilot.take('j3');
    t.notOk((await storedWhileOff(node)).includes('JobQueued'));
  });

  t.test(`strictly off nothing is granted, on ${store}`, async (t) => {
    const { node, pilot, grant } = await worldOf(t, start);
    t.match(await switchTo(node, false, { strict: true }), { strict: true });
    const disabled = { is_success: false, reason: 'disabled', msg: /while the executor is switched off/ };
    t.match(await pilot.claim('j2'), disabled);
    t.match(await pilot.started(grant), { is_success: true }, 'what runs goes on');
    t.match(await job(node, 'j2'), {
      state: 'created',
      remarks: /^is not queued: the executor is switched off/,
    });
    t.match(await switchTo(node, false), { enabled: false, strict: false }, 'less strictly now');
    t.match(await pilot.claim('j2'), { reason: 'stale' }, 'what was taken back waits to be queued again');
    t.match(await switchTo(node, true), { enabled: true });
    await untilGranted(pilot, 'j2');
    t.strictSame(await types(node, 'j2'), [
      ...['JobCreated', 'JobQueued', 'JobWithdrawn', 'JobQueued', 'JobClaimed'],
    ]);
  });
}

t.test('a claim beside a strict off is granted before it or not at all', async (t) => {
  const node = await startWorkload(t, { config: { requeue_seconds: 1 } });
  const pilot = await startPilot(t, node, { slots: 64 });
  const uids = Array.from({ length: 24 }, (_, n) => `j${n}`);
  for (const uid of uids) await node.createJob(uid);
  await until('all are hinted', () => uids.every((uid) => pilot.hints.includes(uid)));
  const claims = uids.map((uid) => pilot.claim(uid));
  const [, ...answers] = await Promise.all([switchTo(node, false, { strict: true }), ...claims]);
  for (const answer of answers) if (!answer.is_success) t.match(answer, { reason: 'disabled' });
  t.strictSame(
    await storedWhileOff(node),
    [],
    'behind the answer nothing is granted, and no hint is sent again',
  );
  await switchTo(node, true);
  for (const [n, { is_success: granted }] of answers.entries())
    if (!granted) await untilGranted(pilot, `j${n}`);
  for (const uid of uids)
    t.strictSame((await types(node, uid)).filter((type) => type === 'JobClaimed').length, 1, uid);
});
