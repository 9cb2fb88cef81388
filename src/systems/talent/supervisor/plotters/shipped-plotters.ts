/** The plotters that owl knows without being told, as their own documentation has their options and the room they take. */

import type { PlotterDeclaration } from './plotters.js';

/** chiapos and chia name all temp files `<plot's file>.<something>.tmp`. */
const CHIAPOS_TEMP = ['plot-k{ksize}-*{plot_id}.plot.*tmp'];

/** What all bladebits are told before what they are to do. */
const BLADEBIT_KEYS: PlotterDeclaration['argv'] = [
  ...['-n', '1', '-t', '{threads}', '-f', '{fpk}'],
  ...[
    ['-p', '{ppk}'],
    ['-c', '{contract}'],
  ],
];
/** As all of them name the plot in the making. */
const BLADEBIT_TEMP = 'plot-k{ksize}-*-{plot_id}.plot.tmp';
/** Tables, marks, and what it sorts by, of versions 2 (`fx_0_…`) and 3. */
const DISKPLOT_TEMP = [
  ...['t1_0.tmp', 't2_0.tmp', 't3_0.tmp', 't4_0.tmp', 't5_0.tmp', 't6_0.tmp', 't7_0.tmp'],
  ...['map{number}_{number}.tmp', 'table_{number}_marks_{number}.tmp', 'lp_{number}.tmp'],
  ...['lp_map_{number}_{number}.tmp', 'fx_{number}_{number}.tmp'],
  ...['y{number}_{number}.tmp', 'index{number}_{number}.tmp', 'meta{number}_{number}.tmp'],
];
/** It reuses them from one plot to the next and removes none. */
const CUDAPLOT_TEMP = [
  ...['table_l_{number}.tmp', 'table_r_{number}.tmp', 'p1y-p3index.tmp', 'p1meta-p3rmap.tmp'],
  ...['p1unsortedx-p1lpairs-p3lp-p3-lmap.tmp', 'p1unsorted_r.tmp'],
];
/** Levels 1 to 7, as its documentation has them. */
const BLADEBIT_COMPRESSED_GIB = [87.5, 86, 84.4, 82.8, 81.2, 79.6, 78];

