/**
 * The processes of a plot. A plotter leads a process group and a session, and it and whatever it starts carry a mark in
 * their environment: so a plot's processes are found even when the plotter is dead or was started by a keeper that is, and
 * those that have cleared their environment by the session.
 *
 * Guarantee: a signal goes to processes of that plot and to no other, whoever has their pids meanwhile.
 */

import { readdirSync, readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import { Backoff, wait } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { identifyProcess, isAlive, type ProcessIdentity } from '../runtime/process-identity.js';
import { systemErrorCode } from '../runtime/system-error.js';

/** Its value is the path of the plot's record, which is one per plot on a machine. */
export const PLOT_VARIABLE = 'OWL_PLOT';

/** Where the session stands in /proc/PID/stat, counted from 0 behind the name in parentheses; see proc(5). */
const SESSION_FIELD = 3;

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
  readonly session: PlotterSession;
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
  const { plotter, session, graceMs, clock, logger, signal, onRefused } = options;
  const attempt = (act: () => void): void => {
    try {
      act();
    } catch (error) {
      onRefused(plotter.pid, error);
    }
  };
  attempt(() => session.look());
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

/** Pids by session, of all processes there are. */
export type Sessions = ReadonlyMap<number, readonly number[]>;

/** Reads all of /proc: once for all plots. */
export function readSessions(): Sessions {
  const sessions = new Map<number, number[]>();
  for (const pid of pids()) {
    const session = sessionOf(pid);
    if (session !== undefined) sessions.set(session, [...(sessions.get(session) ?? []), pid]);
  }
  return sessions;
}

/**
 * Who belongs to the session of a plotter. Its number is the plotter's pid, which another process may get, and lead a
 * session with, once the session is empty: it is certain whose it is as long as somebody lives in it who is known to
 * belong to the plotter. So look while the plotter lives, and now and then.
 */
export class PlotterSession {
  private readonly plotter: ProcessIdentity;
  private known: readonly ProcessIdentity[];

  constructor(plotter: ProcessIdentity) {
    this.plotter = plotter;
    this.known = [plotter];
  }

  /** @returns those that are alive, apart from the plotter. */
  look(sessions: Sessions = readSessions()): ProcessIdentity[] {
    const number = this.plotter.pid;
    const found = (sessions.get(number) ?? []).flatMap((pid) => identifyMember(pid, number) ?? []);
    const living = this.known.filter(isAlive);
    // Asked after those were found: who belongs to it now has belonged to it then, for nobody comes back to a session.
    const isCertain = living.some((one) => sessionOf(one.pid) === number && isAlive(one));
    this.known = isCertain ? unique([...living, ...found]) : living;
    return this.known.filter(({ pid }) => pid !== number);
  }
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
  /** Default: they are found by their mark alone. */
  readonly session?: PlotterSession;
  /** Default: what can't be killed is an error. */
  readonly onRefused?: OnRefused;
}

/** Kills every process of the plot. Comes back when none is alive, with how many there were, or when the signal aborts. */
export async function endPlotProcesses(
  recordPath: string,
  clock: Clock,
  signal: AbortSignal,
  { session, onRefused = raise }: EndRestOptions = {},
): Promise<number> {
  const backoff = new Backoff({ firstMs: 5, longestMs: 2_000 });
  const ended = new Set<number>();
  for (;;) {
    const left = unique([...findPlotProcesses(recordPath), ...(session?.look() ?? [])]);
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

/** Undefined when it is no member of that session. */
function identifyMember(pid: number, session: number): ProcessIdentity | undefined {
  const member = identifyProcess(pid);
  if (member === undefined || sessionOf(pid) !== session) return undefined;
  // Still the same: so that session was its own.
  return isAlive(member) ? member : undefined;
}

/** Undefined when it has ended. */
function sessionOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[SESSION_FIELD]);
  } catch {
    return undefined;
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
