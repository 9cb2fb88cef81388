/** How a plot has ended, in words. */

import t from 'tap';
import type { Facts } from '../../../../src/systems/talent/log-receiver/facts.js';
import {
  type Beside,
  endReport,
  newsReport,
} from '../../../../src/systems/talent/log-receiver/plot-reports.js';
import type { PlotEnd } from '../../../../src/systems/talent/machine/plot-record.js';
import type { PlotTaskStatus } from '../../../../src/systems/talent/wire/messages.js';

const TOLD = { task_id: 'a', attempt: 1, offset: 10 } as const;
const FINISHED: Facts = { started: true, finished: true, progress: 100 };
const HALF: Facts = { started: true, progress: 50 };

function ended(known: Facts, end: Partial<PlotEnd>, stopping = false): PlotTaskStatus {
  return endReport(TOLD, {
    known,
    lastLines: ['one', 'two'],
    end: { exit_code: null, exit_signal: null, ended_time: 5, ...end },
    stopping,
  });
}

t.test('a plot is finished when its log says so and its process did not end badly', async (t) => {
  t.match(ended(FINISHED, { exit_code: 0 }), { status: 'finished', exit_code: 0, finished_time: 5 });
  t.match(ended(FINISHED, { reason: 'nobody saw it' }), { status: 'finished', exit_code: undefined });
  t.match(ended(FINISHED, { exit_code: 3 }), {
    status: 'failed',
    exit_code: 3,
    remarks: 'exited 3 after finishing its plot: one / two',
  });
  t.match(ended(FINISHED, { exit_signal: 'SIGKILL' }), {
    status: 'failed',
    remarks: 'killed by SIGKILL after its log told of a finished plot',
  });
});

t.test('what a log announces is not done before its file is there', async (t) => {
  const why = 'there is no file of its plot in /d';
  const with_ = (known: Facts, end: Partial<PlotEnd>, looked: Beside) =>
    endReport(TOLD, {
      ...{ known, lastLines: ['one'], stopping: false, beside: looked },
      ordered: { ksize: 33, format: 'madmax' },
      end: { exit_code: null, exit_signal: null, ended_time: 5, ...end },
    });
  const gone: Beside = { file: undefined, why, gaps: [], left: ['/c/a.plot lies there'] };
  t.match(with_(FINISHED, { exit_code: 0 }, gone), {
    status: 'failed',
    remarks: `exited 0 and its log tells of a finished plot, but that is not there: one; ${why}; /c/a.plot lies there`,
  });
  t.equal(with_(FINISHED, { reason: 'nobody saw it' }, gone).status, 'failed');
  const file = { path: '/d/plot-k32-1-ab.plot', bytes: 9 };
  const there: Beside = { file, gaps: [] };
  const placed = 'its plot is in its place (9 bytes)';
  const other =
    'a k32 is made although a k33 was ordered: its plotter may know no other size; 1 plot of 2 is followed';
  t.match(with_({ ...FINISHED, notice: '1 plot of 2 is followed' }, { exit_code: 0 }, there), {
    status: 'finished',
    remarks: `${placed}; ${other}`,
  });
  t.match(with_(FINISHED, { exit_signal: 'SIGKILL' }, there), {
    status: 'failed',
    remarks: /^killed by SIGKILL when its plot was finished: its plot is in its place/,
  });
  t.match(
    with_({}, { exit_code: 0 }, gone).remarks,
    /^exited 0 and nothing in its log was understood as one of format madmax: one/,
  );
  t.match(with_({ ksize: 32 }, { exit_code: 1 }, gone).remarks, /a k32 is made although a k33 was ordered/);
});

t.test('a log that ends midway says where', async (t) => {
  const remarks = (known: Facts) => ended({ ...HALF, ...known }, { exit_code: 0 }).remarks;
  t.equal(remarks({ stage_now: 4 }), 'exited 0 and its log ends in phase 4: one / two');
  t.equal(remarks({ stage_now: 5 }), 'exited 0 and its log ends before the plot was placed: one / two');
});

t.test('another k than was ordered is told as soon as its log tells it', async (t) => {
  const remarks = (ksize: number) => newsReport({ ...TOLD, ksize: 33 }, { ksize }, true, 1).remarks;
  t.match(remarks(32), /^a k32 is made although a k33 was ordered/);
  t.equal(remarks(33), undefined);
  t.equal(newsReport(TOLD, { notice: 'two plots' }, true, 1).remarks, 'two plots');
});

