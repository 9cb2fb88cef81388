/**
 * The processes of a plot. A plotter leads a process group, and it and whatever it starts carry a mark in their
 * environment: so a plot's processes are found even when the plotter is dead or was started by a keeper that is.
 *
 * Guarantee: a signal goes to processes of that plot and to no other, whoever has their pids meanwhile.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { Backoff, wait } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { identifyProcess, isAlive, type ProcessIdentity } from '../runtime/process-identity.js';
import { systemErrorCode } from '../runtime/system-error.js';

/** Its value is the path of the plot's record, which is one per plot on a machine. */
export const PLOT_VARIABLE = 'OWL_PLOT';

/** Sends a signal to the plotter's group. False when the plotter is not alive any more. */
export function signalPlotter(plotter: ProcessIdentity, signal: NodeJS.Signals): boolean {
  // A living leader keeps its pid, so the group of that number is its own.
  return isAlive(plotter) && kill(-plotter.pid, signal);
}

/** Every living process that carries the plot's mark. Reads all of /proc, so ask when a plot ends, not in a loop. */
export function findPlotProcesses(recordPath: string): ProcessIdentity[] {
  const mark = `${PLOT_VARIABLE}=${recordPath}`;
  return pids().flatMap((pid) => {
    if (!carries(pid, mark)) return [];
    return identifyProcess(pid) ?? [];
  });
}

/** Kills every process of the plot. Comes back when none is alive, with how many there were, or when the signal aborts. */
export async function endPlotProcesses(
  recordPath: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<number> {
  const backoff = new Backoff({ firstMs: 5, longestMs: 500 });
  const ended = new Set<number>();
  for (;;) {
    const left = findPlotProcesses(recordPath);
    if (left.length === 0 || signal.aborted) return ended.size;
    for (const { pid } of left) {
      kill(pid, 'SIGKILL');
      ended.add(pid);
    }
    await wait(clock, backoff.next(), signal);
  }
}

function pids(): number[] {
  return readdirSync('/proc').flatMap((name) => (/^[0-9]+$/.test(name) ? Number(name) : []));
}

function carries(pid: number, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(mark);
  } catch {
    // Another user's process, or one that has just ended.
    return false;
  }
}

function kill(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (systemErrorCode(error) === 'ESRCH') return false;
    throw error;
  }
}
