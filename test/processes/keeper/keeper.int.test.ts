/** The keeper as the process it is, with real processes that end in every way. */

import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { FileLock } from '../../../src/base/lock.js';
import { identifyProcess, isAlive } from '../../../src/base/process-identity.js';
import { LOG_EXISTS } from '../../../src/processes/keeper/keeper-messages.js';
import { endMarked, findMarked } from '../../../src/processes/process-family.js';
import { identityOf } from '../../../src/processes/records/process-record.js';
import { ofKind } from '../../support/events.js';
import { isLocked } from '../../support/is-locked.js';
import { processesOf } from '../../support/processes.js';
import { until } from '../../support/until.js';
import { wakingClock as clock } from '../../support/waking-clock.js';
import { JOBS, jobStart, jobsIn } from '../jobs.js';
import { endOf, keeperOf, linkTo, open, STAYS } from './kept.js';

t.test('a process has a record while it runs, and its exit code is written', async (t) => {
  const { data, link, ended } = await open(t);
  const script = `console.log('out'); console.error('err', process.argv.length, process.env.${JOBS.variable}); process.exitCode = 7;`;
  const start = jobStart(jobsIn(data), 'one', script);
  const record = await link.start(start);
  t.match(record, { job: 'one', argv: start.argv, started_time: Number });
  t.same(jobsIn(data).read(start), record);
  t.match(await endOf(data, 'one'), { exit_code: 7, exit_signal: null });
  await until('it is told', () => ended.length === 1);
  t.same(ended, [{ job: 'one', attempt: 1 }]);
  t.notOk(link.keeps(start));
  t.equal(readFileSync(start.log_path, 'utf8'), `out\nerr 1 ${jobsIn(data).pathOf(start)}\n`);
});

t.test('a signal is written as one, and the process leads a group of its own', async (t) => {
  const { data, link } = await open(t);
  const { process: leader } = await link.start(jobStart(jobsIn(data), 'one', STAYS));
  const [, , , , group, session] = readFileSync(`/proc/${leader.pid}/stat`, 'utf8').split(' ');
  t.same([group, session], [String(leader.pid), String(leader.pid)]);
  process.kill(-leader.pid, 'SIGINT');
  t.match(await endOf(data, 'one'), { exit_code: null, exit_signal: 'SIGINT' });
});

t.test('a program that is not there is refused, and leaves nothing', async (t) => {
  const { data, link } = await open(t);
  const start = { ...jobStart(jobsIn(data), 'one', ''), argv: ['/nowhere/process'] };
  await t.rejects(link.start(start), {
    kind: 'invalid',
    message: /\/nowhere\/process can't be started: .*ENOENT/,
  });
  t.notOk(existsSync(start.log_path));
  t.equal(jobsIn(data).read(start), undefined);
});

t.test('a program that can not be run at the moment is refused for now', async (t) => {
  const { data, link } = await open(t);
  const program = join(data, 'process');
  copyFileSync('/bin/true', program);
  const start = { ...jobStart(jobsIn(data), 'one', ''), argv: [program] };
  // The system runs no file that somebody writes to.
  const writer = openSync(program, 'r+');
  await t.rejects(link.start(start), { kind: 'refused', message: /ETXTBSY/ });
  t.notOk(existsSync(start.log_path));
  closeSync(writer);
  await link.start(start);
  t.match(await endOf(data, 'one'), { exit_code: 0 });
});

t.test('a log belongs to one process', async (t) => {
  const { data, link } = await open(t);
  const start = jobStart(jobsIn(data), 'one', '');
  writeFileSync(start.log_path, 'another');
  await t.rejects(link.start(start), { message: LOG_EXISTS });
  t.equal(readFileSync(start.log_path, 'utf8'), 'another');
});

t.test('a process whose record can not be written does not run', async (t) => {
  const { data, link } = await open(t);
  rmSync(jobsIn(data).directory.records, { recursive: true });
  writeFileSync(jobsIn(data).directory.records, 'in its place');
  const start = jobStart(jobsIn(data), 'one', STAYS);
  await t.rejects(link.start(start), { kind: 'refused', message: /ENOTDIR/ });
  await until('it is gone', () => findMarked(jobsIn(data).markOf(start)).length === 0);
  t.notOk(existsSync(start.log_path));
});

