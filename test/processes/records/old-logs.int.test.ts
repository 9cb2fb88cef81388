/** Which logs go in time, and which never do. Real files, made to look old. */

import { mkdirSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { removeOldLogs } from '../../../src/processes/records/old-logs.js';
import { logLines } from '../../support/log-lines.js';
import { ManualClock } from '../../support/manual-clock.js';
import { until } from '../../support/until.js';
import { type JobKey, jobRecord, jobsIn, makeJobs } from '../jobs.js';

const DAY_MS = 86_400_000;

function tidying(t: Test, keepDays = 30) {
  const data = t.testdir();
  const records = makeJobs(data);
  const clock = new ManualClock();
  const log = logLines();
  const ending = new AbortController();
  const touch = (path: string, days: number) => {
    const time = (clock.now() - days * DAY_MS) / 1000;
    utimesSync(path, time, time);
  };
  return {
    data,
    clock,
    log,
    write: (key: JobKey, days: number) => {
      writeFileSync(jobsIn(data).logPathOf(key), 'a line\n');
      touch(jobsIn(data).logPathOf(key), days);
    },
    touch,
    logs: () => readdirSync(jobsIn(data).directory.logs).sort(),
    run: () => {
      const running = removeOldLogs({ records, keepDays, clock, logger: log.logger, signal: ending.signal });
      t.teardown(async () => {
        ending.abort();
        await running;
      });
    },
  };
}

t.test('logs go when they are old and their jobs are settled', async (t) => {
  const { data, clock, log, write, touch, logs, run } = tidying(t);
  write({ job: 'old', attempt: 1 }, 31);
  write({ job: 'old', attempt: 2 }, 29);
  write({ job: 'suspended', attempt: 1 }, 400);
  jobsIn(data).write({
    ...jobRecord('suspended'),
    log_path: jobsIn(data).logPathOf({ job: 'suspended', attempt: 1 }),
  });
  mkdirSync(join(jobsIn(data).directory.logs, 'directory.1.log'));
  writeFileSync(join(jobsIn(data).directory.logs, 'notes.txt'), 'somebody keeps them here');
  for (const name of ['directory.1.log', 'notes.txt']) touch(join(jobsIn(data).directory.logs, name), 400);
  run();
  await until('the first look is over', () => log.messages('info').length === 1);
  t.same(logs(), ['directory.1.log', 'notes.txt', 'old.2.log', 'suspended.1.log']);

  clock.advance(DAY_MS);
  await until('the second is', () => log.messages('info').length === 2);
  t.same(logs(), ['directory.1.log', 'notes.txt', 'suspended.1.log'], 'and every day again');
});

t.test('0 days keeps them for ever', async (t) => {
  const { data, clock, log, write, logs } = tidying(t);
  write({ job: 'old', attempt: 1 }, 4000);
  const { signal } = new AbortController();
  await removeOldLogs({ records: jobsIn(data), keepDays: 0, clock, logger: log.logger, signal });
  t.same(logs(), ['old.1.log']);
});

t.test('none goes while a record can not be read: it may be its log', async (t) => {
  const { data, clock, log, write, logs, run } = tidying(t);
  write({ job: 'torn', attempt: 1 }, 400);
  const torn = jobsIn(data).pathOf({ job: 'torn', attempt: 1 });
  writeFileSync(torn, '{"job":');
  run();
  await until('it is told', () => log.messages('warn').length === 1);
  t.match(log.entries('warn'), [
    { reason: /which logs are still needed is not known: .*torn\.1\.json is no JSON/ },
  ]);
  t.same(logs(), ['torn.1.log']);
  rmSync(torn);
  clock.advance(DAY_MS);
  await until('it is removed', () => logs().length === 0);
});

t.test('what can not be removed is told, and the next day is another', async (t) => {
  const { data, clock, log, write, logs, run } = tidying(t);
  rmSync(jobsIn(data).directory.logs, { recursive: true });
  symlinkSync('/nowhere/at/all', jobsIn(data).directory.logs);
  run();
  await until('it is told', () => log.messages('warn').length === 1);
  rmSync(jobsIn(data).directory.logs);
  mkdirSync(jobsIn(data).directory.logs);
  write({ job: 'old', attempt: 1 }, 40);
  clock.advance(DAY_MS);
  await until('it is removed', () => logs().length === 0);
});
