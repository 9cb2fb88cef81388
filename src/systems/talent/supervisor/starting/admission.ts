/**
 * Which of the waiting tasks may start now. Pure: everything it goes by comes in.
 *
 * Guarantees: no start takes space that a running plot will still use, as far as its declaration and k tell. Tasks start in
 * the order they were ordered, except that one that has to wait lets others pass where there is room for both: what the
 * first to wait for a cache or a file system needs is set aside for it (see books.ts), so nobody after it delays it.
 * Whoever has to wait gets one sentence that says why, with a key that stays the same as long as the reason does, whatever
 * the figures in the sentence and whoever else starts meanwhile.
 */

import type { PlotKey } from '../../machine/plot-record.js';
import type { PlotterDeclaration } from '../plotters/plotters.js';
import { Books } from './books.js';
import type { CacheDirectory, RunningPlot, SpaceUse } from './claims.js';
import { inGib, type Place } from './space-needs.js';

export interface AdmissionLimits {
  /** Plots at the same time. */
  readonly maxPlots: number;
  /** Plots at the same time with the same cache1 or cache2. */
  readonly maxPlotsPerCache: number;
  /** Between two starts. */
  readonly staggerMs: number;
}

/** As it is configured, and as the plotter can do with. */
export function limitsFrom(
  config: {
    readonly max_plots: number;
    readonly max_per_cache: number;
    readonly stagger_seconds: number;
  },
  { max_per_cache = config.max_per_cache }: Pick<PlotterDeclaration, 'max_per_cache'>,
): AdmissionLimits {
  return {
    maxPlots: config.max_plots,
    maxPlotsPerCache: Math.min(config.max_per_cache, max_per_cache),
    staggerMs: config.stagger_seconds * 1000,
  };
}

export interface SpaceWanted extends SpaceUse {
  readonly place: Place;
  readonly path: string;
  /** Bytes that are free on the file system now, and what it could hold if nothing were on it. */
  readonly free: number;
  readonly size: number;
}

export interface WaitingPlot extends PlotKey, RunningPlot {
  readonly ksize: number;
  readonly needs: readonly SpaceWanted[];
}

export interface AdmissionState {
  readonly limits: AdmissionLimits;
  readonly running: readonly RunningPlot[];
  /** Those that have ended, and whose caches have still to be cleared before another works there. Default: none. */
  readonly clearing?: readonly RunningPlot[];
  /** How long ago the last plot was started; Infinity for never. */
  readonly sinceLastStartMs: number;
}

export interface WaitReason {
  /** Equal keys: the same reason. */
  readonly key: string;
  /** For operators. */
  readonly sentence: string;
  /** It lies in what this task needs. */
  readonly isOwn?: boolean;
}

export interface Admission {
  readonly plot: WaitingPlot;
  /** Undefined: it may start. */
  readonly wait: WaitReason | undefined;
}

export const DRAINING: WaitReason = {
  key: 'draining',
  sentence: 'the supervisor is draining: what runs is finished, nothing new is started',
};

/** @param running how many plots run */
export function maxPlotsReason(running: number): WaitReason {
  const plots = running === 1 ? '1 plot runs' : `${running} plots run`;
  return { key: 'max_plots', sentence: `${plots} on this machine, as many as max_plots allows` };
}

const BEHIND_OTHERS: WaitReason = {
  key: maxPlotsReason(0).key,
  sentence: 'tasks ordered earlier start first, and with them there are as many plots as max_plots allows',
};

/** @param waiting in the order they were ordered. All that are admitted may start, in that order. */
export function admit(waiting: readonly WaitingPlot[], state: AdmissionState): Admission[] {
  const { limits, running, clearing = [] } = state;
  const books = new Books([...running, ...clearing]);
  let places = limits.maxPlots - running.length;
  let mayStart = !isTooSoon(state);
  return waiting.map((plot) => {
    const lack = reasonToWait(plot, limits, books);
    if (lack !== undefined) return { plot, wait: lack };
    if (places <= 0) return { plot, wait: BEHIND_OTHERS };
    // From here on it counts as running, also while it waits for the stagger: those after it are told what comes then.
    books.take(plot);
    places -= 1;
    if (!mayStart) return { plot, wait: staggerReason(limits) };
    mayStart = limits.staggerMs === 0;
    return { plot, wait: undefined };
  });
}

function isTooSoon({ limits, sinceLastStartMs }: AdmissionState): boolean {
  return sinceLastStartMs < limits.staggerMs;
}

function staggerReason({ staggerMs }: AdmissionLimits): WaitReason {
  return { key: 'stagger', sentence: `plots start ${staggerMs / 1000} s apart, and one has just started` };
}

/** Undefined: there is room. Otherwise what the plot must not lose to those after it is set aside. */
function reasonToWait(plot: WaitingPlot, limits: AdmissionLimits, books: Books): WaitReason | undefined {
  const tooLarge = plot.needs.find(({ bytes, size }) => bytes > size);
  if (tooLarge !== undefined) return neverReason(plot, tooLarge);
  const caches = plot.caches.filter((cache) => books.plotsWith(cache) >= limits.maxPlotsPerCache);
  const needs = plot.needs.filter((need) => leftOn(need, books) < need.bytes);
  const lasting = needs.filter((need) => need.free + books.gainOn(need) < need.bytes);
  const [reason] = [
    ...lasting.map((need) => spaceReason(plot, need, books)),
    ...caches.map((cache) => cacheReason(cache, limits)),
    ...needs.map((need) => spaceReason(plot, need, books)),
  ];
  if (lasting.length > 0) {
    // Only who moves files away can end this: until then nothing else needs to stand idle for it.
    const short = { caches: [], needs: lasting };
    books.setAside(short, short);
  } else if (reason !== undefined) books.setAside(plot, { caches, needs });
  return reason;
}

function leftOn(need: SpaceWanted, books: Books): number {
  return need.free - books.promisedToRunning(need) - books.promisedToEarlier(need);
}

function neverReason({ ksize }: WaitingPlot, { place, path, bytes, size }: SpaceWanted): WaitReason {
  return {
    key: `size ${place} ${path}`,
    isOwn: true,
    sentence: `${place} ${path} can hold ${inGib(size)} in all; a k${ksize} plot needs ${inGib(bytes)} there`,
  };
}

function cacheReason({ path }: CacheDirectory, { maxPlotsPerCache }: AdmissionLimits): WaitReason {
  return {
    key: `max_per_cache ${path}`,
    isOwn: true,
    sentence: `max_per_cache is ${maxPlotsPerCache}, and as many plots use ${path} or were ordered earlier`,
  };
}

function spaceReason({ ksize }: WaitingPlot, need: SpaceWanted, books: Books): WaitReason {
  const { place, path, bytes, free } = need;
  const running = books.promisedToRunning(need);
  const earlier = books.promisedToEarlier(need);
  const takers = [
    ...(running > 0 ? [`running plots will still use ${inGib(running)}`] : []),
    ...(earlier > 0 ? [`tasks ordered earlier need ${inGib(earlier)}`] : []),
  ];
  const but = takers.length === 0 ? '' : `, but ${takers.join(' and ')}`;
  return {
    key: `space ${place} ${path}`,
    isOwn: true,
    sentence: `${place} ${path} has ${inGib(free)} free${but}; a k${ksize} plot needs ${inGib(bytes)} there`,
  };
}
