/**
 * The processes of a plot, found in four ways. It and whatever it starts carry a mark in their environment. It leads a
 * session, for those that have cleared that. It has children, and they have, for those that have left the session: who was
 * seen as one while its parent lived stays known. It has a cgroup of its own where one could be made, for those whose
 * parents are gone before anybody has looked.
 *
 * Guarantees: a signal goes to processes of that plot and to no other, whoever has their pids meanwhile. Without a cgroup
 * one may remain that clears its environment, leaves the session and loses its parent between two looks.
 */

import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import { Backoff, wait } from '../base/backoff.js';
import type { Clock } from '../base/clock.js';
import { identifyProcess, isAlive, type ProcessIdentity } from '../base/process-identity.js';
import { systemErrorCode } from '../base/system-error.js';
import { plotCgroups, processesInCgroup, removePlotCgroup } from './cgroup.js';
import { type ProcessTable, pids, readProcesses, sessionOf } from './process-table.js';

/** Its value is the path of the plot's record, which is one per plot on a machine. */
export const PLOT_VARIABLE = 'OWL_PLOT';

/** Told of every process that could not be signalled, also again and again. */
type OnRefused = (pid: number, error: unknown) => void;

/** Sends a signal to the plotter's group. False when the plotter is not alive any more. */
export function signalPlotter(plotter: ProcessIdentity, signal: NodeJS.Signals): boolean {
  // A living leader keeps its pid, so the group of that number is its own; -1 would be everybody.
  return plotter.pid > 1 && isAlive(plotter) && kill(-plotter.pid, signal);
}

export interface EndPlotterOptions {
  readonly plotter: ProcessIdentity;
  /** Looked at before the plotter goes. */
  readonly family: PlotterFamily;
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborts when the plotter has ended. */
  readonly signal: AbortSignal;
  readonly onRefused: OnRefused;
}

/** SIGTERM, after the grace SIGKILL, and that again until the signal aborts. Never rejects. */
export async function endPlotter(options: EndPlotterOptions): Promise<void> {
  const { plotter, family, graceMs, clock, logger, signal, onRefused } = options;
  const attempt = (act: () => void): void => {
    try {
      act();
    } catch (error) {
      onRefused(plotter.pid, error);
    }
  };
  attempt(() => family.look());
  attempt(() => {
    signalPlotter(plotter, 'SIGTERM');
    // One that is suspended has to wake up to hear it.
    signalPlotter(plotter, 'SIGCONT');
  });
  await wait(clock, graceMs, signal);
  if (!signal.aborted) logger.warn({ graceMs }, 'the plotter did not end on SIGTERM; killing it');
  const backoff = new Backoff({ firstMs: 1_000, longestMs: 60_000 });
  while (!signal.aborted) {
    attempt(() => signalPlotter(plotter, 'SIGKILL'));
    await wait(clock, backoff.next(), signal);
  }
}

/**
 * Who belongs to a plotter. The number of its session is its pid, which another process may get, and lead a session with,
 * once the session is empty: it is certain whose it is as long as somebody lives in it who is known to belong to the
 * plotter. A parent's pid is certain while the parent lives. So look while the plotter lives, and now and then.
 */
export class PlotterFamily {
  private readonly plotter: ProcessIdentity;
  private readonly cgroups: readonly string[];
  private known: readonly ProcessIdentity[];

  /** @param cgroups where only processes of this plot are */
  constructor(plotter: ProcessIdentity, cgroups: readonly string[] = []) {
    this.plotter = plotter;
    this.cgroups = cgroups;
    this.known = [plotter];
  }

  /** @returns those that are alive, apart from the plotter. */
  look(table: ProcessTable = readProcesses()): ProcessIdentity[] {
    const number = this.plotter.pid;
    const living = this.known.filter(isAlive);
    // Asked after the table was read: who belongs to it now has belonged to it then, for nobody comes back to a session.
    const isCertain = living.some((one) => sessionOf(one.pid) === number && isAlive(one));
    const members = isCertain ? [...living, ...(table.bySession.get(number) ?? [])] : living;
    this.known = withDescendants([...members, ...this.cgroups.flatMap(processesInCgroup)], table);
    return this.known.filter(({ pid }) => pid !== number);
  }
}

/** Those of them that live, and their children, and theirs. */
function withDescendants(members: readonly ProcessIdentity[], table: ProcessTable): ProcessIdentity[] {
  const found = new Map<number, ProcessIdentity>();
  const waiting: ProcessIdentity[] = [...members];
  // Grows while it is gone through.
  for (const next of waiting) {
    // Alive after the table was read, so its pid was its own when its children were listed.
    if (found.has(next.pid) || !isAlive(next)) continue;
    const { bootId, pid, startTime } = next;
    found.set(pid, { bootId, pid, startTime });
    waiting.push(...(table.byParent.get(pid) ?? []));
  }
  return [...found.values()];
}

/** Every living process that carries the plot's mark. Reads all of /proc, so ask when a plot ends, not in a loop. */
export function findPlotProcesses(recordPath: string): ProcessIdentity[] {
  const mark = `${PLOT_VARIABLE}=${recordPath}`;
  return pids().flatMap((pid) => {
    if (!carries(pid, mark)) return [];
    return identifyProcess(pid) ?? [];
  });
}

export interface EndRestOptions {
  /** Default: they are found by their mark and their cgroup alone. */
  readonly family?: PlotterFamily;
  /** As the record has it. */
  readonly cgroup?: string | undefined;
  /** Default: what can't be killed is an error. */
  readonly onRefused?: OnRefused;
}

/** Kills every process of the plot. Comes back when none is alive, with how many there were, or when the signal aborts. */
export async function endPlotProcesses(
  recordPath: string,
  clock: Clock,
  signal: AbortSignal,
  { family, cgroup, onRefused = raise }: EndRestOptions = {},
): Promise<number> {
  const backoff = new Backoff({ firstMs: 5, longestMs: 2_000 });
  const ended = new Set<number>();
  const cgroups = plotCgroups(recordPath, cgroup);
  for (;;) {
    const found = [
      ...findPlotProcesses(recordPath),
      ...cgroups.flatMap(processesInCgroup),
      ...(family?.look() ?? []),
    ];
    const left = unique(found).filter(({ pid }) => pid > 1 && pid !== process.pid);
    if (left.length === 0) cgroups.forEach(removePlotCgroup);
    if (left.length === 0 || signal.aborted) return ended.size;
    for (const { pid } of left) {
      ended.add(pid);
      try {
        kill(pid, 'SIGKILL');
      } catch (error) {
        onRefused(pid, error);
      }
    }
    await wait(clock, backoff.next(), signal);
  }
}

function raise(_pid: number, error: unknown): never {
  throw error;
}

function unique(processes: readonly ProcessIdentity[]): ProcessIdentity[] {
  return [...new Map(processes.map((one) => [one.pid, one])).values()];
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
