/** What becomes of a payload whose pilot dies: the next one adopts it, or its keeper ends it before anybody else may run it. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { identifyProcess } from '../../../../src/base/process-identity.js';
import { findMarked } from '../../../../src/processes/process-family.js';
import { until } from '../../../support/until.js';
import { kill, TASK_UID, type World, world } from '../support/pilot-world.js';

/** It notes each start, and writes its output once `go` is there. */
function waitingJob({ order, input, storage }: World, job: string, more = {}) {
  const starts = join(storage, `starts-${job}`);
  return {
    order: order(job, { executable: 'wait', inputs: [input('a', 'a')], inputs_total: 1, ...more }),
    go: () => void input(`go-${job}`, ''),
    starts: () => (existsSync(starts) ? readFileSync(starts, 'utf8').trim().split('\n').length : 0),
  };
}

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
  const { node, pilotProcess } = here;
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
  await pilotProcess();
  t.match(await node.outcome('j'), { finished: { claim_id: 'the-claim' } });
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

t.test(
  'one that is not followed by another: its keeper ends the payload before it is given up',
  async (t) => {
    const here = await world(t);
    const { node, pilotProcess, directory } = here;
    node.terms = { lease_seconds: 1, give_up_seconds: 4, margin_seconds: 2 };
    const first = await pilotProcess();
    const job = waitingJob(here, 'j');
    node.offer(job.order);
    await until('it runs', () => node.of('j').some(({ started }) => started));
    const [{ record } = {}] = directory.payloads.readAll().processes;
    if (record === undefined) throw new Error('no payload');
    await kill(first);
    const died = performance.now();
    const mark = directory.payloads.markOf(record);
    await until('nothing of it runs', () => findMarked(mark).length === 0);
    t.ok(performance.now() - died < 4_000, 'before the give-up, which counts from the last heartbeat');
    await until('its end is written', () => directory.payloads.readEnd(record) !== null);
    t.equal(directory.payloads.readEnd(record)?.ended_by, 'deadline');
    node.stale.add(record.claim_id);
    await pilotProcess();
    await until('it has told its node', () => node.of('j').some(({ started }) => started));
    await until('it has cleared away', () => directory.payloads.readAll().processes.length === 0);
    t.same(here.stored(), {}, 'what is late is not in the storage');
  },
);

t.test('a pilot that nobody hears ends what runs, and begins anew once that is over', async (t) => {
  const here = await world(t);
  const { node, pilot } = here;
  node.terms = { lease_seconds: 1, give_up_seconds: 3, margin_seconds: 1 };
  const running = await pilot();
  const job = waitingJob(here, 'j');
  node.offer(job.order);
  await until('it runs', () => node.of('j').some(({ started }) => started));
  const pid = node.of('j')[1]?.started?.pid ?? 0;
  node.isAway = true;
  await until('it was ended', () => identifyProcess(pid) === undefined);
  t.equal(node.attached.length, 1);
  node.isAway = false;
  t.match(await node.outcome('j'), { failed: { failure_class: 'pilot_lost' } });
  await until('another session is attached', () => node.attached.length > 1);
  t.not(node.attached[0]?.session_id, node.attached[1]?.session_id);
  await until('it takes jobs again', () => running.status().attached);
  node.offer(here.order('k', { inputs: [here.input('b', 'b')], inputs_total: 1, task: 'k' }));
  t.match(await node.outcome('k'), { finished: {} });
});

t.test('a pilot and a keeper that stood still for longer than the give-up do nothing more', async (t) => {
  const here = await world(t);
  const { node, pilotProcess, directory } = here;
  node.terms = { lease_seconds: 1, give_up_seconds: 3, margin_seconds: 1 };
  const stopped = await pilotProcess();
  const job = waitingJob(here, 'j');
  node.offer(job.order);
  await until('it runs', () => node.of('j').some(({ started }) => started));
  const [{ record } = {}] = directory.payloads.readAll().processes;
  if (record === undefined) throw new Error('no payload');
  const keeper = Number(
    /^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${record.process.pid}/status`, 'utf8'))?.[1],
  );
  stopped.kill('SIGSTOP');
  process.kill(keeper, 'SIGSTOP');
  node.stale.add(record.claim_id);
  const since = performance.now();
  await until('it would be given up', () => performance.now() - since > 3_000);
  // It would finish now, if it were let.
  process.kill(-record.process.pid, 'SIGSTOP');
  job.go();
  stopped.kill('SIGCONT');
  process.kill(keeper, 'SIGCONT');
  await until('it was cleared away', () => directory.payloads.readAll().processes.length === 0);
  t.same(here.stored(), {});
  t.notOk(node.of('j').some(({ finished }) => finished));
});

t.test('a keeper that is killed: what it kept goes on, and ends by the deadline all the same', async (t) => {
  const here = await world(t);
  const { node, pilot } = here;
  await pilot();
  const job = waitingJob(here, 'j');
  node.offer(job.order);
  await until('it runs', () => node.of('j').some(({ started }) => started));
  const pid = node.of('j')[1]?.started?.pid ?? 0;
  process.kill(Number(/^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]), 'SIGKILL');
  job.go();
  t.match(await node.outcome('j'), { failed: { failure_class: 'end_unknown' } });
  t.equal(job.starts(), 1);
});
