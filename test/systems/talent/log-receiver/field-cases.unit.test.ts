/** Logs from the field in small: what each tells, and how its plot has ended by it. A log without a row fails. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { PACKAGE_ROOT } from '../../../../src/base/package-root.js';
import type { LogLine } from '../../../../src/processes/logs/line-reader.js';
import { type Facts, isUnderstood } from '../../../../src/systems/talent/log-receiver/facts.js';
import type { LogFormat } from '../../../../src/systems/talent/log-receiver/parsers/index.js';
import { LastLines } from '../../../../src/systems/talent/log-receiver/parsers/last-lines.js';
import { endReport } from '../../../../src/systems/talent/log-receiver/plot-reports.js';
import { toLines } from '../../../support/plotter-logs.js';
import { newsOf, sumOf } from '../support/plotter-facts.js';

const FOLDER = join(PACKAGE_ROOT, 'test/fixtures/field-cases');
const ID = 'ab'.repeat(32);

interface Case {
  readonly format: LogFormat;
  /** How the process ended: its exit code, or a signal. */
  readonly end: number | 'SIGABRT' | 'SIGTERM';
  readonly facts: Facts;
  /** Facts that must be missing. */
  readonly without?: readonly (keyof Facts)[];
  /** How often it was told that the plotter waits. */
  readonly waits?: number;
  /** Status and, where it is no plain end, the remark. Nobody has looked for a file. */
  readonly ended: 'finished' | RegExp;
  /** Remark of one that is finished. */
  readonly remarked?: RegExp;
}

const MADMAX: Facts = {
  started: true,
  plot_id: ID,
  ksize: 32,
  buckets: 256,
  p1_t7_time: 107.25,
  p1_total_time: 660.25,
  total_time: 1792,
  finished: true,
  dest_dir: '/farm/1',
  dest_file_name: `plot-k32-2021-07-01-10-00-${ID}.plot`,
};
const CHIA: Facts = {
  started: true,
  plot_id: ID,
  memo: '0d'.repeat(128),
  ksize: 32,
  threads: 4,
  copy_time: 178.438,
  total_time: 18380.426,
  finished: true,
  dest_dir: '/farm/1',
  dest_file_name: `plot-k32-2021-07-01-10-00-${ID}.plot`,
};
const BLADEBIT: Facts = {
  started: true,
  plot_id: ID,
  ksize: 32,
  total_time: 1382.91,
  stage_now: 5,
  finished: true,
  dest_dir: '/farm/1',
  dest_file_name: `plot-k32-c05-2023-09-10-11-26-${ID}.plot`,
};

function linesOf(name: string): LogLine[] {
  return toLines(readFileSync(join(FOLDER, `${name}.log`)));
}

const CASES: Readonly<Record<string, Case>> = {
  'mm-early-no-crafting': {
    ...{ format: 'madmax', end: 0, ended: 'finished' },
    facts: { ...MADMAX, buckets: 128, copy_time: 88.5 },
  },
  'mm-lost-matches': { format: 'madmax', end: 0, facts: MADMAX, without: ['copy_time'], ended: 'finished' },
  'mm-tmp-full': {
    ...{ format: 'madmax', end: 'SIGABRT' },
    facts: { started: true, p1_now: 3 },
    without: ['finished'],
    ended:
      /^killed by SIGABRT.*: thread failed with: thread failed with: fwrite\(\) failed with: No space left on device$/,
  },
  'mm-copy-permission': {
    ...{ format: 'madmax', end: 0, waits: 1, ended: 'finished' },
    facts: { ...MADMAX, copy_time: 988.5 },
  },
  'mm-log-stops-p4': {
    ...{
      format: 'madmax',
      end: 0,
      facts: { started: true, plot_id: ID, stage_now: 4, p3_total_time: 640.75 },
    },
    without: ['finished', 'total_time'],
    ended: /^exited 0 and its log ends in phase 4: .* \/ \[P4\] Writing C2 table$/,
  },
  'mm-two-plots': {
    ...{ format: 'madmax', end: 0, ended: 'finished', remarked: /2 plots by one process.*only the first/ },
    facts: { ...MADMAX, copy_time: 88.5, p1_t4_time: 104.25 },
  },
  'mm-ctrl-c-graceful': {
    format: 'madmax',
    end: 0,
    facts: { ...MADMAX, copy_time: 88.5 },
    ended: 'finished',
  },
  'mm-open-files': {
    ...{ format: 'madmax', end: 254, facts: {}, without: ['started'] },
    ended:
      /^exited 254 without finishing a plot: Cannot open at least 1044 files, please raise maximum open file limit in OS\.$/,
  },
  'bb124-progress-lines': {
    ...{ format: 'bladebit', end: 0, ended: 'finished' },
    facts: { ...BLADEBIT, dest_file_name: `plot-k32-2023-09-10-11-26-${ID}.plot` },
  },
  'bb3-ramplot-c5': { format: 'bladebit', end: 0, facts: BLADEBIT, ended: 'finished' },
  'bb201-diskplot': {
    ...{ format: 'bladebit', end: 0, ended: 'finished' },
    facts: {
      ...BLADEBIT,
      ...{ stage_now: 3, buckets: 256, dest_file_name: `plot-k32-2023-09-10-11-26-${ID}.plot` },
      ...{ p1_t1_time: 12.34, p1_t7_time: 257.88, p2_t2_scan_time: 11.2, p3_t6_7_time: 133.6 },
      ...{ p1_total_time: 1600, p2_total_time: 60, p3_total_time: 900, total_time: 2560 },
      p1_table_1_now_size: 3_429_000_000,
    },
    without: ['p4_total_time'],
  },
  'bb3-cuda-no-space-panic': {
    ...{ format: 'bladebit', end: 1 },
    facts: {
      ...{ started: true, plot_id: ID, ksize: 32, stage_now: 3, p3_now: '2_3' },
      ...{
        p1_t1_time: 2.75,
        p1_t2_time: 12.19,
        p1_total_time: 68,
        p2_t3_scan_time: 2.13,
        p2_total_time: 8.66,
      },
      failed: 'Failed to write to plot with error 28',
    },
    ended: /^exited 1 without finishing a plot: Failed to write to plot with error 28$/,
  },
  'bb3-ram-no-space-waits': {
    ...{ format: 'bladebit', end: 0, waits: 2, ended: 'finished' },
    facts: { ...BLADEBIT, total_time: 1582.91, waiting: '' },
  },
  'bb3-rename-fails': {
    ...{ format: 'bladebit', end: 0 },
    facts: { plot_id: ID, stage_now: 5, total_time: 1382.91 },
    // It would name a file that is not there.
    without: ['finished', 'dest_file_name', 'dest_dir'],
    ended:
      /^exited 0 without finishing a plot: Failed to to rename plot file after 10 retries\. Please rename manually\.$/,
  },
  'ch-k34-nobitfield': {
    ...{ format: 'chia', end: 0, ended: 'finished' },
    facts: { ...CHIA, ksize: 34, p2_t7_scan_time: 8073.964 },
    without: ['p2_t7_sort_time', 'p2_t2_sort_time'],
  },
  'ch11-tmp-full-then-on': {
    format: 'chia',
    end: 0,
    facts: { ...CHIA, waiting: '' },
    waits: 1,
    ended: 'finished',
  },
  'ch-many-full': {
    ...{ format: 'chia', end: 'SIGTERM', facts: { p1_now: 3 }, without: ['finished'], waits: 1 },
    ended: /^killed by SIGTERM before its plot was finished$/,
  },
  'ch-copy-other-locale': { format: 'chia', end: 0, facts: CHIA, waits: 2, ended: 'finished' },
  'ch-max-buckets': {
    ...{ format: 'chia', end: 1, facts: { failed: 'Maximum buckets is 128' } },
    ended: /^exited 1 without finishing a plot: Maximum buckets is 128$/,
  },
  'ch-no-keys': {
    ...{ format: 'chia', end: 1, facts: {} },
    ended:
      /^exited 1 without finishing a plot: ValueError: Length of bytes object not equal to G1Element::SIZE$/,
  },
  'ch2-header': { format: 'chia', end: 0, facts: CHIA, ended: 'finished' },
};

