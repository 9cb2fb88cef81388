/** No grace, however long and whatever it is for, goes beyond the time at which a process is to be killed. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { isAlive } from '../../../src/base/process-identity.js';
import { Keeper } from '../../../src/processes/keeper/keeper.js';
import { connectLocally } from '../../../src/processes/local-calls.js';
import { findMarked } from '../../../src/processes/process-family.js';
import { identityOf } from '../../../src/processes/records/process-record.js';
import { ManualClock } from '../../support/manual-clock.js';
import { until } from '../../support/until.js';
import { wakingClock as clock } from '../../support/waking-clock.js';
import { jobStart, makeJobs } from '../jobs.js';
import { endOf, keeperOf, open } from './kept.js';

const HOUR_MS = 3_600_000;

const PRINTED = 1_000;
/** Hears SIGTERM and stays. */
const DEAF = `
  process.on('SIGTERM', () => console.log('heard'));
  setInterval(() => {}, 1000);
  console.log('up'.padEnd(${PRINTED}));`;

/** A keeper in this process, on a clock that the test moves, with one job that hears and stays. */
async function withOne(t: Test, more: object) {
  const jobs = makeJobs(t.testdir());
  const manual = new ManualClock();
  const keeper = new Keeper({ records: jobs, clock: manual, onIdle: () => undefined });
  await keeper.listen();
  const peer = await connectLocally(jobs.directory.keeperSocket);
  const start = { ...jobStart(jobs, 'one', DEAF), grace_ms: 24 * HOUR_MS, ...more };
  t.teardown(async () => {
    for (const { pid } of findMarked(jobs.markOf(start))) process.kill(pid, 'SIGKILL');
    peer.close();
    await keeper.close();
  });
  const from = manual.sinceBoot();
  const late = {
    ...start,
    job: 'late',
    log_path: jobs.logPathOf({ job: 'late', attempt: 1 }),
    start_by_ms: from,
  };
  await t.rejects(peer.call('start', late), { message: 'too late: late.1 was to be started 0 ms ago' });
  await peer.call('start', { ...start, deadline_ms: from + 60_000, kill_at_ms: from + 90_000 });
  const log = (): string => readFileSync(start.log_path, 'utf8');
  await until('it is up', () => log().includes('up'));
  const record = jobs.read(start);
  if (record === undefined) throw new Error('it does not run');
  return {
    ...{ manual, log, identity: identityOf(record) },
    renew: (deadlineMs: number, killMs: number) =>
      peer.call('renew', {
        ...{ job: 'one', attempt: 1 },
        ...{ deadline_ms: from + deadlineMs, kill_at_ms: from + killMs },
      }),
    end: () => endOf(jobs.directory.path, 'one'),
  };
}

t.test('one that hears its deadline and stays is killed then, however long its grace is', async (t) => {
  const { manual, log, identity, end } = await withOne(t, {});
  manual.advance(60_000);
  await until('it has heard', () => log().includes('heard'));
  manual.advance(29_000);
  t.ok(isAlive(identity), 'it has its time');
  manual.advance(1_200);
  t.match(await end(), { exit_signal: 'SIGKILL', ended_by: 'deadline' });
});

t.test('in the middle of a grace for another reason too, unless its owner moves that time', async (t) => {
  const { manual, log, identity, renew, end } = await withOne(t, { log_limit_bytes: PRINTED - 1 });
  manual.advance(2_000);
  await until('it has heard', () => log().includes('heard'));
  await t.rejects(renew(160_000, 190_000), { kind: 'refused', message: /is being ended/ });
  manual.advance(187_000);
  t.ok(isAlive(identity), 'nobody may begin it before');
  manual.advance(1_200);
  t.match(await end(), { exit_signal: 'SIGKILL', ended_by: 'log_limit' });
});

t.test('a keeper that follows holds to it, as it was moved last', async (t) => {
  const { data, jobs, link } = await open(t);
  const start = { ...jobStart(jobs, 'one', DEAF), grace_ms: 24 * HOUR_MS };
  const later = clock.sinceBoot() + HOUR_MS;
  const { process: leader } = await link.start({ ...start, deadline_ms: later, kill_at_ms: later });
  await until('it is up', () => readFileSync(start.log_path, 'utf8').includes('up'));
  const { keeperDeadlines } = jobs.directory;
  await link.renew(start, later + HOUR_MS, later + 2 * HOUR_MS);
  await until('it is written down', () => existsSync(keeperDeadlines));
  const written: unknown = JSON.parse(readFileSync(keeperDeadlines, 'utf8'));
  t.match(written, { deadlines: { 'one.1': later + HOUR_MS }, kills: { 'one.1': later + 2 * HOUR_MS } });
  const now = clock.sinceBoot();
  const moved = { boot_id: leader.boot_id, deadlines: { 'one.1': now }, kills: { 'one.1': now + 1_000 } };
  writeFileSync(keeperDeadlines, JSON.stringify(moved));
  process.kill(keeperOf(leader.pid), 'SIGKILL');
  t.match(await endOf(data, 'one'), { exit_code: null, ended_by: 'deadline' });
  t.match(readFileSync(start.log_path, 'utf8'), /heard/, 'it was asked first');
  t.same(findMarked(jobs.markOf(start)), []);
});
