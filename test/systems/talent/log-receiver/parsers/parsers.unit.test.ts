/** Each format against its recorded log, and against the lines that those logs do not have. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { REPORTED_FIELDS } from '../../../../../machines/talent/plot-task-events.js';
import {
  createParser,
  isLogFormat,
  LOG_FORMATS,
} from '../../../../../src/systems/talent/log-receiver/parsers/index.js';
import { LOG_NAMES, LOGS, pathOf, readLog, toLines } from '../../../../support/plotter-logs.js';
import { EXPECTED_FACTS, EXPECTED_PROGRESS } from '../../support/expected-facts.js';
import { factsOf, factsOfText, newsOf, sumOf } from '../../support/plotter-facts.js';

const SIGNALS = new Set(['started', 'finished', 'waiting', 'failed']);

/** As disk.hpp of chiapos prints it when fwrite wrote less than it was given. */
const DISK_FULL =
  'Only wrote 0 of 262144 bytes at offset 786432 to "/t1/plot-k32.plot.table2.tmp" with length 786432. Error 1. Retrying in five minutes.';

for (const name of LOG_NAMES) {
  t.test(`${LOGS[name].file} ends up as it says`, async (t) => {
    t.strictSame(factsOf(LOGS[name].format, toLines(readLog(name))), EXPECTED_FACTS[name]);
  });

  t.test(
    `${LOGS[name].file}: progress at the marked lines, never falling, 100 with the end alone`,
    async (t) => {
      const news = newsOf(LOGS[name].format, toLines(readLog(name)));
      for (const [line, expected] of EXPECTED_PROGRESS[name] ?? []) {
        t.equal(sumOf(news.slice(0, line)).progress ?? 0, expected, `after line ${line}`);
      }
      let before = 0;
      for (const { progress, finished } of news) {
        if (progress === undefined) continue;
        t.ok(progress > before, `${progress} after ${before}`);
        t.equal(progress === 100, finished === true);
        before = progress;
      }
    },
  );

  t.test(`${LOGS[name].file}: a fact is told once`, async (t) => {
    const told = new Set<string>();
    for (const news of newsOf(LOGS[name].format, toLines(readLog(name)))) {
      for (const fact of Object.entries(news)) {
        t.notOk(told.has(String(fact)), `${fact}`);
        told.add(String(fact));
      }
    }
  });

  t.test(`${LOGS[name].file}: every fact that is no signal is a column`, async (t) => {
    for (const fact of Object.keys(EXPECTED_FACTS[name]))
      t.ok(SIGNALS.has(fact) || fact in REPORTED_FIELDS, fact);
  });

  t.test(`${LOGS[name].file} is byte for byte what the plotter printed`, async (t) => {
    const sums = readFileSync(join(pathOf(name), '../SHA256SUMS'), 'utf8');
    const sum = createHash('sha256').update(readLog(name)).digest('hex');
    t.ok(sums.includes(`${sum}  ${LOGS[name].file}\n`));
  });
}

t.test('the stages pass in order, and a copy is stage 5', async (t) => {
  for (const name of ['chia', 'chiapos', 'madmax', 'bladebit'] as const) {
    const stages = newsOf(LOGS[name].format, toLines(readLog(name))).flatMap(
      ({ stage_now }) => stage_now ?? [],
    );
    t.strictSame(stages, [1, 2, 3, 4, 5], name);
  }
});

t.test('a chia plot is not finished before its rename, whatever was copied', async (t) => {
  const lines = toLines(readLog('chia'));
  t.equal(factsOf('chia', lines.slice(0, 2629)).finished, undefined);
  t.equal(factsOf('chia', lines.slice(0, 2630)).finished, true);
});

t.test('after the end nothing is told', async (t) => {
  const parser = createParser('chiapos');
  for (const line of toLines(readLog('chiapos'))) parser.feed(line.text);
  t.strictSame(parser.feed(DISK_FULL), {});
  t.strictSame(parser.feed('Caught exception: too late'), {});
  t.strictSame(parser.feed('Computing table 1'), {});
});

t.test('a full disk makes chiapos wait, said once, until it gets on', async (t) => {
  const parser = createParser('chiapos');
  const beginning = toLines(readLog('chiapos')).slice(0, 24);
  for (const line of beginning) parser.feed(line.text);
  t.strictSame(parser.feed(DISK_FULL), { waiting: `waits for disk space: ${DISK_FULL}` });
  t.strictSame(parser.feed(DISK_FULL), {}, 'five minutes later');
  t.strictSame(
    parser.feed('Forward propagation table time: 900.5 seconds. CPU (12.5%) Sun Nov 22 16:02:14 2026'),
    {
      p1_t2_time: 900.5,
      p1_t2_cpu: 12.5,
      progress: 14.79,
      waiting: '',
    },
  );
  t.match(
    parser.feed('Could not open /t1/x.tmp: Stale file handle. Retrying in five minutes.').waiting,
    /^waits to try again: Could not open \/t1\/x\.tmp/,
  );
});

t.test('a rename that had to wait ends the waiting and the plot', async (t) => {
  const parser = createParser('chiapos');
  const retry =
    'Could not rename "t2/a.plot.2.tmp" to "d/a.plot". Error Permission denied. Retrying in five minutes.';
  t.strictSame(parser.feed(retry), { waiting: `waits to try again: ${retry}` });
  t.strictSame(
    parser.feed(String.raw`Renamed final file from "t2/a.plot.2.tmp" to "d/odd \"name\" \\ .plot"`),
    {
      dest_file_name: String.raw`odd "name" \ .plot`,
      dest_dir: 'd',
      progress: 100,
      finished: true,
      waiting: '',
    },
  );
});

