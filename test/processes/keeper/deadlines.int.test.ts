/** Deadlines that the keeper enforces, whoever is frozen or dead, with real processes. */

import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { messageOf } from '../../../src/base/errors.js';
import { isAlive, type ProcessIdentity } from '../../../src/base/process-identity.js';
import { Keeper } from '../../../src/processes/keeper/keeper.js';
import { connectLocally } from '../../../src/processes/local-calls.js';
import { findMarked, signalGroup } from '../../../src/processes/process-family.js';
import { readProcesses } from '../../../src/processes/process-table.js';
import { identityOf } from '../../../src/processes/records/process-record.js';
import { ManualClock } from '../../support/manual-clock.js';
import { until } from '../../support/until.js';
import { wakingClock as clock } from '../../support/waking-clock.js';
import { type JobStart, jobStart, makeJobs } from '../jobs.js';
import { endOf, type Kept, keeperOf, open, STAYS, startOwner, untilNoKeeper } from './kept.js';

/** Hears SIGTERM and stays, with a child that has left session and environment. */
const STUBBORN = `
  process.on('SIGTERM', () => console.log('heard'));
  require('node:child_process').spawn('setsid', ['--wait', 'env', '-i', 'sleep', '1000'], { stdio: 'ignore' });
  setInterval(() => {}, 1000);
  console.log('up');`;

const HOUR_MS = 3_600_000;

/** Moves a deadline to so soon from now that it is worth waiting for it. @returns the deadline */
async function renewSoon({ link }: Kept, start: JobStart, soonMs: number): Promise<number> {
  for (;;) {
    const deadline = clock.sinceBoot() + soonMs;
    try {
      await link.renew(start, deadline);
      return deadline;
    } catch (error) {
      // On a machine that stood still meanwhile.
      if (!messageOf(error).includes('the new deadline')) throw error;
    }
  }
}

function logOf(start: JobStart): string {
  return readFileSync(start.log_path, 'utf8');
}

t.test('it ends at its deadline, and its end says so', async (t) => {
  const kept = await open(t);
  const start = { ...jobStart(kept.jobs, 'one', STAYS), deadline_ms: clock.sinceBoot() + HOUR_MS };
  await kept.link.start(start);
  const deadline = await renewSoon(kept, start, 300);
  t.match(await endOf(kept.data, 'one'), { exit_code: null, exit_signal: 'SIGTERM', ended_by: 'deadline' });
  t.ok(clock.sinceBoot() >= deadline);
});

