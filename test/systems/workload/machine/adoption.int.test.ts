/** What becomes of a payload whose pilot dies: the next one adopts it, or asks again for what it was granted. */

import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { until } from '../../../support/until.js';
import { kill, TASK_UID, waitingJob, world } from '../support/pilot-world.js';

t.test('one that is killed is followed by one that adopts what runs: one start, one result', async (t) => {
  const here = await world(t);
  const { node, pilotProcess, stored } = here;
  const first = await pilotProcess();
  const [one, two] = [waitingJob(here, 'one'), waitingJob(here, 'two', { task: 'two' })];
  node.offer(one.order);
  node.offer(two.order);
  await until('both run', () => node.told.filter(({ started }) => started).length === 2);
  const pid = node.of('one')[1]?.started?.pid;
  await kill(first);
  // It ends while nobody is there.
  two.go();
  await until('its keeper has seen the end', () =>
    here.directory.payloads.readAll().processes.some(({ end }) => end),
  );
  await pilotProcess();
  t.match(await node.outcome('two'), { finished: { outputs: [{ path: 'two/out.a1.txt' }] } });
  await until(
    'the other was announced again',
    () => node.of('one').filter(({ started }) => started).length === 2,
  );
  one.go();
  const { finished, session_id } = await node.outcome('one');
  t.match(finished, { outputs: [{ path: `${TASK_UID}/out.a1.txt`, size: 4 }] });
  t.equal(session_id, node.attached[1]?.session_id, 'of the new session');
  t.same([one.starts(), two.starts()], [1, 1]);
  t.same(new Set(node.of('one').map(({ started }) => started?.pid)), new Set([undefined, pid]));
  t.equal(stored()[`${TASK_UID}/out.a1.txt`], 'out\n');
  t.same(node.left, [], 'the lease was not given back while something was unsettled');
});

t.test('one that died before it heard of its grant asks again, and is granted the same', async (t) => {
  const here = await world(t);
  const { node, pilotProcess, directory } = here;
  const first = await pilotProcess();
  // Granted, and the answer never arrives.
  node.answers = (report) =>
    report.claim === undefined ? undefined : { retryable: true, is_success: false };
  const job = waitingJob(here, 'j');
  node.offer(job.order);
  await until('it was asked for', () => node.of('j').length > 0);
  const [asked] = node.of('j');
  node.grants.set(asked?.command_id ?? '', { ...job.order, claim_id: 'the-claim' });
  node.orders.clear();
  await kill(first);
  node.answers = () => undefined;
  job.go();
  // What an earlier attempt has left, whoever it was of.
  const left = directory.workOf({ job: 'nobody', attempt: 1 });
  mkdirSync(join(left, 'in'), { recursive: true });
  chmodSync(join(left, 'in'), 0o500);
  await pilotProcess();
  t.match(await node.outcome('j'), { finished: { claim_id: 'the-claim' } });
  t.notOk(existsSync(left));
  t.equal(job.starts(), 1);
});

t.test('of a grant that counts no more nothing is started', async (t) => {
  const here = await world(t);
  const { node, pilotProcess, pilot, directory } = here;
  const first = await pilotProcess();
  node.answers = (report) =>
    report.claim === undefined ? undefined : { retryable: true, is_success: false };
  const job = waitingJob(here, 'j');
  node.offer(job.order);
  await until('it was asked for', () => node.of('j').length > 0);
  node.grants.set(node.of('j')[0]?.command_id ?? '', { ...job.order, claim_id: 'old' });
  node.orders.clear();
  node.stale.add('old');
  await kill(first);
  node.answers = () => undefined;
  const next = await pilot();
  await until('it was let go', () => next.status().slots_used === 0);
  t.equal(job.starts(), 0);
  t.same(directory.payloads.readAll().processes, []);
});

t.test('a keeper that is killed: what it kept goes on, and its limits hold all the same', async (t) => {
  const here = await world(t);
  const { node, pilot } = here;
  await pilot();
  const job = waitingJob(here, 'j');
  const late = waitingJob(here, 'late', { timeout_seconds: 1, task: 'late' });
  const started = () => node.told.flatMap((told) => told.started?.pid ?? []);
  node.offer(job.order);
  await until('one runs', () => started().length === 1);
  node.offer(late.order);
  await until('both run', () => started().length === 2);
  const [pid] = started();
  process.kill(Number(/^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]), 'SIGKILL');
  job.go();
  // It was not the last that the keeper has started, so it is not who took it along.
  t.match(await node.outcome('j'), { failed: { failure_class: 'keeper_lost' } });
  t.match(await node.outcome('late'), { failed: { failure_class: 'time_limit', detail: /the 1 s/ } });
  t.equal(job.starts(), 1);
});
