/** What versions of a plotter print differently, in the wording of their sources, and what all of them share. */

import t from 'tap';
import type { Facts } from '../../../../../src/systems/talent/log-receiver/facts.js';
import { createParser } from '../../../../../src/systems/talent/log-receiver/parsers/index.js';
import { LastLines } from '../../../../../src/systems/talent/log-receiver/parsers/last-lines.js';
import { toLines } from '../../../../support/plotter-logs.js';
import { factsOfText, newsOf } from '../../support/plotter-facts.js';

const ID = 'ab'.repeat(32);
const OTHER = 'cd'.repeat(32);
const NAME = `plot-k32-2022-11-09-10-00-${ID}`;

function newsOfText(format: 'madmax' | 'bladebit' | 'chia', lines: readonly string[]): Facts[] {
  return newsOf(format, toLines(Buffer.from(lines.join('\n'))));
}

/** Stages as they were told. */
function stagesIn(news: readonly Facts[]): unknown[] {
  return news.flatMap(({ stage_now }) => stage_now ?? []);
}

const CARD = [
  '[Global Plotting Config]',
  ' Will create 1 plots.',
  ' Thread count          : 14',
  '[Bladebit CUDA Plotter]',
  `Generating plot 1 / 1: ${ID}`,
  `Plot temporary file: /farm/1/plot-k32-c03-2024-01-07-10-00-${ID}.plot.tmp`,
  'Generating F1',
  'Finished F1 in 2.75 seconds.',
  'Table 2 completed in 6.19 seconds with 4294967296 entries.',
  'Table 7 completed in 6.95 seconds with 4292384371 entries.',
  'Finalizing Table 7',
  'Finalized Table 7 in 3.98 seconds.',
  'Completed Phase 1 in 68.00 seconds',
  'Marked Table 6 in 2.16 seconds.',
  'Marked Table 3 in 2.17 seconds.',
  'Completed Phase 2 in 8.66 seconds',
  'Compressing Table 2 and 3...',
  ' Step 1 completed step in 4.72 seconds.',
  'Completed table 2 in 18.20 seconds with 3439000000 / 4294967296 entries ( 80.07% ).',
  'Compressing tables 3 and 4...',
  'Completed table 3 in 18.50 seconds with 3465000000 / 4294967296 entries ( 80.68% ).',
  'Serializing P7 entries',
  'Completed serializing P7 entries in 2.10 seconds.',
  'Completed Phase 3 in 90.00 seconds',
  'Completed Plot 1 in 166.66 seconds ( 2.78 minutes )',
  '',
];
const CARD_PLOT = `/farm/1/plot-k32-c03-2024-01-07-10-00-${ID}.plot`;

t.test('bladebit 3 on a card: times, pairs of a compressed plot, and an end after the writing', async (t) => {
  const news = newsOfText('bladebit', [...CARD, `${CARD_PLOT}.tmp -> ${CARD_PLOT}`]);
  t.same(stagesIn(news), [1, 2, 3, 5]);
  const known = Object.assign({}, ...news);
  t.match(known, {
    ...{ started: true, plot_id: ID, ksize: 32, threads: 14, total_time: 166.66 },
    ...{ p1_t1_time: 2.75, p1_t2_time: 6.19, p1_t7_time: 6.95, p1_total_time: 68 },
    ...{ p2_t6_scan_time: 2.16, p2_t3_scan_time: 2.17, p2_total_time: 8.66 },
    ...{ p3_t2_3_time: 18.2, p3_t3_4_time: 18.5, p3_total_time: 90 },
  });
  t.equal(known.finished, undefined, 'it is still being written');
  t.equal(known.p1_table_1_now_size, undefined, 'it has no table 1');
  const written = ['Completed writing plot in 50.08 seconds'];
  t.match(factsOfText('bladebit', ...CARD, `${CARD_PLOT}.tmp -> ${CARD_PLOT}`, ...written), {
    ...{ finished: true, progress: 100, dest_dir: '/farm/1' },
    dest_file_name: `plot-k32-c03-2024-01-07-10-00-${ID}.plot`,
  });
  t.equal(factsOfText('bladebit', ...CARD, ...written).finished, undefined, 'it was not renamed');
});

t.test('bladebit 3: a plot that its own check deletes is failed by that', async (t) => {
  const facts = factsOfText(
    'bladebit',
    ...CARD,
    `WARNING: Deleting plot '${CARD_PLOT}.tmp' as it is below the proof threshold: 0.100 / 0.600.`,
    'Completed writing plot in 50.08 seconds',
  );
  t.match(facts.failed, /^Deleting plot .* below the proof threshold/);
  t.equal(facts.finished, undefined);
});

t.test('bladebit 2 on disk says that it renames, and takes it back when that fails', async (t) => {
  const parser = createParser('bladebit');
  const lines = [
    `Generating plot 1 / 1: ${ID}`,
    'Finished plotting in 2560.00 seconds ( 42.7 minutes ).',
    `Renaming plot to '/farm/1/${NAME}.plot'`,
  ];
  const [, , renaming] = lines.map((line) => parser.feed(line));
  t.match(renaming, { finished: true, progress: 100, dest_file_name: `${NAME}.plot` });
  t.same(parser.feed('Error: Could not rename plot file with error: 13.'), {}, 'it tries again');
  t.same(parser.feed('Error:: Failed to to rename plot file after 10 retries. Please rename manually.'), {
    finished: false,
    failed: 'Failed to to rename plot file after 10 retries. Please rename manually.',
  });
});