/** How a plot has ended by its log alone. */
function endedBy(format: LogFormat, lines: readonly LogLine[], end: Case['end']) {
  const lastLines = new LastLines();
  for (const { text } of lines) lastLines.note(text);
  const how =
    typeof end === 'string' ? { exit_code: null, exit_signal: end } : { exit_code: end, exit_signal: null };
  return endReport(
    { task_id: 't', attempt: 1, offset: lines.at(-1)?.offset ?? 0 },
    {
      ...{ known: sumOf(newsOf(format, lines)), lastLines: lastLines.list(), stopping: false },
      ...{ end: { ...how, ended_time: 5 }, ordered: { ksize: 32, format } },
    },
  );
}

for (const [name, { format, end, facts, without = [], waits = 0, ended, remarked }] of Object.entries(
  CASES,
)) {
  t.test(name, async (t) => {
    const lines = linesOf(name);
    const news = newsOf(format, lines);
    const known = sumOf(news);
    t.match(known, facts);
    for (const fact of without) t.equal(known[fact], undefined, fact);
    t.equal(news.filter(({ waiting = '' }) => waiting !== '').length, waits, 'told to wait');
    const report = endedBy(format, lines, end);
    if (ended !== 'finished') t.match(report, { status: 'failed', remarks: ended });
    else {
      t.equal(report.status, ended);
      if (remarked !== undefined) t.match(report.remarks, remarked);
    }
  });
}

t.test('every log of the folder has a row', async (t) => {
  const logs = readdirSync(FOLDER).flatMap((file) => (file.endsWith('.log') ? file.slice(0, -4) : []));
  t.same(logs.sort(), Object.keys(CASES).sort());
});

t.test('a plotter of the first versions runs from the head of its log on', async (t) => {
  const lines = linesOf('mm-early-no-crafting');
  t.equal(
    newsOf('madmax', lines).findIndex(({ started }) => started === true),
    2,
  );
});

t.test('two plots by one process: the first one is followed, which is told at the head', async (t) => {
  const news = newsOf('madmax', linesOf('mm-two-plots'));
  t.match(news[2], { notice: /asks for 2 plots by one process.*only the first is followed/ });
  t.equal(news.filter(({ notice }) => notice !== undefined).length, 1);
  t.notMatch(JSON.stringify(news), /cdcd/);
});

t.test('a whole log read in the format of another plotter is not understood', async (t) => {
  for (const [name, { format, end }] of Object.entries(CASES)) {
    if (end !== 0) continue;
    const lines = linesOf(name);
    t.ok(isUnderstood(sumOf(newsOf(format, lines))), name);
    for (const other of (['chia', 'madmax', 'bladebit'] as const).filter((one) => one !== format))
      t.match(endedBy(other, lines, 0), {
        status: 'failed',
        remarks: `exited 0 and nothing in its log was understood as one of format ${other}: `,
      });
  }
});
