/** Processor time of other processes, as the kernel counts it: in hundredths of a second. */

import { readdirSync, readFileSync } from 'node:fs';

/** Places in /proc/PID/stat, counted from 0 behind the name in parentheses; see proc(5). */
const PARENT = 1;
const GROUP = 2;
const OWN = [11, 12] as const;
const OF_CHILDREN = [13, 14] as const;
const TICKS_PER_SECOND = 100;

/** Seconds. */
export interface CpuTime {
  readonly all: number;
  /** What of it was spent in the kernel. */
  readonly inKernel: number;
}

/** Of all threads of a process, and of the children that it has waited for. */
export function cpuTimesOf(pid: number): { readonly own: CpuTime; readonly ofChildren: CpuTime } {
  const fields = statOf(pid);
  const time = ([user, kernel]: readonly [number, number]): CpuTime => ({
    all: (Number(fields[user]) + Number(fields[kernel])) / TICKS_PER_SECOND,
    inKernel: Number(fields[kernel]) / TICKS_PER_SECOND,
  });
  return { own: time(OWN), ofChildren: time(OF_CHILDREN) };
}

/** Seconds, of all processes of a group. */
export function cpuSecondsOfGroup(leader: number): number {
  let sum = 0;
  for (const pid of readdirSync('/proc').map(Number)) {
    if (!Number.isInteger(pid)) continue;
    try {
      if (Number(statOf(pid)[GROUP]) === leader) sum += cpuTimesOf(pid).own.all;
    } catch {
      // It has ended meanwhile.
    }
  }
  return sum;
}

/** The child of a process whose command line has that word in it. @throws Error when there is none */
export function childOf(parent: number, word: string): number {
  for (const pid of readdirSync('/proc').map(Number)) {
    if (!Number.isInteger(pid)) continue;
    try {
      if (Number(statOf(pid)[PARENT]) !== parent) continue;
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(word)) return pid;
    } catch {
      // It has ended meanwhile.
    }
  }
  throw new Error(`process ${parent} has no child with ${word} in its command line`);
}

function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}