export const SHIPPED_PLOTTERS: readonly PlotterDeclaration[] = [
  {
    name: 'chia',
    versions: 'chia 1 and 2 (chia plots create)',
    argv: [
      ...['chia', 'plots', 'create', '-n', '1', '-k', '{ksize}', '-r', '{threads}', '-b', '{buffer}'],
      ...['-t', '{cache1}', '-2', '{cache2}', '-d', '{dest}', '-x'],
      ...[
        ['-f', '{fpk}'],
        ['-p', '{ppk}'],
        ['-c', '{contract}'],
      ],
    ],
    format: 'chia',
    temp: CHIAPOS_TEMP,
    fills: ['cache', 'dest'],
    // Where its configuration is, if not below HOME.
    environment: ['CHIA_ROOT'],
  },
  {
    name: 'chiapos',
    versions: 'chiapos 1 and 2 (ProofOfSpace create)',
    argv: [
      ...['ProofOfSpace', 'create', '-k', '{ksize}', '-r', '{threads}', '-u', '{buckets}'],
      ...['-s', '{stripe_size}', '-b', '{buffer}', '-t', '{cache1}', '-2', '{cache2}', '-d', '{dest}'],
      ...['-f', '{file_name}', '-i', '{plot_id}', ['-m', '{memo}']],
    ],
    format: 'chiapos',
    temp: CHIAPOS_TEMP,
    fills: ['cache', 'dest'],
  },
  madmax({
    name: 'madmax',
    versions: 'madMAx chia_plot, from its first versions with options (June 2021) to 1.1.8',
    program: 'chia_plot',
    largest_k: 32,
  }),
  madmax({
    name: 'madmax-k34',
    versions: 'madMAx chia_plot_k34, 1.1.7 and 1.1.8',
    program: 'chia_plot_k34',
    largest_k: 34,
  }),
  bladebit({
    name: 'bladebit',
    versions: 'bladebit 1, which plots in memory',
    argv: ['bladebit', ...BLADEBIT_KEYS, '{dest}'],
  }),
  bladebit({
    name: 'bladebit-ramplot',
    versions: 'bladebit 2 and 3, ramplot; compressed since 3',
    argv: ['bladebit', ...BLADEBIT_KEYS, ['-z', '{compression}'], 'ramplot', '{dest}'],
    compressed_k32_gib: BLADEBIT_COMPRESSED_GIB,
  }),
  bladebit({
    name: 'bladebit-diskplot',
    versions: 'bladebit 2 and 3, diskplot',
    argv: ['bladebit', ...BLADEBIT_KEYS, 'diskplot', '-t1', '{cache1}', '-t2', '{cache2}', '{dest}'],
    fills: ['cache', 'dest'],
    // Of 480 GiB in all, what it reads and writes again and again is 192.
    k32_gib: { cache1: 288, cache2: 192, caches: 480 },
    temp: [BLADEBIT_TEMP, ...DISKPLOT_TEMP],
    max_per_cache: 1,
  }),
  bladebit({
    name: 'bladebit-cudaplot',
    versions: 'bladebit 3, cudaplot in memory (bladebit_cuda)',
    argv: ['bladebit_cuda', ...BLADEBIT_KEYS, ['-z', '{compression}'], 'cudaplot', '{dest}'],
    compressed_k32_gib: BLADEBIT_COMPRESSED_GIB,
  }),
  bladebit({
    name: 'bladebit-cudaplot-128',
    versions: 'bladebit 3.1, cudaplot with tables on disk (bladebit_cuda, --disk-128)',
    argv: [
      ...['bladebit_cuda', ...BLADEBIT_KEYS, '-z', '{compression}'],
      ...['cudaplot', '--disk-128', '-t1', '{cache1}', '-t2', '{cache2}', '{dest}'],
    ],
    fills: ['cache', 'dest'],
    // 8 bytes an entry for the first table and 6 for each of the five after it; what is not sorted yet, 8.
    k32_gib: { cache1: 155, cache2: 33 },
    temp: [BLADEBIT_TEMP, ...CUDAPLOT_TEMP],
    max_per_cache: 1,
    compressed_k32_gib: BLADEBIT_COMPRESSED_GIB,
  }),
  {
    name: 'player',
    // For trying things out.
    versions: 'no plotter: it plays the log of a real plot within a minute, and makes none',
    argv: [
      ...['{node}', '{player}', '--log', '{recording}', '--seconds', '60'],
      ...['-t', '{cache1}', '-2', '{cache2}', '-d', '{dest}', '-i', '{plot_id}'],
    ],
    format: 'madmax',
    temp: ['plot-k{ksize}-*-{plot_id}.*tmp'],
    fills: [],
  },
];

/** The two programs differ in the largest k only. */
function madmax({
  program,
  ...its
}: Pick<PlotterDeclaration, 'name' | 'versions' | 'largest_k'> & {
  readonly program: string;
}): PlotterDeclaration {
  return {
    ...its,
    // It insists on the slash behind directories. Its first versions make k32 only and ignore -k.
    argv: [
      ...[program, '-n', '1', '-k', '{ksize}', '-r', '{threads}'],
      ...['-t', '{cache1}/', '-2', '{cache2}/', '-d', '{dest}/', '-f', '{fpk}'],
      ...[
        ['-p', '{ppk}'],
        ['-c', '{contract}'],
      ],
    ],
    format: 'madmax',
    temp: ['plot-k{ksize}-*-{plot_id}.*tmp'],
    fills: ['cache', 'dest'],
    k32_gib: { cache1: 220, cache2: 110, caches: 256 },
  };
}

/** All of them make k32 only, in the destination itself. */
function bladebit(
  its: Pick<PlotterDeclaration, 'name' | 'versions' | 'argv'> & Partial<PlotterDeclaration>,
): PlotterDeclaration {
  return {
    ...{ format: 'bladebit', temp: [BLADEBIT_TEMP] },
    ...{ fills: ['dest'], smallest_k: 32, largest_k: 32 },
    ...its,
  };
}
