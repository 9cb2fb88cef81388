/** Plot records on a real disk. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  type PlotRecord,
  plotEndPath,
  plotRecordPath,
  plotsDirectory,
  readPlotEnd,
  readPlotRecord,
  readPlotRecords,
  removeLeftovers,
  removePlotRecord,
  writePlotEnd,
  writePlotRecord,
} from '../../../src/processes/records/process-record.js';

function recordOf(task_id: string, attempt: number, started_time: number): PlotRecord {
  return {
    task_id,
    attempt,
    worker_id: 'worker',
    log_path: '/logs/a.log',
    format: 'chiapos',
    argv: ['plotter', '-k', '32'],
    started_time,
    process: { pid: 4242, boot_id: 'boot', start_time: '77' },
    announced: false,
    stopping: false,
    suspended: false,
    ksize: 32,
    cache1: '/cache1',
    cache2: '/cache2',
    dest_path: '/dest',
    plotter: 'chiapos',
    temp: [],
    plot_id: null,
  };
}

function prepare(t: Test): string {
  const data = t.testdir();
  mkdirSync(plotsDirectory(data));
  return data;
}

t.test('what was written is read again, in the order of the starts', async (t) => {
  const data = prepare(t);
  const [first, second] = [recordOf('b', 2, 100.5), recordOf('a.1', 1, 200)];
  writePlotRecord(data, second);
  writePlotRecord(data, first);
  writePlotEnd(data, second, { exit_code: 3, exit_signal: null, ended_time: 300 });
  t.same(readPlotRecords(data), {
    plots: [
      { record: first, end: null },
      { record: second, end: { exit_code: 3, exit_signal: null, ended_time: 300 } },
    ],
    problems: [],
  });
  t.same(readPlotRecord(data, first), first);
  t.equal(readPlotRecord(data, { task_id: 'b', attempt: 1 }), undefined);
});

t.test('an end is written once', async (t) => {
  const data = prepare(t);
  const record = recordOf('a', 1, 1);
  writePlotEnd(data, record, { exit_code: 0, exit_signal: null, ended_time: 300 });
  writePlotEnd(data, record, { exit_code: null, exit_signal: null, ended_time: 400, reason: 'vanished' });
  t.match(readPlotEnd(data, record), { exit_code: 0, ended_time: 300 });
});

t.test('what can not be used is told and harms no other', async (t) => {
  const data = prepare(t);
  writePlotRecord(data, recordOf('good', 1, 1));
  writeFileSync(join(plotsDirectory(data), 'half.1.json'), '{"task_id": "ha');
  writeFileSync(join(plotsDirectory(data), 'old.1.json'), '{"task_id": "old"}');
  writePlotRecord(data, recordOf('badend', 1, 1));
  writeFileSync(plotEndPath(data, { task_id: 'badend', attempt: 1 }), '{"exit_code": "three"}');
  const { plots, problems } = readPlotRecords(data);
  t.same(
    plots.map(({ record }) => record.task_id),
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
  const write = (name: string): void => writeFileSync(join(plotsDirectory(data), name), '');
  writePlotRecord(data, recordOf('a.1', 2, 1));
  const gone = spawnSync(process.execPath, ['-e', '']).pid;
  const stay = [
    ...['a.1.2.json', 'a.1.2.end.json', 'kept.1.end.json', 'end.json', 'notes.txt'],
    ...[`a.1.2.json.${process.ppid}.tmp`, 'tmp', 'x.tmp'],
  ];
  const go = ['a.1.1.end.json', 'b.3.end.json', `a.1.2.json.${gone}.tmp`, `b.3.end.json.${process.pid}.tmp`];
  for (const name of [...stay.slice(1), ...go]) write(name);
  const removed = removeLeftovers(data, ({ task_id, attempt }) => task_id === 'kept' && attempt === 1);
  t.same(removed.sort(), go.sort());
  t.same(readdirSync(plotsDirectory(data)).sort(), stay.sort());
});

t.test('removing leaves nothing, and again is no error', async (t) => {
  const data = prepare(t);
  const record = recordOf('a', 1, 1);
  writePlotRecord(data, record);
  writePlotEnd(data, record, { exit_code: 0, exit_signal: null, ended_time: 300 });
  removePlotRecord(data, record);
  removePlotRecord(data, record);
  t.same(readdirSync(plotsDirectory(data)), []);
  t.same(readPlotRecords(join(data, 'nowhere')), { plots: [], problems: [] });
  t.equal(plotRecordPath(data, record), join(data, 'plots', 'a.1.json'));
});
