/** Records on a real disk. */

import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readdirSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { KeptRecord } from '../../../src/processes/records/kept-record.js';
import { jobRecord, jobsIn, makeJobs, QUICK_JOBS } from '../jobs.js';

function prepare(t: Test): string {
  const data = t.testdir();
  makeJobs(data);
  return data;
}

t.test('what was written is read again, in the order of the starts', async (t) => {
  const data = prepare(t);
  const [first, second] = [jobRecord('b', 2, 100.5), jobRecord('a.1', 1, 200)];
  jobsIn(data).write(second);
  jobsIn(data).write(first);
  jobsIn(data).writeEnd(second, { exit_code: 3, exit_signal: null, ended_time: 300 });
  t.same(jobsIn(data).readAll(), {
    processes: [
      { record: first, end: null },
      { record: second, end: { exit_code: 3, exit_signal: null, ended_time: 300 } },
    ],
    problems: [],
  });
  t.same(jobsIn(data).read(first), first);
  t.equal(jobsIn(data).read({ job: 'b', attempt: 1 }), undefined);
});

t.test('an end is written once', async (t) => {
  const data = prepare(t);
  const record = jobRecord('a', 1, 1);
  jobsIn(data).writeEnd(record, { exit_code: 0, exit_signal: null, ended_time: 300 });
  jobsIn(data).writeEnd(record, { exit_code: null, exit_signal: null, ended_time: 400, reason: 'vanished' });
  t.match(jobsIn(data).readEnd(record), { exit_code: 0, ended_time: 300 });
});

t.test('what can not be used is told and harms no other', async (t) => {
  const data = prepare(t);
  jobsIn(data).write(jobRecord('good', 1, 1));
  writeFileSync(join(jobsIn(data).directory.records, 'half.1.json'), '{"job": "ha');
  writeFileSync(join(jobsIn(data).directory.records, 'old.1.json'), '{"job": "old"}');
  jobsIn(data).write(jobRecord('badend', 1, 1));
  writeFileSync(jobsIn(data).endPathOf({ job: 'badend', attempt: 1 }), '{"exit_code": "three"}');
  const { processes, problems } = jobsIn(data).readAll();
  t.same(
    processes.map(({ record }) => record.job),
    ['good'],
  );
  t.match(problems, [
    /badend\.1\.end\.json is no record/,
    /half\.1\.json is no JSON/,
    /old\.1\.json is no record/,
  ]);
});

t.test('what was left in the middle of removing or writing goes, and nothing else', async (t) => {
  const data = prepare(t);
  const write = (name: string): void => writeFileSync(join(jobsIn(data).directory.records, name), '');
  jobsIn(data).write(jobRecord('a.1', 2, 1));
  const gone = spawnSync(process.execPath, ['-e', '']).pid;
  const stay = [
    ...['a.1.2.json', 'a.1.2.end.json', 'kept.1.end.json', 'end.json', 'notes.txt'],
    ...[`a.1.2.json.${process.ppid}.tmp`, 'tmp', 'x.tmp'],
  ];
  const go = ['a.1.1.end.json', 'b.3.end.json', `a.1.2.json.${gone}.tmp`, `b.3.end.json.${process.pid}.tmp`];
  for (const name of [...stay.slice(1), ...go]) write(name);
  const removed = jobsIn(data).removeLeftovers(({ job, attempt }) => job === 'kept' && attempt === 1);
  t.same(removed.sort(), go.sort());
  t.same(readdirSync(jobsIn(data).directory.records).sort(), stay.sort());
});

t.test('removing leaves nothing, and again is no error', async (t) => {
  const data = prepare(t);
  const record = jobRecord('a', 1, 1);
  jobsIn(data).write(record);
  jobsIn(data).writeEnd(record, { exit_code: 0, exit_signal: null, ended_time: 300 });
  jobsIn(data).remove(record);
  jobsIn(data).remove(record);
  t.same(readdirSync(jobsIn(data).directory.records), []);
  t.same(jobsIn(join(data, 'nowhere')).readAll(), { processes: [], problems: [] });
  t.equal(jobsIn(data).pathOf(record), join(data, 'records', 'a.1.json'));
});

t.test('where nothing is synced, what power loss has emptied counts as none', async (t) => {
  const quick = makeJobs(t.testdir(), QUICK_JOBS);
  const { records } = quick.directory;
  for (const job of ['whole', 'ended', 'gone']) quick.write(jobRecord(job));
  writeFileSync(join(records, 'ended.1.end.json'), '\0\0\0');
  for (const name of ['gone.1.json', 'gone.1.end.json']) writeFileSync(join(records, name), '');
  const { processes, problems } = quick.readAll();
  t.same(
    processes.map(({ record, end }) => [record.job, end]),
    [
      ['ended', null],
      ['whole', null],
    ],
  );
  t.same(problems, []);
  quick.writeEnd(jobRecord('ended'), {
    exit_code: null,
    exit_signal: null,
    ended_time: 2,
    reason: 'restarted',
  });
  t.match(quick.readEnd(jobRecord('ended')), { reason: 'restarted' });
  t.same(quick.removeLeftovers(() => false).sort(), ['gone.1.end.json', 'gone.1.json']);
  t.same(readdirSync(records), ['ended.1.end.json', 'ended.1.json', 'whole.1.json']);
});

t.test('where it is synced, a file of nothing is a damage that is told', async (t) => {
  const jobs = makeJobs(t.testdir());
  writeFileSync(jobs.pathOf(jobRecord('empty')), '');
  t.match(jobs.readAll(), { processes: [], problems: [/empty\.1\.json is no JSON/] });
  t.same(
    jobs.removeLeftovers(() => false),
    [],
  );
});

t.test(
  'where nothing is synced a record is changed in its place, and what was torn changes nothing',
  async (t) => {
    const quick = makeJobs(t.testdir(), QUICK_JOBS);
    const record = jobRecord('a');
    quick.write(record);
    const { ino } = statSync(quick.pathOf(record));
    quick.change(record, { note: 'one' });
    t.match(quick.read(record), { ...record, note: 'one' });
    appendFileSync(quick.pathOf(record), '\n{"note":"to');
    t.match(quick.read(record), { note: 'one' });
    quick.change(record, { note: 'two' });
    t.match(quick.read(record), { ...record, note: 'two' });
    t.equal(statSync(quick.pathOf(record)).ino, ino);
    quick.remove(record);
    t.throws(() => quick.change(record, { note: 'three' }), { code: 'ENOENT' });
    t.equal(quick.read(record), undefined, 'what was removed does not come back by a change');
  },
);

t.test('a change that can not be written is written later, with all that it has changed', async (t) => {
  const quick = makeJobs(t.testdir(), QUICK_JOBS);
  const record = jobRecord('a');
  quick.write(record);
  const kept = new KeptRecord(quick, record, pino({ level: 'silent' }));
  rmSync(quick.pathOf(record));
  mkdirSync(quick.pathOf(record));
  kept.change({ note: 'one' });
  kept.change({ log_path: '/another.log' });
  t.match(kept.current, { note: 'one', log_path: '/another.log' });
  rmdirSync(quick.pathOf(record));
  kept.catchUp();
  t.match(quick.read(record), { ...record, note: 'one', log_path: '/another.log' });
});
