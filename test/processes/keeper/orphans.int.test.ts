/** A keeper that is killed, with its owner or alone: another follows it, which holds to the deadlines of what runs. */

import { existsSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { findMarked } from '../../../src/processes/process-family.js';
import { until } from '../../support/until.js';
import { wakingClock as clock } from '../../support/waking-clock.js';
import { jobStart, jobsIn, makeJobs } from '../jobs.js';
import { endOf, keeperOf, open, STAYS, startOwner, untilNoKeeper } from './kept.js';

const HOUR_MS = 3_600_000;

/** One that leaves a child behind, which has left session and parent. */
const LEAVES = `
  require('node:child_process').spawn('setsid', ['--fork', 'sleep', '1000'], { stdio: 'ignore' }).once('exit', () => {
    console.log('left'); setInterval(() => {}, 1000);
  });`;

function recordOf(data: string, job: string) {
  const record = jobsIn(data).read({ job, attempt: 1 });
  if (record === undefined) throw new Error(`${job} has no record`);
  return record;
}

t.test(
  'keeper and owner killed at one moment: what runs ends at its deadline, with all it started',
  async (t) => {
    const data = t.testdir();
    const jobs = makeJobs(data);
    const [late, free] = [jobStart(jobs, 'late', LEAVES), jobStart(jobs, 'free', STAYS)];
    const owner = await startOwner(t, data, [{ ...late, deadline_in_ms: HOUR_MS }, free]);
    const record = recordOf(data, 'late');
    const keeper = keeperOf(record.process.pid);
    t.teardown(() => {
      for (const { pid } of [late, free].flatMap((start) => findMarked(jobs.markOf(start))))
        process.kill(pid, 'SIGKILL');
    });
    await until('both of it run', () => findMarked(jobs.markOf(late)).length >= 2);
    // As a keeper writes down what was moved.
    const moved = { boot_id: record.process.boot_id, deadlines: { 'late.1': clock.sinceBoot() } };
    writeFileSync(jobs.directory.keeperDeadlines, JSON.stringify(moved));
    process.kill(keeper, 'SIGKILL');
    owner.kill('SIGKILL');
    t.match(await endOf(data, 'late'), { exit_code: null, ended_by: 'deadline', reason: /its deadline/ });
    t.same(findMarked(jobs.markOf(late)), []);
    t.ok(findMarked(jobs.markOf(free)).length > 0, 'one without a deadline goes on');
    await untilNoKeeper(data);
  },
);

t.test(
  'a deadline that is moved is that of the keeper that follows, however often one is killed',
  async (t) => {
    const kept = await open(t);
    const { data, jobs, link } = kept;
    const start = { ...jobStart(jobs, 'one', STAYS), deadline_ms: clock.sinceBoot() + HOUR_MS };
    const { process: leader } = await link.start(start);
    const { keeperDeadlines } = jobs.directory;
    await link.renew(start, clock.sinceBoot() + 2 * HOUR_MS);
    await until('it is written down', () => existsSync(keeperDeadlines));
    process.kill(keeperOf(leader.pid), 'SIGKILL');
    await until('another is there', () => kept.lost > 0 && link.connected);
    t.notOk(link.keeps(start), 'it sees no exit code of it');
    await until('it moves deadlines', async () => {
      try {
        await link.renew(start, clock.sinceBoot() + HOUR_MS);
        return true;
      } catch {
        return false;
      }
    });
    await t.rejects(link.start(start), { kind: 'refused', message: /is kept already/ });
    await link.renew(start, clock.sinceBoot() + 300);
    t.match(await endOf(data, 'one'), { ended_by: 'deadline' });
    await t.rejects(link.renew(start, clock.sinceBoot() + HOUR_MS), /too late/);
  },
);

t.test('one that its owner has settled, or that has ended, keeps no keeper', async (t) => {
  const data = t.testdir();
  const jobs = makeJobs(data);
  const starts = ['ends', 'settled'].map((job) => ({
    ...jobStart(jobs, job, STAYS),
    deadline_in_ms: HOUR_MS,
  }));
  const owner = await startOwner(t, data, starts);
  const [ends, settled] = ['ends', 'settled'].map((job) => recordOf(data, job));
  if (ends === undefined || settled === undefined) throw new Error('they do not run');
  t.teardown(() => process.kill(-settled.process.pid, 'SIGKILL'));
  process.kill(keeperOf(ends.process.pid), 'SIGKILL');
  owner.kill('SIGKILL');
  process.kill(-ends.process.pid, 'SIGKILL');
  jobs.remove(settled);
  await untilNoKeeper(data);
  t.equal(jobs.readEnd(ends), null, 'nobody has seen how it ended');
});