t.test('an end that can not be written now is written when it can', async (t) => {
  const { data, link, ended } = await open(t);
  const record = await link.start(jobStart(jobsIn(data), 'one', STAYS));
  renameSync(jobsIn(data).directory.records, join(data, 'elsewhere'));
  writeFileSync(jobsIn(data).directory.records, 'in its place');
  process.kill(record.process.pid, 'SIGKILL');
  await until('it is gone', () => !isAlive(identityOf(record)));
  await until('the keeper has noticed', () => readFileSync(join(data, 'keeper.log'), 'utf8').includes('one'));
  t.same(ended, []);
  rmSync(jobsIn(data).directory.records);
  renameSync(join(data, 'elsewhere'), jobsIn(data).directory.records);
  t.match(await endOf(data, 'one'), { exit_signal: 'SIGKILL' });
});

t.test('one that is not wanted any more before it is there ends at once', async (t) => {
  const data = t.testdir();
  const { link } = linkTo(data);
  const opening = link.open();
  await until('it is being started', () => processesOf(data).length > 0);
  await Promise.all([t.rejects(opening, ofKind('unavailable')), link.close()]);
  await until('it has ended', () => processesOf(data).length === 0, 5_000);
  t.notOk(existsSync(join(data, 'keeper.sock')), 'well before it would have given up by itself');
});

t.test('a lock that was deleted is taken anew', async (t) => {
  const { data } = await open(t);
  const { keeperLock } = jobsIn(data).directory;
  rmSync(keeperLock);
  await until('it is locked again', () => isLocked(keeperLock));
  t.equal(FileLock.take(keeperLock), undefined);
});

t.test('where another has the lock, what runs is kept to its end and nothing more is started', async (t) => {
  const kept = await open(t);
  const { data, link } = kept;
  const jobs = jobsIn(data);
  const record = await link.start(jobStart(jobs, 'one', STAYS));
  rmSync(jobs.directory.keeperLock);
  const other = FileLock.take(jobs.directory.keeperLock);
  t.ok(other, 'here and now, before the keeper has looked');
  const start = jobStart(jobs, 'two', STAYS);
  await until('the first one makes way', async () => {
    const refusal = await link.start({ ...start, argv: ['/nowhere'] }).catch(String);
    return /another keeper has this directory/.test(String(refusal));
  });
  t.ok(link.keeps(record));
  process.kill(record.process.pid, 'SIGKILL');
  t.match(await endOf(data, 'one'), { exit_signal: 'SIGKILL' });
  await until('its owner is left', () => kept.lost === 1);
  other?.release();
  await until('there is another keeper', () => link.connected);
});

t.test('it stays for its processes when the owner goes, and knows them when one comes', async (t) => {
  const data = t.testdir();
  const first = await open(t, data);
  const record = await first.link.start(jobStart(jobsIn(data), 'one', STAYS));
  await first.link.close();
  const second = await open(t, data);
  t.ok(second.link.keeps(record));
  const keeper = keeperOf(record.process.pid);
  process.kill(keeper, 'SIGTERM');
  process.kill(record.process.pid, 'SIGTERM');
  t.match(await endOf(data, 'one'), { exit_signal: 'SIGTERM' }, 'also when it is told to end itself');
  await until('the new one is told', () => second.ended.length === 1);
});

t.test('killed, it is missed and replaced, and its process goes on', async (t) => {
  const kept = await open(t);
  const { data, link } = kept;
  const record = await link.start(jobStart(jobsIn(data), 'one', STAYS));
  process.kill(keeperOf(record.process.pid), 'SIGKILL');
  await until('it is missed', () => kept.lost === 1);
  t.notOk(link.keeps(record));
  t.ok(isAlive(identityOf(record)));
  await until('there is another', () => link.connected);
  await link.start(jobStart(jobsIn(data), 'two', ''));
  t.match(await endOf(data, 'two'), { exit_code: 0 });
  await endMarked(jobsIn(data).markOf(record), clock, new AbortController().signal);
  t.equal(identifyProcess(record.process.pid), undefined, 'nor is the orphan left');
});

t.test('in a directory so deep that its name is longer than a socket address may be', async (t) => {
  const data = join(t.testdir(), ...Array.from({ length: 8 }, () => 'a-rather-long-name'));
  const { link } = await open(t, data);
  await link.start(jobStart(jobsIn(data), 'one', ''));
  t.match(await endOf(data, 'one'), { exit_code: 0 });
});
