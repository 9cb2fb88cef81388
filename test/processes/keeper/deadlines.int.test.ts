/** Deadlines that the keeper enforces, whoever is frozen or dead, with real processes. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { isAlive, type ProcessIdentity } from '../../../src/base/process-identity.js';
import { Keeper } from '../../../src/processes/keeper/keeper.js';
import { connectLocally } from '../../../src/processes/local-calls.js';
import { findMarked } from '../../../src/processes/process-family.js';
import { readProcesses } from '../../../src/processes/process-table.js';
import { identityOf } from '../../../src/processes/records/process-record.js';
import { ManualClock } from '../../support/manual-clock.js';
import { until } from '../../support/until.js';
import { wakingClock as clock } from '../../support/waking-clock.js';
import { type JobStart, jobStart, jobsIn, makeJobs } from '../jobs.js';
import { endOf, keeperOf, open, STAYS, untilNoKeeper } from './kept.js';

const RUN_OWNER = fileURLToPath(new URL('run-owner.js', import.meta.url));

/** Hears SIGTERM and stays, with a child that has left session and environment. */
const STUBBORN = `
  process.on('SIGTERM', () => console.log('heard'));
  require('node:child_process').spawn('setsid', ['--wait', 'env', '-i', 'sleep', '1000'], { stdio: 'ignore' });
  setInterval(() => {}, 1000);
  console.log('up');`;

function logOf(start: JobStart): string {
  return readFileSync(start.log_path, 'utf8');
}

t.test('it ends at its deadline, and its end says so', async (t) => {
  const { data, jobs, link } = await open(t);
  const start = { ...jobStart(jobs, 'one', STAYS), deadline_ms: clock.sinceBoot() + 400 };
  await link.start(start);
  t.match(await endOf(data, 'one'), { exit_code: null, exit_signal: 'SIGTERM', ended_by: 'deadline' });
});

t.test('one that does not hear is killed after its grace, and what it has started goes too', async (t) => {
  const { data, jobs, link } = await open(t);
  const start = {
    ...jobStart(jobs, 'one', STUBBORN),
    deadline_ms: clock.sinceBoot() + 60_000,
    grace_ms: 300,
  };
  const record = await link.start(start);
  let stray: ProcessIdentity | undefined;
  await until('it is up, and its child', () => {
    stray = readProcesses().byParent.get(record.process.pid)?.[0];
    return logOf(start) === 'up\n' && stray !== undefined;
  });
  if (stray === undefined) throw new Error('it has no child');
  // Suspended it could not hear.
  process.kill(-record.process.pid, 'SIGSTOP');
  await link.renew(start, clock.sinceBoot() + 100);
  t.match(await endOf(data, 'one'), { exit_signal: 'SIGKILL', ended_by: 'deadline' });
  t.match(logOf(start), /heard/, 'it was asked first, and woken up for that');
  t.same(findMarked(jobs.markOf(start)), []);
  t.notOk(isAlive(stray), 'not even who has left session and environment');
});

t.test('a renewal moves it, one that comes too late is refused', async (t) => {
  const { data, jobs, link } = await open(t);
  const first = clock.sinceBoot() + 700;
  const start = { ...jobStart(jobs, 'one', STAYS), deadline_ms: first };
  const record = await link.start(start);
  await link.renew(start, first + 3_600_000);
  await until('the first has passed, and was looked at', () => clock.sinceBoot() > first + 500);
  t.ok(isAlive(identityOf(record)));
  await t.rejects(link.renew(start, clock.sinceBoot() - 1), {
    kind: 'refused',
    message: /new deadline of one\.1 passed/,
  });
  t.ok(isAlive(identityOf(record)), 'and changes nothing');
  await link.renew(start, clock.sinceBoot() + 50);
  t.match(await endOf(data, 'one'), { ended_by: 'deadline' });
  await t.rejects(link.renew(start, clock.sinceBoot() + 10_000), {
    kind: 'refused',
    message: 'too late: one.1 does not run here any more',
  });
});

