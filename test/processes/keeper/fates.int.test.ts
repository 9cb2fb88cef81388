/** What becomes of processes when their owner goes, when they print too much, and what they took of the machine. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, statSync, symlinkSync } from 'node:fs';
import t from 'tap';
import { identifyChild, isAlive } from '../../../src/base/process-identity.js';
import { findCgroupPlace } from '../../../src/processes/cgroup.js';
import { Child } from '../../../src/processes/keeper/child.js';
import { UsageSamples } from '../../../src/processes/keeper/usage-samples.js';
import type { LocalPeer } from '../../../src/processes/local-calls.js';
import { identityOf } from '../../../src/processes/records/process-record.js';
import { until } from '../../support/until.js';
import { wakingClock as clock } from '../../support/waking-clock.js';
import { jobStart, jobsIn, makeJobs } from '../jobs.js';
import { endOf, open, STAYS, startOwner, untilNoKeeper } from './kept.js';

t.test('one that shares its owner’s end goes with it, one that outlives it stays', async (t) => {
  const data = t.testdir();
  const jobs = makeJobs(data);
  const owner = await startOwner(t, data, [
    { ...jobStart(jobs, 'shares', STAYS), fate: 'share' },
    { ...jobStart(jobs, 'waits', STAYS), fate: 'share', share_after_ms: 400 },
    { ...jobStart(jobs, 'outlives', STAYS), fate: 'outlive' },
  ]);
  const kept = await open(t, data);
  owner.kill('SIGKILL');
  t.match(await endOf(data, 'shares'), { exit_signal: 'SIGTERM', ended_by: 'owner_gone' });
  const waited = await endOf(data, 'waits');
  t.match(waited, { ended_by: 'owner_gone' });
  const shared = jobs.readEnd({ job: 'shares', attempt: 1 });
  t.ok((waited?.ended_time ?? 0) > (shared?.ended_time ?? 0), 'later, as it was told');
  const record = jobsIn(data).read({ job: 'outlives', attempt: 1 });
  if (record === undefined) throw new Error('it has no record');
  t.ok(isAlive(identityOf(record)));
  t.ok(kept.link.keeps(record), 'and the next owner has it');
  process.kill(record.process.pid, 'SIGTERM');
  t.match(await endOf(data, 'outlives'), { exit_signal: 'SIGTERM', ended_by: undefined });
});

t.test('one that was started for an owner who is gone by then ends too', async (t) => {
  const data = t.testdir();
  const jobs = makeJobs(data);
  const first = await open(t, data);
  const second = await open(t, data);
  const start = { ...jobStart(jobs, 'late', STAYS), fate: 'share' as const };
  const starting = second.link.start(start).catch(() => undefined);
  await second.link.close();
  await starting;
  // The call may never have arrived.
  await until(
    'it has ended, if it was started',
    () => jobs.read(start) === undefined || jobs.readEnd(start) !== null,
  );
  t.ok(first.link.connected);
  await first.link.close();
  await untilNoKeeper(data);
});

const PRINT = "require('node:fs').writeSync(1, ('x'.repeat(1023) + '\\n').repeat(600))";

t.test('one that prints too much is ended, and its end says so', async (t) => {
  const { data, jobs, link } = await open(t);
  const start = { ...jobStart(jobs, 'one', `${PRINT}; ${STAYS}`), log_limit_bytes: 500_000 };
  await link.start(start);
  t.match(await endOf(data, 'one'), { exit_signal: 'SIGTERM', ended_by: 'log_limit' });
  t.ok(statSync(start.log_path).size > 500_000, 'what it has printed stays as it is');
});

t.test('and one that prints on all the same is killed at twice as much, whatever its grace', async (t) => {
  const { data, jobs, link } = await open(t);
  const deaf = `process.on('SIGTERM', () => {}); setInterval(() => ${PRINT}, 20)`;
  await link.start({ ...jobStart(jobs, 'one', deaf), log_limit_bytes: 500_000, grace_ms: 3_600_000 });
  t.match(await endOf(data, 'one'), { exit_signal: 'SIGKILL', ended_by: 'log_limit' });
});

t.test('a log that can not be looked at keeps no other from its limit', async (t) => {
  const { data, jobs, link } = await open(t);
  const odd = { ...jobStart(jobs, 'odd', STAYS), log_limit_bytes: 1 };
  const { process: leader } = await link.start(odd);
  rmSync(odd.log_path);
  symlinkSync(odd.log_path, odd.log_path);
  await link.start({ ...jobStart(jobs, 'one', `${PRINT}; ${STAYS}`), log_limit_bytes: 500_000 });
  t.match(await endOf(data, 'one'), { ended_by: 'log_limit' });
  process.kill(leader.pid, 'SIGTERM');
  t.match(await endOf(data, 'odd'), { exit_signal: 'SIGTERM', ended_by: undefined });
});

/** Uses the processor for 0.6 s, in itself and in a child. */
const BUSY = `
  const burn = "const end = process.cpuUsage().user + 3e5; while (process.cpuUsage().user < end) for (let n = 0; n < 1e6; n += 1);";
  require('node:child_process').spawnSync(process.execPath, ['-e', burn]);
  eval(burn);`;

t.test('its end says what it took, and from where that is known', async (t) => {
  const { data, jobs, link } = await open(t);
  await link.start({ ...jobStart(jobs, 'one', BUSY), measured: true });
  await link.start(jobStart(jobs, 'two', ''));
  const end = await endOf(data, 'one');
  const hasCgroup = findCgroupPlace().directory !== undefined;
  t.match(end, { exit_code: 0, usage: { cpu_from: hasCgroup ? /cgroup|sample/ : 'sample' } });
  const { cpu_seconds = 0 } = end?.usage ?? {};
  // A sample may be a second old, and a child may be started before there is a cgroup.
  t.ok(cpu_seconds >= (hasCgroup ? 0.25 : 0), `it took ${cpu_seconds} s`);
  t.equal((await endOf(data, 'two'))?.usage, undefined, 'of one that nobody measures nothing is said');
});

t.test('without a cgroup it is what was seen last, of all that it has started', async (t) => {
  const leader = spawn(
    process.execPath,
    ['-e', `${BUSY} process.send('done'); setInterval(() => {}, 1000)`],
    {
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    },
  );
  const identity = identifyChild(leader.pid ?? 0);
  if (identity === undefined) throw new Error('it does not run');
  const jobs = jobsIn(t.testdir());
  const start = { ...jobStart(jobs, 'one', ''), measured: true };
  const owner: LocalPeer = {
    ...{ call: async () => undefined, tell: () => undefined, close: () => undefined },
    closed: new Promise(() => undefined),
  };
  const child = new Child({
    ...{ key: start, name: 'one.1', start, mark: jobs.markOf(start), cgroup: undefined, owner, clock },
    launched: { process: leader, identity },
  });
  const samples = new UsageSamples();
  t.equal(samples.of(child), undefined, 'before the first sample nothing is known');
  await once(leader, 'message');
  samples.take([child]);
  leader.kill('SIGKILL');
  await once(leader, 'exit');
  await child.noteExit();
  const usage = samples.of(child);
  t.match(usage, { cpu_from: 'sample', memory_from: 'sample' });
  t.ok((usage?.cpu_seconds ?? 0) > 0.5, 'with the child that it has waited for');
  t.ok((usage?.memory_bytes ?? 0) > 10_000_000);
  samples.take([child]);
  t.same(samples.of(child), usage, 'one that has ended is not looked at');
});
