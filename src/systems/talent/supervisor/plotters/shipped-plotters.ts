/** The plotters that owl knows without being told, as their own documentation has their options. */

import type { PlotterDeclaration } from './plotters.js';

/** chiapos and chia name all temp files `<plot's file>.<something>.tmp`. */
const CHIAPOS_TEMP = ['plot-k{ksize}-*{plot_id}.plot.*tmp'];

export const SHIPPED_PLOTTERS: readonly PlotterDeclaration[] = [
  {
    name: 'chia',
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
    argv: [
      ...['ProofOfSpace', 'create', '-k', '{ksize}', '-r', '{threads}', '-u', '{buckets}'],
      ...['-s', '{stripe_size}', '-b', '{buffer}', '-t', '{cache1}', '-2', '{cache2}', '-d', '{dest}'],
      ...['-f', '{file_name}', '-i', '{plot_id}', ['-m', '{memo}']],
    ],
    format: 'chiapos',
    temp: CHIAPOS_TEMP,
    fills: ['cache', 'dest'],
  },
  {
    name: 'madmax',
    // It insists on the slash behind directories. Its first versions make k32 only and ignore -k.
    argv: [
      ...['chia_plot', '-n', '1', '-k', '{ksize}', '-r', '{threads}'],
      ...['-t', '{cache1}/', '-2', '{cache2}/', '-d', '{dest}/', '-f', '{fpk}'],
      ...[
        ['-p', '{ppk}'],
        ['-c', '{contract}'],
      ],
    ],
    format: 'madmax',
    temp: ['plot-k{ksize}-*-{plot_id}.*tmp'],
    fills: ['cache', 'dest'],
  },
  {
    name: 'bladebit',
    // The first bladebit: all in memory, k32 only.
    argv: [
      ...['bladebit', '-n', '1', '-t', '{threads}', '-f', '{fpk}'],
      ...[['-p', '{ppk}'], ['-c', '{contract}'], '{dest}'],
    ],
    format: 'bladebit',
    temp: ['plot-k{ksize}-*-{plot_id}.plot.tmp'],
    fills: ['dest'],
  },
  {
    name: 'player',
    // For trying things out: plays the log of a real plot within a minute, and makes none.
    argv: [
      ...['{node}', '{player}', '--log', '{recording}', '--seconds', '60'],
      ...['-t', '{cache1}', '-2', '{cache2}', '-d', '{dest}', '-i', '{plot_id}'],
    ],
    format: 'madmax',
    temp: ['plot-k{ksize}-*-{plot_id}.*tmp'],
    fills: [],
  },
];