t.test('where there is none, there is none to renew, and one that has passed starts nothing', async (t) => {
  const { data, jobs, link } = await open(t);
  const start = jobStart(jobs, 'one', STAYS);
  const { process: leader } = await link.start(start);
  await t.rejects(link.renew(start, clock.sinceBoot() + 1_000), {
    kind: 'refused',
    message: 'one.1 was started without a deadline',
  });
  process.kill(leader.pid, 'SIGKILL');
  t.match(await endOf(data, 'one'), { exit_signal: 'SIGKILL', ended_by: undefined });
  const late = { ...jobStart(jobs, 'two', STAYS), deadline_ms: clock.sinceBoot() - 1 };
  await t.rejects(link.start(late), { kind: 'refused', message: /too late: the deadline of two\.1 passed/ });
  t.equal(jobs.read(late), undefined);
});

t.test('a keeper that was frozen looks at the clock before it hears a renewal', async (t) => {
  const { data, jobs, link } = await open(t);
  const deadline = clock.sinceBoot() + 1_500;
  const start = { ...jobStart(jobs, 'one', STAYS), deadline_ms: deadline };
  const record = await link.start(start);
  const keeper = keeperOf(record.process.pid);
  process.kill(keeper, 'SIGSTOP');
  // In time for the owner, but nobody reads it.
  const renewing = t.rejects(link.renew(start, deadline + 3_600_000), {
    kind: 'refused',
    message: 'too late: one.1 is being ended',
  });
  await until('the deadline has passed', () => clock.sinceBoot() > deadline);
  t.ok(isAlive(identityOf(record)), 'nobody could end it');
  process.kill(keeper, 'SIGCONT');
  await renewing;
  t.match(await endOf(data, 'one'), { ended_by: 'deadline' });
});

async function startOwner(t: Test, data: string, starts: readonly JobStart[]): Promise<ChildProcess> {
  const owner = spawn(process.execPath, [RUN_OWNER, data, JSON.stringify(starts)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => owner.kill('SIGKILL'));
  await once(owner.stdout, 'data');
  return owner;
}

for (const [what, signal] of [
  ['is frozen', 'SIGSTOP'],
  ['is dead', 'SIGKILL'],
] as const) {
  t.test(`it holds while the owner ${what}`, async (t) => {
    const data = t.testdir();
    const jobs = makeJobs(data);
    const starts = ['one', 'two'].map((job) => jobStart(jobs, job, STAYS));
    const deadline_ms = clock.sinceBoot() + 2_500;
    const owner = await startOwner(
      t,
      data,
      starts.map((start) => (start.job === 'one' ? { ...start, deadline_ms } : start)),
    );
    const two = jobs.read({ job: 'two', attempt: 1 });
    if (two === undefined) throw new Error('two does not run');
    owner.kill(signal);
    t.match(await endOf(data, 'one'), { ended_by: 'deadline' });
    t.ok(isAlive(identityOf(two)), 'the one without a deadline goes on');
    process.kill(two.process.pid, 'SIGKILL');
    await endOf(data, 'two');
    owner.kill('SIGKILL');
    await untilNoKeeper(data);
  });
}

t.test('the time that the machine sleeps counts, and no setting of the clock does', async (t) => {
  const data = t.testdir();
  const jobs = makeJobs(data);
  const manual = new ManualClock();
  let isIdle = false;
  const keeper = new Keeper({ records: jobs, clock: manual, onIdle: () => (isIdle = true) });
  await keeper.listen();
  t.teardown(() => keeper.close());
  const peer = await connectLocally(jobs.directory.keeperSocket);
  for (const job of ['slept', 'set'])
    await peer.call('start', { ...jobStart(jobs, job, STAYS), deadline_ms: manual.sinceBoot() + 60_000 });
  const [set] = jobsIn(data)
    .readAll()
    .processes.filter(({ record }) => record.job === 'set');
  if (set === undefined) throw new Error('it does not run');
  manual.step(365 * 86_400_000);
  manual.advance(1_000);
  t.ok(isAlive(identityOf(set.record)), 'a year on the wall is none');
  await peer.call('renew', { job: 'set', attempt: 1, deadline_ms: manual.sinceBoot() + 7_200_000 });
  manual.sleep(3_600_000);
  manual.advance(200);
  t.match(await endOf(data, 'slept'), { ended_by: 'deadline' });
  t.ok(isAlive(identityOf(set.record)));
  process.kill(set.record.process.pid, 'SIGKILL');
  await endOf(data, 'set');
  peer.close();
  await until('it has nothing to keep', () => isIdle);
});
