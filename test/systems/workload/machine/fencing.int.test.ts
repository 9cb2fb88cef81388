/** A payload whose pilot can't renew its lease is ended by its keeper before anybody else may run the job, and nothing late counts. */

import { readFileSync } from 'node:fs';
import t from 'tap';
import { identifyProcess } from '../../../../src/base/process-identity.js';
import { findMarked } from '../../../../src/processes/process-family.js';
import { until } from '../../../support/until.js';
import { kill, waitingJob, world } from '../support/pilot-world.js';

t.test(
  'one that is not followed by another: its keeper ends the payload before it is given up',
  async (t) => {
    const here = await world(t);
    const { node, pilotProcess, directory } = here;
    // The grace is longer than the margin, and the payload needs all of it.
    node.terms = { lease_seconds: 1, give_up_seconds: 10, margin_seconds: 1 };
    const first = await pilotProcess({ grace_seconds: 4 });
    const args = `'trap "" TERM; echo deaf; while :; do sleep 0.05; done'`;
    node.offer(here.order('j', { executable: 'run', args, inputs: [here.input('a', 'a')], inputs_total: 1 }));
    await until('it runs', () => node.of('j').some(({ started }) => started));
    const [{ record } = {}] = directory.payloads.readAll().processes;
    if (record === undefined) throw new Error('no payload');
    await until('it does not hear', () => readFileSync(record.log_path, 'utf8').includes('deaf'));
    await kill(first);
    const mark = directory.payloads.markOf(record);
    await until('nothing of it runs', () => findMarked(mark).length === 0);
    await until('its end is written', () => directory.payloads.readEnd(record) !== null);
    t.equal(directory.payloads.readEnd(record)?.ended_by, 'deadline');
    const endedAt = (directory.payloads.readEnd(record)?.ended_time ?? Number.POSITIVE_INFINITY) * 1000;
    t.ok(endedAt < node.heardAt + 10_000, 'before the give-up, as the node counts it');
    node.stale.add(record.claim_id);
    await pilotProcess();
    await until('it has told its node', () => node.of('j').some(({ started }) => started));
    await until('it has cleared away', () => directory.payloads.readAll().processes.length === 0);
    t.same(here.stored(), {}, 'what is late is not in the storage');
  },
);

t.test('pilot and keeper killed at one moment: what runs is ended before it is given up', async (t) => {
  const here = await world(t);
  const { node, pilotProcess, directory } = here;
  node.terms = { lease_seconds: 1, give_up_seconds: 40, margin_seconds: 35 };
  const first = await pilotProcess();
  const job = waitingJob(here, 'j');
  node.offer(job.order);
  await until('it runs', () => node.of('j').some(({ started }) => started));
  const [{ record } = {}] = directory.payloads.readAll().processes;
  if (record === undefined) throw new Error('no payload');
  process.kill(keeperOf(record.process.pid), 'SIGKILL');
  await kill(first);
  const mark = directory.payloads.markOf(record);
  await until('nothing of it runs', () => findMarked(mark).length === 0);
  t.ok(Date.now() < node.heardAt + 40_000, 'before the give-up, as the node counts it');
  await until('its end is written', () => directory.payloads.readEnd(record) !== null);
  t.equal(directory.payloads.readEnd(record)?.ended_by, 'deadline');
  await pilotProcess();
  t.match(await node.outcome('j'), { failed: { failure_class: 'pilot_lost' } });
  t.equal(job.starts(), 1);
});

t.test('a pilot that nobody hears ends what runs, and begins anew once that is over', async (t) => {
  const here = await world(t);
  const { node, pilot } = here;
  node.terms = { lease_seconds: 1, give_up_seconds: 4, margin_seconds: 2 };
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
  node.terms = { lease_seconds: 1, give_up_seconds: 4, margin_seconds: 2 };
  const stopped = await pilotProcess();
  const job = waitingJob(here, 'j');
  node.offer(job.order);
  await until('it runs', () => node.of('j').some(({ started }) => started));
  const [{ record } = {}] = directory.payloads.readAll().processes;
  if (record === undefined) throw new Error('no payload');
  const keeper = keeperOf(record.process.pid);
  stopped.kill('SIGSTOP');
  process.kill(keeper, 'SIGSTOP');
  node.stale.add(record.claim_id);
  const since = performance.now();
  await until('it would be given up', () => performance.now() - since > 4_000);
  // It would finish now, if it were let.
  process.kill(-record.process.pid, 'SIGSTOP');
  job.go();
  stopped.kill('SIGCONT');
  process.kill(keeper, 'SIGCONT');
  await until('it was cleared away', () => directory.payloads.readAll().processes.length === 0);
  t.same(here.stored(), {});
  t.notOk(node.of('j').some(({ finished }) => finished));
});

t.test(
  'a lease without time for the grace of what runs is not taken, and it is said what to set',
  async (t) => {
    const { node, pilot, log } = await world(t);
    node.terms = { lease_seconds: 1, give_up_seconds: 10, margin_seconds: 1 };
    const starting = pilot({ grace_seconds: 5 });
    const reasons = () => log.entries('warn').map((entry) => ('reason' in entry ? String(entry.reason) : ''));
    await until('it says so', () => reasons().length > 0);
    t.match(
      reasons()[0],
      /workload.give_up_seconds \(10\) must be at least its workload.lease_seconds \(1\) and twice workload.pilot.grace_seconds \(5\) together/,
    );
    node.terms = { lease_seconds: 1, give_up_seconds: 11, margin_seconds: 1 };
    t.ok((await starting).status().attached, 'it takes one that leaves it');
  },
);

function keeperOf(pid: number): number {
  return Number(/^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
