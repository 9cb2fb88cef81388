/** A keeper that hangs, one that is broken off each time it starts something, and a data directory that is full for a while. */

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { identifyProcess, isAlive } from '../../../../src/base/process-identity.js';
import { until } from '../../../support/until.js';
import { kill, type World, waitingJob, world } from '../support/pilot-world.js';

function pidOf({ node }: World, job: string): number {
  return node.of(job).find(({ started }) => started)?.started?.pid ?? 0;
}

t.test(
  'while the keeper hangs nothing is taken, what has ended is told, and what is cancelled ends',
  async (t) => {
    const here = await world(t);
    const { node, pilot, log, order, input } = here;
    await pilot();
    const job = waitingJob(here, 'j');
    node.offer(job.order);
    const inputs = { inputs: [input('b', 'b')], inputs_total: 1 };
    node.offer(order('c', { executable: 'run', args: `'trap "" TERM; sleep 1000'`, ...inputs, task: 'c' }));
    await until('both run', () => pidOf(here, 'j') > 0 && pidOf(here, 'c') > 0);
    const keeper = keeperOf(pidOf(here, 'j'));
    process.kill(keeper, 'SIGSTOP');
    const goOn = (): void => void process.kill(keeper, 'SIGCONT');
    t.teardown(goOn);
    job.go();
    const claim_id = node.of('c').find(({ started }) => started)?.started?.claim_id ?? '';
    node.send({ cancel: { job: 'c', claim_id, grace_seconds: 0 } });
    t.match(await node.outcome('j'), { failed: { failure_class: 'end_unknown' } });
    t.match(await node.outcome('c'), { cancelled: { job: 'c' } });
    t.equal(log.messages('error').filter((line) => line.includes('does not answer')).length, 1);
    await until('the node hears of it', () => node.resting.at(-1)?.includes('does not answer') === true);
    node.offer(order('k', { ...inputs, task: 'k' }));
    const heard = node.resting.length;
    await until('it is told again', () => node.resting.length > heard + 1);
    t.same(node.of('k'), [], 'nothing is asked for');
    goOn();
    t.match(await node.outcome('k'), { finished: {} }, 'afterwards it is');
  },
);

/** Of a payload that runs. */
function keeperOf(pid: number): number {
  return Number(/^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** A payload runs, its keeper is stopped until the end of the test, and its pilot is killed. @returns its pid */
async function leftBehind(
  t: Test,
  here: World,
  order: Parameters<World['node']['offer']>[0],
): Promise<number> {
  const first = await here.pilotProcess();
  here.node.offer(order);
  await until('it runs', () => pidOf(here, order.job) > 0);
  const pid = pidOf(here, order.job);
  const keeper = keeperOf(pid);
  process.kill(keeper, 'SIGSTOP');
  t.teardown(() => process.kill(keeper, 'SIGCONT'));
  await kill(first);
  return pid;
}

t.test(
  'a pilot that comes back while the keeper hangs adopts what runs, and tells how it came out',
  async (t) => {
    const here = await world(t);
    const { node, pilotProcess } = here;
    const job = waitingJob(here, 'j');
    await leftBehind(t, here, job.order);
    await pilotProcess();
    await until(
      'the node hears of the keeper',
      () => node.resting.at(-1)?.includes('does not answer') === true,
    );
    job.go();
    t.match(await node.outcome('j'), { failed: { failure_class: 'end_unknown' } });
    t.equal(job.starts(), 1);
  },
);

t.test('one that comes back to such a keeper, and has no node, ends what runs in time', async (t) => {
  const here = await world(t);
  const { node, pilotProcess, directory } = here;
  node.terms = { lease_seconds: 1, give_up_seconds: 25, margin_seconds: 4 };
  const args = `'trap "" TERM; while :; do sleep 0.05; done'`;
  const inputs = { inputs: [here.input('a', 'a')], inputs_total: 1 };
  const pid = await leftBehind(t, here, here.order('j', { executable: 'run', args, ...inputs }));
  const identity = identifyProcess(pid);
  if (identity === undefined) throw new Error('it has ended');
  node.isAway = true;
  void pilotProcess().catch(() => undefined);
  await until('it was ended', () => !isAlive(identity));
  t.ok(Date.now() < node.heardAt + 25_000, 'before the give-up, as the node counts it');
  t.equal(directory.payloads.readAll().processes[0]?.record.stopping?.why, 'pilot_lost');
  node.isAway = false;
  t.match(await node.outcome('j'), { failed: { failure_class: 'pilot_lost' } });
});

t.test('a start that is broken off twice is the end of its attempt', async (t) => {
  const here = await world(t);
  const { node, pilot, directory } = here;
  await pilot();
  const job = waitingJob(here, 'j');
  // As each try leaves it that ends before its record is written.
  const left = directory.payloads.logPathOf({ job: 'j', attempt: 1 });
  const leaving = setInterval(() => {
    if (!existsSync(left)) writeFileSync(left, '');
  }, 1);
  t.teardown(() => clearInterval(leaving));
  writeFileSync(left, '');
  node.offer(job.order);
  t.match(await node.outcome('j'), { failed: { failure_class: 'end_unknown', detail: /broken off twice/ } });
  t.equal(job.starts(), 0);
});

t.test(
  'while no claim can be written nothing is taken, and what was announced is taken afterwards',
  async (t) => {
    const here = await world(t);
    const { node, pilot, directory, order, input, log } = here;
    await pilot();
    const away = `${directory.claims}-away`;
    renameSync(directory.claims, away);
    node.offer(order('j', { inputs: [input('a', 'a')], inputs_total: 1 }));
    await until('the node hears of it', () => node.resting.at(-1)?.includes('data directory') === true);
    t.same(node.of('j'), []);
    t.equal(log.messages('error').filter((line) => line.includes('nothing can be claimed')).length, 1);
    renameSync(away, directory.claims);
    t.match(await node.outcome('j'), { finished: {} });
    await until(
      'the node hears of that',
      () => node.resting.at(-1) === undefined || node.resting.at(-1) === '',
    );
  },
);