t.test(
  'bladebit: the reason stands on the line behind `Fatal Error`, however far it is indented',
  async (t) => {
    const failed = (...lines: string[]) => factsOfText('bladebit', ...lines).failed;
    t.equal(failed('', 'Fatal Error:  ', 'No CUDA-capable devices found.'), 'No CUDA-capable devices found.');
    t.equal(failed('Fatal Error:', '  Failed to open plot file.'), 'Failed to open plot file.');
    t.equal(
      failed(
        'CUDA error: 2 (0x02) cudaErrorMemoryAllocation : out of memory',
        '*** Panic!!! *** Fatal Error:  ',
        'CUDA error cudaErrorMemoryAllocation : out of memory.',
        './bladebit_cuda(_Z9PanicExitv+0x10)[0x550000001000]',
      ),
      'CUDA error: 2 (0x02) cudaErrorMemoryAllocation : out of memory',
    );
    t.equal(
      failed('Error: Cannot plot classic (uncompressed) plots in 128G or 64G mode.'),
      'Cannot plot classic (uncompressed) plots in 128G or 64G mode.',
    );
  },
);

function madmax(...directories: readonly string[]): string[] {
  return [
    ...['Network Port: 8444 [chia]', ...directories, 'Number of Plots: 1'],
    'Crafting plot 1 out of 1 (2022/01/06 10:00:00)',
    ...['Working Directory:   /ssd/', 'Working Directory 2: /ram/', `Plot Name: ${NAME}`],
    'Total plot creation time was 1792 sec (29.8667 min)',
  ];
}

t.test('madMAx 1.1.8: a plot in the stage directory is in its place after its copy only', async (t) => {
  const staged = madmax('Final Directory: /ssd/', 'Stage Directory: /stage/');
  t.equal(factsOfText('madmax', ...staged).finished, undefined);
  const copied = [...staged, `Copy to /ssd/${NAME}.plot finished, took 70.2 sec, 1477 MB/s avg.`];
  t.match(factsOfText('madmax', ...copied), { finished: true, dest_dir: '/ssd', copy_time: 70.2 });
  const inPlace = factsOfText('madmax', ...madmax('Final Directory: /ssd/'));
  t.match(inPlace, { finished: true, dest_dir: '/ssd', dest_file_name: `${NAME}.plot` });
  const direct = factsOfText('madmax', ...madmax('Final Directory: /farm/', 'Stage Directory: /ssd/'));
  t.equal(direct.finished, undefined, 'with -D the log does not tell where the plot is');
});

t.test('madMAx says what its command line lacks', async (t) => {
  const line = 'Farmer Public Key (48 bytes) needs to be specified via -f, see `chia keys show`.';
  t.equal(factsOfText('madmax', line).failed, line);
});

t.test('another plot of the same process tells no more than that there is one', async (t) => {
  const first = [
    `Generating plot 1: ${ID}`,
    'Running Phase 1',
    'Finished plotting in 99.00 seconds (1.6 minutes).',
  ];
  const news = newsOfText('bladebit', [
    ...first,
    `Generating plot 2: ${OTHER}`,
    'Finished F1 generation in 6.43 seconds.',
    `Plot /farm/1/${NAME}.plot finished writing to disk:`,
    'Running Phase 2',
    `Plot /farm/1/plot-k32-2022-11-09-10-30-${OTHER}.plot finished writing to disk:`,
  ]);
  t.match(news[3], { notice: `its plotter has begun another plot, ${OTHER}` });
  t.same(news[4], {});
  t.match(news[5], { finished: true, dest_file_name: `${NAME}.plot` });
  t.same(news.slice(6), [{}, {}]);
  for (const [format, line] of [
    ['chia', '2023-09-24T10:50:53.123 2.1.1 chia.plotting.create_plots: INFO     Starting plot 1/3'],
    ['bladebit', ' Will create plots indefinitely.'],
    ['madmax', 'Number of Plots: infinite'],
  ] as const)
    t.match(factsOfText(format, line).notice, /asks for (3 plots|plots without end) by one process/, line);
  t.equal(factsOfText('bladebit', 'Creating 1 plots:').notice, undefined);
});

t.test('what a plotter waits for is told once, whatever the numbers, until it gets on', async (t) => {
  const parser = createParser('chia');
  const full = (bucket: number) =>
    parser.feed(
      `Only wrote ${bucket} of 262144 bytes to "/t/b${bucket}.tmp". Error 1. Retrying in five minutes.`,
    );
  const shut = (table: number) =>
    parser.feed(`Could not open /t/table${table}.tmp: Stale file handle. Retrying in five minutes.`);
  const told = [full(1), shut(1), full(2), shut(2), full(3)].map(({ waiting }) => waiting !== undefined);
  t.same(told, [true, true, false, false, false]);
  parser.feed('Computing table 1');
  t.match(parser.feed('F1 complete, time: 9 seconds. CPU (90.5%) now'), { waiting: '' });
  t.match(full(4), { waiting: /b4\.tmp/ });
});

t.test('the last lines of a log are sentences, not the stack behind them', async (t) => {
  const last = new LastLines();
  for (const line of [
    'Traceback (most recent call last):',
    '  File "/opt/chia/create_plots.py", line 55, in create_plots',
    '    plotter.create_plot_disk(',
    '    ^^^^^^^^^^^^^^^^^^^^^^^^^',
    'MemoryError',
    '',
    'Segmentation fault in thread 7',
    './plotter(_ZN7SysHost14DumpStackTraceEv+0x10)[0x550000001000]',
    '/lib/x86_64-linux-gnu/libc.so.6(+0x10) [0x7f0000001000]',
    '[0x7ffd1000]',
    '#0  0x00007f0000001000 in main () at main.cpp:10',
  ])
    last.note(line);
  t.same(last.list(), ['MemoryError', 'Segmentation fault in thread 7']);
  t.equal(factsOfText('chia', 'Traceback (most recent call last):', 'MemoryError').failed, 'MemoryError');
});