t.test('one that does not hear is killed after its grace, and what it has started goes too', async (t) => {
  const kept = await open(t);
  const { data, jobs, link } = kept;
  const start = {
    ...jobStart(jobs, 'one', STUBBORN),
    ...{ deadline_ms: clock.sinceBoot() + HOUR_MS, grace_ms: 300 },
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
  await renewSoon(kept, start, 100);
  t.match(await endOf(data, 'one'), { exit_signal: 'SIGKILL', ended_by: 'deadline' });
  t.match(logOf(start), /heard/, 'it was asked first, and woken up for that');
  t.same(findMarked(jobs.markOf(start)), []);
  t.notOk(isAlive(stray), 'not even who has left session and environment');
});

t.test('a keeper that was frozen looks at the clock before it hears a renewal', async (t) => {
  const kept = await open(t);
  const { data, jobs, link } = kept;
  const start = { ...jobStart(jobs, 'one', STAYS), deadline_ms: clock.sinceBoot() + HOUR_MS };
  const record = await link.start(start);
  const keeper = keeperOf(record.process.pid);
  const deadline = await renewSoon(kept, start, 2_000);
  process.kill(keeper, 'SIGSTOP');
  // In time for the owner, but nobody reads it.
  const renewing = t.rejects(link.renew(start, deadline + HOUR_MS), {
    kind: 'refused',
    message: 'too late: one.1 is being ended',
  });
  await until('the deadline has passed', () => clock.sinceBoot() > deadline);
  t.ok(isAlive(identityOf(record)), 'nobody could end it');
  process.kill(keeper, 'SIGCONT');
  await renewing;
  t.match(await endOf(data, 'one'), { ended_by: 'deadline' });
});

for (const [what, signal] of [
  ['is frozen', 'SIGSTOP'],
  ['is dead', 'SIGKILL'],
] as const) {
  t.test(`it holds while the owner ${what}`, async (t) => {
    const data = t.testdir();
    const jobs = makeJobs(data);
    const starts = ['one', 'two'].map((job) => jobStart(jobs, job, STAYS));
    const owner = await startOwner(
      t,
      data,
      starts.map((start) => (start.job === 'one' ? { ...start, deadline_in_ms: 2_000 } : start)),
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

/** A keeper in this process, on a clock that the test moves, and what it is asked. */
async function onManualClock(t: Test) {
  const jobs = makeJobs(t.testdir());
  const manual = new ManualClock();
  const started: ProcessIdentity[] = [];
  const keeper = new Keeper({ records: jobs, clock: manual, onIdle: () => undefined });
  await keeper.listen();
  const peer = await connectLocally(jobs.directory.keeperSocket);
  t.teardown(async () => {
    for (const identity of started) signalGroup(identity, 'SIGKILL');
    peer.close();
    await keeper.close();
  });
  return {
    manual,
    start: async (job: string, afterMs?: number) => {
      const deadline = afterMs === undefined ? {} : { deadline_ms: manual.sinceBoot() + afterMs };
      await peer.call('start', { ...jobStart(jobs, job, STAYS), ...deadline });
      const record = jobs.read({ job, attempt: 1 });
      if (record === undefined) throw new Error('it does not run');
      started.push(identityOf(record));
      return identityOf(record);
    },
    renew: (job: string, afterMs: number) =>
      peer.call('renew', { job, attempt: 1, deadline_ms: manual.sinceBoot() + afterMs }),
    endOf: (job: string) => endOf(jobs.directory.path, job),
    hasRecord: (job: string) => jobs.read({ job, attempt: 1 }) !== undefined,
  };
}

t.test('a renewal moves it, one that comes too late is refused', async (t) => {
  const { manual, start, renew, endOf } = await onManualClock(t);
  const one = await start('one', 1_000);
  manual.advance(900);
  await renew('one', 10_000);
  manual.advance(9_000);
  t.ok(isAlive(one));
  await t.rejects(renew('one', -5), {
    kind: 'refused',
    message: 'the new deadline of one.1 passed 5 ms ago',
  });
  manual.advance(800);
  t.ok(isAlive(one), 'what was refused has changed nothing');
  manual.advance(400);
  await t.rejects(renew('one', 10_000), {
    kind: 'refused',
    message: /too late: one\.1 (is being ended|has ended|does not run here any more)/,
  });
  t.match(await endOf('one'), { ended_by: 'deadline' });
  await t.rejects(renew('one', 10_000), { message: 'too late: one.1 does not run here any more' });
});

t.test('where there is none, there is none to renew, and one that has passed starts nothing', async (t) => {
  const { start, renew, hasRecord } = await onManualClock(t);
  const one = await start('one');
  await t.rejects(renew('one', 1_000), {
    kind: 'refused',
    message: 'one.1 was started without a deadline',
  });
  t.ok(isAlive(one));
  await t.rejects(start('two', 0), {
    kind: 'refused',
    message: 'too late: the deadline of two.1 passed 0 ms ago',
  });
  t.notOk(hasRecord('two'));
});

t.test('the time that the machine sleeps counts, and no setting of the clock does', async (t) => {
  const { manual, start, renew, endOf } = await onManualClock(t);
  await start('slept', 60_000);
  const set = await start('set', 60_000);
  manual.step(365 * 24 * HOUR_MS);
  manual.advance(1_000);
  t.ok(isAlive(set), 'a year on the wall is none');
  await renew('set', 2 * HOUR_MS);
  manual.sleep(HOUR_MS);
  manual.advance(200);
  t.match(await endOf('slept'), { ended_by: 'deadline' });
  t.ok(isAlive(set));
});

t.test('how long it ran counts sleep, and no step of the wall clock', async (t) => {
  const { manual, start, endOf: endOfJob } = await onManualClock(t);
  const leader = await start('one');
  manual.advance(5_000);
  manual.step(-3_600_000);
  manual.sleep(60_000);
  manual.step(7_200_000);
  signalGroup(leader, 'SIGKILL');
  t.match(await endOfJob('one'), { exit_signal: 'SIGKILL', ran_seconds: 65 });
});
