/**
 * How much disk a plot takes, by its k.
 *
 * Source: Chia's documentation, "K Sizes" (docs.chia.net/k-sizes). It measures temp space for k32 to k35 and gives the size
 * of a plot as (2k + 1) · 2^(k-1) · 0.78005 bytes, which is 101.4 GiB at k32. Beyond the measured sizes temp space is taken
 * as 2.5 plots, a little more than the largest measured share (2.46); below k32, where chiapos' fixed costs weigh more, as
 * 4 plots (a k18 took 3.5). Below k25 a margin comes on top: what files take beside their entries, and by how much entries
 * vary by chance, is no small share of so little. All of this is for uncompressed plots, and for plotters whose declaration does
 * not say better (`k32_gib`, `compressed_k32_gib`, from their own documentation).
 */

import { finalBytes } from '../../log-receiver/plot-file.js';
import type { PlotterDeclaration } from '../plotters/plotters.js';

const GIB = 2 ** 30;
const MEASURED_TEMP_GIB: ReadonlyMap<number, number> = new Map([
  [32, 239],
  [33, 512],
  [34, 1041],
  [35, 2175],
]);
const TEMP_PER_PLOT = 2.5;
const TEMP_PER_SMALL_PLOT = 4;
/** The second temp directory holds the plot in the making: madMAx asks for 110 GiB at k32. */
const SECOND_TEMP_PER_PLOT = 1.085;

const SMALLEST_WITHOUT_MARGIN = 25;
/** A k18 of 0.004 GiB may have a fifth more than the rule says. */
const MARGIN = 1.2;

/** Bytes that a plot takes at its largest while it is made, in all its temp directories together. */
export function tempBytes(ksize: number): number {
  const measured = MEASURED_TEMP_GIB.get(ksize);
  if (measured !== undefined) return measured * GIB;
  const plots = ksize < 32 ? TEMP_PER_SMALL_PLOT : TEMP_PER_PLOT;
  return Math.ceil(finalBytes(ksize) * plots * marginOf(ksize));
}

function marginOf(ksize: number): number {
  return ksize < SMALLEST_WITHOUT_MARGIN ? MARGIN : 1;
}

/** For operators; in MiB where that says more. */
export function inGib(bytes: number): string {
  const value = bytes / GIB;
  return value >= 1 ? `${value.toFixed(1)} GiB` : `${(value * 1024).toFixed(1)} MiB`;
}

export type Place = 'cache1' | 'cache2' | 'dest';

export interface SpaceNeed {
  readonly place: Place;
  /** Which file system it is. */
  readonly fileSystem: number;
  /** At its largest. */
  readonly bytes: number;
  /** What stays of that when the plot is finished. */
  readonly stays: number;
}

type Parts = Readonly<Record<Place | 'caches', number>>;

/** What a declaration says of room. */
export type FillingPlotter = Pick<
  PlotterDeclaration,
  'fills' | 'k32_gib' | 'compression' | 'compressed_k32_gib'
>;

/**
 * What a plot needs on each file system, at its largest. One that serves as several places needs the largest of their
 * parts only: temp files are gone when the plot is moved to its destination, and within a file system it is renamed.
 * @param fileSystems by place; of one that is not known nothing is said
 */
export function spaceNeeds(
  ksize: number,
  plotter: FillingPlotter,
  fileSystems: Readonly<Record<Place, number | undefined>>,
): SpaceNeed[] {
  const { fills } = plotter;
  const parts = partsOf(ksize, plotter);
  const needs: SpaceNeed[] = [];
  const stayingOn = fills.includes('dest') ? fileSystems.dest : undefined;
  const add = (place: Place, bytes: number): void => {
    const fileSystem = fileSystems[place];
    if (fileSystem === undefined || needs.some((need) => need.fileSystem === fileSystem)) return;
    needs.push({ place, fileSystem, bytes, stays: fileSystem === stayingOn ? parts.dest : 0 });
  };
  if (fills.includes('cache')) {
    add('cache1', fileSystems.cache1 === fileSystems.cache2 ? parts.caches : parts.cache1);
    add('cache2', parts.cache2);
  }
  if (fills.includes('dest')) add('dest', Math.ceil(parts.dest * marginOf(ksize)));
  return needs;
}

/** Bytes by place, and of both caches together where they are one file system. */
function partsOf(
  ksize: number,
  { k32_gib = {}, compression = 0, compressed_k32_gib = [] }: FillingPlotter,
): Parts {
  const share = finalBytes(ksize) / finalBytes(32);
  const said = (gib: number | undefined) => (gib === undefined ? undefined : Math.ceil(gib * GIB * share));
  const usual = {
    caches: tempBytes(ksize),
    cache2: Math.ceil(finalBytes(ksize) * SECOND_TEMP_PER_PLOT * marginOf(ksize)),
  };
  // Fixed costs weigh more in a small plot than its share of a k32 tells.
  const cache = (gib: number | undefined, otherwise: number) => {
    const bytes = said(gib);
    return bytes === undefined ? otherwise : Math.max(bytes, ksize < 32 ? otherwise : 0);
  };
  const {
    cache1,
    cache2,
    caches = cache1 === undefined || cache2 === undefined ? cache1 : cache1 + cache2,
  } = k32_gib;
  return {
    cache1: cache(cache1, usual.caches),
    cache2: cache(cache2, usual.cache2),
    caches: cache(caches, usual.caches),
    dest: said(k32_gib.dest ?? compressed_k32_gib[compression - 1]) ?? finalBytes(ksize),
  };
}
