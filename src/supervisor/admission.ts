/**
 * Which of the waiting tasks may start now. Pure: everything it goes by comes in.
 *
 * Guarantees: no start takes space that a running plot will still use, as far as its declaration and k tell; whoever has
 * to wait gets one sentence that says why, with a key that stays the same as long as the reason does, whatever the figures
 * in the sentence; a task that waits for space is not overtaken by later ones that need the same space.
 */

import type { PlotKey } from '../wire/plot-record.js';
import type { SpaceNeed } from './space-needs.js';

export interface AdmissionLimits {
  /** Plots at the same time. */
  readonly maxPlots: number;
  /** Plots at the same time with the same cache1 or cache2. */
  readonly maxPlotsPerCache: number;
  /** Between two starts. */
  readonly staggerMs: number;
}

export interface RunningPlot {
  readonly cache1: string;
  readonly cache2: string;
  /** What it will still use, at the most. */
  readonly needs: readonly SpaceNeed[];
}

export interface WaitingPlot extends PlotKey {
  readonly ksize: number;
  readonly cache1: string;
  readonly cache2: string;
  readonly dest_path: string;
  readonly needs: readonly SpaceNeed[];
}

export interface AdmissionState {
  readonly limits: AdmissionLimits;
  readonly draining: boolean;
  readonly running: readonly RunningPlot[];
  /** Bytes that are free now, by file system. */
  readonly free: ReadonlyMap<number, number>;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  /** When the last plot was started; undefined for never. */
  readonly lastStart: number | undefined;
}

export interface WaitReason {
  /** Equal keys: the same reason. */
  readonly key: string;
  /** For operators. */
  readonly sentence: string;
}

export interface Admission {
  readonly plot: WaitingPlot;
  /** Undefined: it may start. */
  readonly wait: WaitReason | undefined;
}

/** @param waiting in the order they were ordered; at most one of them is admitted */
export function admit(waiting: readonly WaitingPlot[], state: AdmissionState): Admission[] {
  const claimed = new Map<number, string>();
  let admitted = false;
  return waiting.map((plot) => {
    const lastStart = admitted ? state.now : state.lastStart;
    const wait =
      admitted && state.limits.staggerMs === 0 ? TURN : reasonToWait(plot, { ...state, lastStart }, claimed);
    if (wait === undefined) admitted = true;
    return { plot, wait };
  });
}

/** Not told to anyone: it is its turn as soon as the one before has started. */
const TURN: WaitReason = { key: 'turn', sentence: 'starts next' };

export function isTurn(reason: WaitReason): boolean {
  return reason === TURN;
}

/** @param claimed file systems that earlier tasks wait for, with the task; a wait for space is added */
function reasonToWait(
  plot: WaitingPlot,
  state: AdmissionState,
  claimed: Map<number, string>,
): WaitReason | undefined {
  const { limits, draining, running, now, lastStart } = state;
  if (draining) {
    return {
      key: 'draining',
      sentence: 'the supervisor is draining: what runs is finished, nothing new is started',
    };
  }
  if (running.length >= limits.maxPlots) {
    return {
      key: 'max_plots',
      sentence: `${running.length} plots run on this machine, as many as max_plots allows`,
    };
  }
  for (const cache of new Set([plot.cache1, plot.cache2])) {
    const users = running.filter(({ cache1, cache2 }) => cache1 === cache || cache2 === cache).length;
    if (users >= limits.maxPlotsPerCache) {
      return {
        key: `max_per_cache ${cache}`,
        sentence: `${users} plots use ${cache}, as many as max_per_cache allows`,
      };
    }
  }
  const shortage = plot.needs
    .map((need) => lackOf(plot, need, state, claimed))
    .find((lack) => lack !== undefined);
  if (shortage !== undefined) return shortage;
  if (lastStart !== undefined && now < lastStart + limits.staggerMs) {
    return {
      key: 'stagger',
      sentence: `plots start ${limits.staggerMs / 1000} s apart, and one has just started`,
    };
  }
  return undefined;
}

function lackOf(
  plot: WaitingPlot,
  { place, fileSystem, bytes }: SpaceNeed,
  { running, free }: AdmissionState,
  claimed: Map<number, string>,
): WaitReason | undefined {
  const path = place === 'dest' ? plot.dest_path : plot[place];
  const before = claimed.get(fileSystem);
  if (before !== undefined) {
    return {
      key: `behind ${before} ${place}`,
      sentence: `task ${before} was first to wait for space in ${place} ${path}`,
    };
  }
  const there = free.get(fileSystem) ?? 0;
  const promised = running
    .flatMap(({ needs }) => needs)
    .reduce((sum, need) => (need.fileSystem === fileSystem ? sum + need.bytes : sum), 0);
  if (there - promised >= bytes) return undefined;
  claimed.set(fileSystem, plot.task_id);
  const use = promised > 0 ? `, of which running plots will still use ${gib(promised)}` : '';
  return {
    key: `space ${place} ${path}`,
    sentence: `${place} ${path} has ${gib(there)} free${use}; a k${plot.ksize} plot needs ${gib(bytes)} there`,
  };
}

function gib(bytes: number): string {
  const value = bytes / 2 ** 30;
  return value >= 1 ? `${value.toFixed(1)} GiB` : `${(value * 1024).toFixed(1)} MiB`;
}