t.test('chiapos: a CPU share that is none stays absent, the time stays', async (t) => {
  for (const share of ['inf', '-nan', '-21474836.48', '']) {
    const facts = factsOfText(
      'chiapos',
      'Computing table 1',
      `F1 complete, time: 0 seconds. CPU (${share}%) now`,
    );
    t.strictSame(facts, { p1_now: 1, p1_t1_time: 0, progress: 0.88 }, share);
  }
});

t.test('an integer that no number can hold stays absent', async (t) => {
  t.strictSame(
    factsOfText('chiapos', `Wrote: ${'9'.repeat(30)}`, `table 1 new size: ${'9'.repeat(500)}`),
    {},
  );
});

t.test('chiapos without bitfield: one time per table of phase 2', async (t) => {
  const { p2_t7_scan_time, p2_t7_scan_cpu, p2_t7_sort_time } = factsOfText(
    'chia',
    'Backpropagating on table 7',
    'Total backpropagation time:: 1234.5 seconds. CPU (80.100%) Sat May 15 11:21:15 2021',
  );
  t.strictSame([p2_t7_scan_time, p2_t7_scan_cpu, p2_t7_sort_time], [1234.5, 80.1, undefined]);
});

t.test('what ended a plot is its first reason, in one clean line', async (t) => {
  const terminate = "terminate called after throwing an instance of 'std::runtime_error'";
  t.equal(factsOfText('madmax', terminate).failed, terminate);
  t.equal(factsOfText('madmax', terminate, '  what():  fwrite() failed').failed, 'fwrite() failed');
  t.equal(
    factsOfText('chia', 'Caught plotting error: Not enough memory', 'RuntimeError: x').failed,
    'Not enough memory',
  );
  t.equal(factsOfText('chia', 'RuntimeError: No keys').failed, 'RuntimeError: No keys');
  t.equal(
    factsOfText('madmax', "Failed to write to tmpdir directory: '/x/'").failed,
    "Failed to write to tmpdir directory: '/x/'",
  );
  t.equal(
    factsOfText('bladebit', 'Fatal Error:', '  Failed to allocate required buffers.').failed,
    'Failed to allocate required buffers.',
  );
  t.equal(factsOfText('bladebit', terminate, '  what():  bad alloc').failed, 'bad alloc');
  t.equal(factsOfText('chiapos', 'Caught exception: a\0b\tc').failed, 'a b c');
  t.equal(factsOfText('chiapos', `Caught exception: ${'x'.repeat(5000)}`).failed?.length, 500);
});

t.test('madMAx: a copy that takes its time, after one that failed', async (t) => {
  const parser = createParser('madmax');
  for (const line of toLines(readLog('madmax')).slice(0, 58)) parser.feed(line.text);
  const failure =
    'Copy to /d/plot-k32.plot failed with: fwrite() failed on /d/plot-k32.plot.tmp (No space left on device)';
  t.strictSame(parser.feed(failure), { waiting: `waits to try again: ${failure}` });
  t.strictSame(parser.feed('Copy to /d/plot-k32.plot finished, took 812.6 sec, 127.7 MB/s avg.'), {
    copy_time: 812.6,
    dest_file_name: 'plot-k32.plot',
    dest_dir: '/d',
    progress: 100,
    finished: true,
    waiting: '',
  });
});

t.test('madMAx: a plot asked for where it is made needs no copy', async (t) => {
  const lines = toLines(readLog('madmax')).slice(0, 57);
  const here = lines.map(({ text, offset }) => ({
    text: text.replace(/^(Final Directory: ).*/, '$1/mnt/yards/902/'),
    offset,
  }));
  t.match(factsOf('madmax', here), { ...EXPECTED_FACTS.madmax, dest_dir: '/mnt/yards/902' });
  t.equal(factsOf('madmax', lines).finished, undefined);
});

t.test('madMAx waits for space and says when there is enough', async (t) => {
  const parser = createParser('madmax');
  const waits = '[P1] Waiting for 35 GiB at /t/, available space: 3 GiB';
  const enough = '[P1] OK: Need 35 GiB at /t/, available space: 40 GiB';
  t.strictSame(parser.feed(enough), {});
  t.strictSame(parser.feed(waits), { waiting: `waits for disk space: ${waits}` });
  t.strictSame(parser.feed(enough), { waiting: '' });
});

t.test('bladebit: a plot that could not be renamed is not finished', async (t) => {
  const text = readLog('bladebit').toString().replace('.plot finished writing', '.plot.tmp finished writing');
  const facts = factsOfText('bladebit', 'Error: Failed to rename plot file /d/a.plot.tmp.', text);
  t.equal(facts.finished, undefined);
  t.equal(facts.failed, 'Failed to rename plot file /d/a.plot.tmp.');
  t.equal(facts.progress, 96.56);
});

t.test('formats have names', async (t) => {
  t.strictSame(LOG_FORMATS, ['chia', 'chiapos', 'madmax', 'bladebit']);
  t.ok(isLogFormat('madmax'));
  t.notOk(isLogFormat('toString'));
  t.notOk(isLogFormat(''));
});
