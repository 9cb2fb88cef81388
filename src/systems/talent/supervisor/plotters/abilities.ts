/**
 * What a plotter can make by its declaration: which k, and how far compressed.
 *
 * Guarantee: an order for another k is refused before anything is started; a plotter that knows one k only would make that.
 */

import { OwlError } from '../../../../base/errors.js';
import type { PlotterDeclaration } from './declaration.js';

/** @throws OwlError kind `invalid` when it can't make plots of that k */
export function assertMakes(plotter: PlotterDeclaration, ksize: number): void {
  const { smallest_k = 0, largest_k = Number.POSITIVE_INFINITY } = plotter;
  if (ksize >= smallest_k && ksize <= largest_k) return;
  throw new OwlError(
    'invalid',
    `plotter ${plotter.name} makes ${ksizesOf(plotter)} only, and the order is for k${ksize}`,
  );
}

/** Why it can't make plots as far compressed as it is to, or not at all; undefined when it can. */
export function whyNotCompressed(plotter: PlotterDeclaration): string | undefined {
  const { name, argv, compression = 0, compressed_k32_gib: levels } = plotter;
  const isRequired = argv.some((element) => typeof element === 'string' && element.includes('{compression}'));
  if (compression === 0)
    return isRequired ? `plotter ${name} makes compressed plots only: set supervisor.compression` : undefined;
  if (!argv.flat().some((element) => element.includes('{compression}')))
    return `supervisor.compression is ${compression}, and plotter ${name} makes no compressed plots: its command line has no {compression}`;
  if (levels === undefined || compression <= levels.length) return undefined;
  return `supervisor.compression is ${compression}, and plotter ${name} has the levels 1 to ${levels.length}`;
}

/** What it is declared for, for people: versions, k, compression. */
export function describePlotter(plotter: PlotterDeclaration): string {
  const { versions = 'versions that its declaration does not name', compression = 0 } = plotter;
  const { smallest_k, largest_k } = plotter;
  return [
    versions,
    ...(smallest_k === undefined && largest_k === undefined ? [] : [ksizesOf(plotter)]),
    ...(compression === 0 ? [] : [`compressed to level ${compression}`]),
  ].join('; ');
}

function ksizesOf({ smallest_k: from, largest_k: to }: PlotterDeclaration): string {
  if (from === undefined) return `plots up to k${to}`;
  if (to === undefined) return `plots from k${from} on`;
  return from === to ? `k${from}` : `k${from} to k${to}`;
}
