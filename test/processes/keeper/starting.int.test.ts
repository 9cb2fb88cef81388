/** What a process gets to see and what is written down of it; and what a keeper starts that syncs nothing. */

import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import t from 'tap';
import { KeeperLink } from '../../../src/processes/keeper/keeper-link.js';
import { ownEnvironment } from '../../support/own-environment.js';
import { until } from '../../support/until.js';
import { wakingClock as clock } from '../../support/waking-clock.js';
import { type JobKey, jobStart, makeJobs, QUICK_JOBS } from '../jobs.js';
import { endOf, open, STAYS, untilNoKeeper } from './kept.js';

const TELL = 'console.log(JSON.stringify({ cwd: process.cwd(), env: process.env }))';

t.test('it works where it is told to, and sees what it is given and its mark', async (t) => {
  const { data, jobs, link } = await open(t);
  const cwd = join(data, 'work');
  mkdirSync(cwd);
  const environment = { PASSWORD: 'secret-value', LANG: 'C' };
  const start = { ...jobStart(jobs, 'one', TELL), cwd, environment };
  const record = await link.start(start);
  await endOf(data, 'one');
  const seen = JSON.parse(readFileSync(start.log_path, 'utf8'));
  seen.env = ownEnvironment(seen.env);
  t.strictSame(seen, { cwd: realpathSync(cwd), env: { ...environment, OWL_TEST_JOB: jobs.pathOf(start) } });
  t.match(record, { cwd, variables: ['PASSWORD', 'LANG'] });
  t.notMatch(readFileSync(jobs.pathOf(start), 'utf8'), /secret-value/, 'no value lies on a disk');
});

t.test('without a word it works in the directory, with what every process has', async (t) => {
  const { data, jobs, link } = await open(t);
  const start = jobStart(jobs, 'one', TELL);
  const record = await link.start(start);
  await endOf(data, 'one');
  const { cwd, env } = JSON.parse(readFileSync(start.log_path, 'utf8'));
  t.equal(cwd, realpathSync(data));
  t.strictSame(
    Object.keys(ownEnvironment(env)).filter((name) => !['PATH', 'HOME', 'LANG', 'TZ'].includes(name)),
    ['OWL_TEST_JOB'],
  );
  t.strictSame([record.cwd, record.variables, record.error_log_path], [undefined, undefined, undefined]);
});

t.test('stderr has a log of its own where that is asked for', async (t) => {
  const { data, jobs, link } = await open(t);
  const start = {
    ...jobStart(jobs, 'one', "console.log('out'); console.error('err')"),
    error_log_path: join(jobs.directory.logs, 'one.1.err'),
  };
  t.match(await link.start(start), { error_log_path: start.error_log_path });
  await endOf(data, 'one');
  t.equal(readFileSync(start.log_path, 'utf8'), 'out\n');
  t.equal(readFileSync(start.error_log_path, 'utf8'), 'err\n');

  const again = { ...start, job: 'two', log_path: join(jobs.directory.logs, 'two.1.log') };
  await t.rejects(link.start(again), { kind: 'refused', message: 'the log exists already' });
  t.notOk(existsSync(again.log_path), 'nothing of it is left');
  t.equal(readFileSync(start.error_log_path, 'utf8'), 'err\n', 'and what is another’s stays');
});

t.test('a working directory that is not there is named', async (t) => {
  const { data, jobs, link } = await open(t);
  const start = { ...jobStart(jobs, 'one', ''), cwd: join(data, 'nowhere') };
  await t.rejects(link.start(start), {
    kind: 'invalid',
    message: /working directory .*nowhere is no directory/,
  });
  t.notOk(existsSync(start.log_path));
});

t.test('one key has one process, also when its log was taken away', async (t) => {
  const { data, jobs, link } = await open(t);
  const start = jobStart(jobs, 'one', STAYS);
  const record = await link.start(start);
  rmSync(start.log_path);
  await t.rejects(link.start(start), { kind: 'refused', message: 'job one.1 is kept already' });
  t.same(jobs.read(start), record);
  t.ok(link.keeps(start), 'which is known still');
  const other = { ...jobStart(jobs, 'two', STAYS), log_path: join(jobs.directory.logs, 'elsewhere') };
  const both = await Promise.allSettled([link.start(jobStart(jobs, 'two', '')), link.start(other)]);
  t.strictSame(
    both.map(({ status }) => status),
    ['fulfilled', 'rejected'],
    'also at the same moment',
  );
  t.notOk(existsSync(other.log_path));
  await endOf(data, 'two');
  process.kill(record.process.pid, 'SIGKILL');
  t.match(await endOf(data, 'one'), { exit_signal: 'SIGKILL' });
});

t.test('what has no key, or lacks a field of its owner, is started by nobody', async (t) => {
  const { jobs, link } = await open(t);
  const start = jobStart(jobs, 'one', '');
  Reflect.deleteProperty(start, 'note');
  await t.rejects(link.start(start), { kind: 'refused', message: /knows no call start like this/ });
  for (const wrong of [{ cwd: 'relative' }, { grace_ms: -1 }, { environment: { A: 1 } }]) {
    const faulty = Object.assign(jobStart(jobs, 'one', ''), wrong);
    await t.rejects(link.start(faulty), { message: /knows no call start like this/ }, JSON.stringify(wrong));
  }
  t.same(jobs.readAll(), { processes: [], problems: [] });
});

t.test('many short ones at once have a record and an end each, though no file can be synced', async (t) => {
  const { NODE_OPTIONS: before = '' } = process.env;
  process.env['NODE_OPTIONS'] = `${before} --import ${fileURLToPath(new URL('no-sync.js', import.meta.url))}`;
  t.teardown(() => {
    process.env['NODE_OPTIONS'] = before;
  });
  const data = t.testdir();
  const jobs = makeJobs(data, QUICK_JOBS);
  const ended: JobKey[] = [];
  const link = new KeeperLink({
    ...{ records: jobs, clock, logger: pino({ level: 'silent' }) },
    main: fileURLToPath(new URL('../quick-job-keeper-main.js', import.meta.url)),
  });
  await link.open({
    onEnded: (key) => ended.push(key),
    onUnwritten: () => t.fail('an end was not written'),
    onLost: () => t.fail('the keeper is gone'),
  });
  const names = Array.from({ length: 60 }, (_, n) => `job-${n}`);
  await Promise.all(
    names.map((job) => link.start({ ...jobStart(jobs, job, ''), argv: ['/bin/sh', '-c', 'exit 3'] })),
  );
  await until('all have ended', () => ended.length === names.length);
  t.same(ended.map(({ job }) => job).sort(), [...names].sort());
  const { processes, problems } = jobs.readAll();
  t.same(problems, []);
  t.same(
    processes.map(({ record, end }) => [record.job, end?.exit_code]).sort(),
    names.map((job) => [job, 3]).sort(),
  );
  await link.close();
  await untilNoKeeper(data);
});