t.test('whatever else ends a plot is a failure with its reason', async (t) => {
  const failure = (known: Facts, end: Partial<PlotEnd>) => ended(known, end).remarks;
  t.equal(failure(HALF, { exit_code: 0 }), 'exited 0 and its log ends midway: one / two');
  t.equal(failure(HALF, { exit_code: 1 }), 'exited 1 without finishing a plot: one / two');
  t.equal(failure({ failed: 'no disk' }, { exit_code: 1 }), 'exited 1 without finishing a plot: no disk');
  t.equal(
    failure(HALF, { exit_signal: 'SIGKILL' }),
    'killed by SIGKILL before its plot was finished',
    'its last lines say nothing of that',
  );
  t.equal(
    failure(HALF, { exit_signal: 'SIGSEGV' }),
    'killed by SIGSEGV before its plot was finished: one / two',
  );
  t.equal(
    failure({ failed: 'no disk' }, { exit_signal: 'SIGABRT' }),
    'killed by SIGABRT before its plot was finished: no disk',
  );
  t.equal(failure(HALF, { reason: 'vanished' }), 'vanished');
  t.equal(failure(HALF, {}), 'ended, and nobody saw how');
  t.equal(ended(HALF, { exit_code: 0 }).status, 'failed');
});

t.test('a plot whose file is in its place is finished, whatever became of its log', async (t) => {
  const file = { path: '/d/a.plot', bytes: 9 };
  const beside = { file, gaps: ['the disk of its log had no free block when it ended'] };
  const with_ = (known: Facts, end: Partial<PlotEnd>, looked: Beside, stopping = false) =>
    endReport(TOLD, {
      ...{ known, lastLines: ['one'], stopping, beside: looked },
      end: { exit_code: null, exit_signal: null, ended_time: 5, ...end },
    });
  const remarks =
    'its plot is in its place (/d/a.plot, 9 bytes); its log does not tell of its end; the disk of its log had no free block when it ended';
  t.match(with_(HALF, { exit_code: 0 }, beside), {
    status: 'finished',
    exit_code: 0,
    finished_time: 5,
    remarks,
  });
  t.match(with_(HALF, { reason: 'nobody saw it' }, beside), {
    status: 'finished',
    remarks: `${remarks}; nobody saw how its process ended`,
  });
  t.match(
    with_(HALF, { exit_signal: 'SIGTERM' }, beside, true),
    { status: 'finished' },
    'the stop came too late',
  );
  t.equal(with_(HALF, { exit_code: 1 }, beside).status, 'failed', 'its plotter says that it is not');
  t.equal(with_(HALF, { exit_signal: 'SIGKILL' }, beside).status, 'failed');
  const missing = { file: undefined, why: 'there is no file of its plot in /d', gaps: ['its log is empty'] };
  t.match(with_(HALF, { exit_code: 0 }, missing), {
    status: 'failed',
    remarks: 'exited 0 and its log ends midway: one; there is no file of its plot in /d; its log is empty',
  });
  t.match(with_(HALF, { exit_code: 0, log_disk_full: true }, missing), {
    remarks: /^exited 0 and its log tells of no finished plot: one; /,
  });
});

t.test('a stopped plot is left to the supervisor, unless it was finished before', async (t) => {
  const stopped = ended(HALF, { exit_signal: 'SIGTERM' }, true);
  t.strictSame([stopped.status, stopped.remarks, stopped.exit_signal], [undefined, undefined, 'SIGTERM']);
  t.equal(ended(FINISHED, { exit_signal: 'SIGTERM' }, true).status, 'finished');
  t.equal(ended(FINISHED, { exit_code: 0 }, true).status, 'finished');
});

t.test('the same line makes the same command, another line or another attempt another one', async (t) => {
  const id = (told: typeof TOLD | { task_id: string; attempt: number; offset: number }, now = 1) =>
    newsReport(told, HALF, true, now).command_id;
  t.equal(id(TOLD), id(TOLD, 2));
  const others = [
    { ...TOLD, offset: 11 },
    { ...TOLD, attempt: 2 },
    { ...TOLD, task_id: 'b' },
  ].map((told) => id(told));
  t.equal(new Set([id(TOLD), ...others, ended(HALF, {}).command_id]).size, 5);
});

t.test('a waiting is a remark, and so is its end, because no empty text can be sent', async (t) => {
  const remarks = (news: Facts) => newsReport(TOLD, news, true, 1).remarks;
  t.equal(remarks({ waiting: 'waits for disk space' }), 'waits for disk space');
  t.equal(remarks({ waiting: '' }), 'goes on after waiting');
  t.equal(remarks({ failed: 'no disk' }), 'no disk');
  t.equal(remarks({ progress: 3 }), undefined);
});

t.test('a plot runs from the moment its log says so', async (t) => {
  t.equal(newsReport(TOLD, { memo: 'ab' }, false, 1).status, undefined);
  t.match(newsReport(TOLD, { started: true }, true, 1), { status: 'running', running_time: 1 });
});

t.test('a directory that names no place is not reported', async (t) => {
  const details = (news: Facts) => newsReport(TOLD, news, true, 1).plot_details;
  t.strictSame(details({ dest_dir: 'd', dest_file_name: 'a.plot' }), { dest_file_name: 'a.plot' });
  t.strictSame(details({ dest_dir: '/d' }), { dest_dir: '/d' });
});
