/**
 * A kept process and what it has started, found in four ways. It and whatever it starts carry a mark in their environment.
 * It leads a session, for those that have cleared that. It has children, and they have, for those that have left the
 * session: who was seen as one while its parent lived stays known. It has a cgroup of its own where one could be made, for
 * those whose parents are gone before anybody has looked.
 *
 * Guarantees: a signal goes to processes of that family and to no other, whoever has their pids meanwhile. Without a cgroup
 * one may remain that clears its environment, leaves the session and loses its parent between two looks.
 */

import { Backoff, wait } from '../base/backoff.js';
import type { Clock } from '../base/clock.js';
import { currentBootId, identifyProcess, isAlive, type ProcessIdentity } from '../base/process-identity.js';
import { systemErrorCode } from '../base/system-error.js';
import { cgroupsOf, processesInCgroup, removeCgroup } from './cgroup.js';
import { carries, environmentOf, lookAtProcesses } from './process-look.js';
import { type ProcessTable, pids, readProcesses, sessionOf } from './process-table.js';
import type { ProcessMark } from './records/process-kind.js';

/** Told of every process that could not be signalled, also again and again. */
type OnRefused = (pid: number, error: unknown) => void;

/** Sends a signal to the group that a process leads. False when the process is not alive any more. */
export function signalGroup(leader: ProcessIdentity, signal: NodeJS.Signals): boolean {
  // A living leader keeps its pid, so the group of that number is its own; -1 would be everybody.
  return leader.pid > 1 && isAlive(leader) && kill(-leader.pid, signal);
}

export interface EndGroupOptions {
  readonly leader: ProcessIdentity;
  /** Looked at before the leader goes. */
  readonly family: ProcessFamily;
  /** Of all processes as they are now. Default: it is read. */
  readonly table?: ProcessTable;
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  /** Aborts when the grace is over before its time. */
  readonly hurry?: AbortSignal;
  readonly clock: Clock;
  /** It did not end on SIGTERM. */
  readonly onKill: () => void;
  /** Aborts when the leader has ended. */
  readonly signal: AbortSignal;
  readonly onRefused: OnRefused;
}

/** SIGTERM, after the grace SIGKILL, and that again until the signal aborts. Never rejects. */
export async function endGroup(options: EndGroupOptions): Promise<void> {
  const { leader, family, table, graceMs, hurry, clock, onKill, signal, onRefused } = options;
  const attempt = (act: () => void): void => {
    try {
      act();
    } catch (error) {
      onRefused(leader.pid, error);
    }
  };
  attempt(() => family.look(table));
  attempt(() => {
    signalGroup(leader, 'SIGTERM');
    // One that is suspended has to wake up to hear it.
    signalGroup(leader, 'SIGCONT');
  });
  await wait(clock, graceMs, hurry === undefined ? signal : AbortSignal.any([signal, hurry]));
  if (!signal.aborted) onKill();
  const backoff = new Backoff({ firstMs: 1_000, longestMs: 60_000 });
  while (!signal.aborted) {
    attempt(() => signalGroup(leader, 'SIGKILL'));
    await wait(clock, backoff.next(), signal);
  }
}

/**
 * Who belongs to a process. The number of its session is its pid, which another process may get, and lead a session with,
 * once the session is empty: it is certain whose it is as long as somebody lives in it who is known to belong to it. A
 * parent's pid is certain while the parent lives. So look while the process lives, and now and then.
 */
export class ProcessFamily {
  private readonly leader: ProcessIdentity;
  private readonly cgroups: readonly string[];
  private known: readonly ProcessIdentity[];

  /** @param cgroups where only processes of this family are */
  constructor(leader: ProcessIdentity, cgroups: readonly string[] = []) {
    this.leader = leader;
    this.cgroups = cgroups;
    this.known = [leader];
  }

  /** When the leader was started, as the kernel writes it; 0 where that is of another boot. */
  get since(): number {
    const { bootId, startTime } = this.leader;
    return bootId === currentBootId() ? Number(startTime) : 0;
  }

  /** @returns those that are alive, apart from the leader. */
  look(table: ProcessTable = readProcesses()): ProcessIdentity[] {
    const number = this.leader.pid;
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

/** Every living process that carries the mark. Reads all of /proc, so ask when a process ends, not in a loop. */
export function findMarked(mark: ProcessMark): ProcessIdentity[] {
  return pids().flatMap((pid) => {
    if (!carries(environmentOf(pid), mark)) return [];
    return identifyProcess(pid) ?? [];
  });
}

export interface EndRestOptions {
  /** Default: they are found by their mark and their cgroup alone. */
  readonly family?: ProcessFamily;
  /** As the record has it. */
  readonly cgroup?: string | undefined;
  /** Whether its cgroup stays, for whoever removes it later. */
  readonly keepsCgroup?: boolean;
  /** Default: what can't be killed is an error. */
  readonly onRefused?: OnRefused;
}

/**
 * Kills every process of that mark. Comes back when none is alive, with how many there were, or when the signal aborts. Those whose
 * processes end at one moment share a look at all there are.
 */
export async function endMarked(
  mark: ProcessMark,
  clock: Clock,
  signal: AbortSignal,
  { family, cgroup, keepsCgroup = false, onRefused = raise }: EndRestOptions = {},
): Promise<number> {
  const backoff = new Backoff({ firstMs: 5, longestMs: 2_000 });
  const ended = new Set<number>();
  const cgroups = cgroupsOf(mark, cgroup);
  for (;;) {
    const look = await lookAtProcesses(family?.since);
    const members = [...cgroups.flatMap(processesInCgroup), ...(family?.look(look) ?? [])];
    const found = [...look.marked(mark), ...members];
    const left = unique(found).filter(({ pid }) => pid > 1 && pid !== process.pid);
    if (left.length === 0 && !keepsCgroup) cgroups.forEach(removeCgroup);
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

function kill(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (systemErrorCode(error) === 'ESRCH') return false;
    throw error;
  }
}
