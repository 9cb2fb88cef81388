/**
 * When the processes have started that were listed a moment ago, so that those who are older than all that is looked for are not read
 * again and again.
 *
 * Guarantee: what is told of a pid is true of who has it now. The kernel gives pids out in order and tells which was the last, so
 * those that were given out since the listing before are known, and none of them counts. Nothing counts once so much time has passed that
 * all of them may have been, nor where somebody is listed who should have been before.
 */

import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { KernelFile } from '../base/kernel-file.js';

/** More processes and threads than one core can start. */
const STARTED_IN_A_MS = 100;

/** The last that was given out, as far as it is known. Who asks may stand still meanwhile; monotonic milliseconds. */
export interface GivenPid {
  readonly pid: number | undefined;
  readonly askedAt: number;
  readonly answeredAt: number;
}

export class ProcessAges {
  /** From one listing to the next, at most. */
  readonly holdsMs: number;
  /** By pid, as the kernel writes it. */
  private readonly startTimes = new Map<number, number>();
  private last: GivenPid | undefined;

  /** @param most pids that there are */
  constructor(most = mostPids(), cores = cpus().length) {
    this.holdsMs = most / (Math.max(cores, 1) * STARTED_IN_A_MS);
  }

  /** All that are listed, and then which pid was given out last. To be called before they are read. */
  list(pids: readonly number[], given: GivenPid): void {
    const { last, startTimes } = this;
    const { pid: lastPid } = given;
    this.last = given;
    if (last?.pid === undefined || lastPid === undefined || given.answeredAt - last.askedAt >= this.holdsMs) {
      startTimes.clear();
      return;
    }
    const before = last.pid;
    const isNew = (pid: number) =>
      lastPid < before ? pid > before || pid <= lastPid : pid > before && pid <= lastPid;
    const listed = new Set(pids);
    for (const pid of startTimes.keys()) if (isNew(pid) || !listed.has(pid)) startTimes.delete(pid);
    if (pids.some((pid) => !startTimes.has(pid) && !isNew(pid))) startTimes.clear();
  }

  /** Whether no process can have been started in between. */
  nobodyCame({ pid, askedAt }: GivenPid, now: GivenPid): boolean {
    return pid !== undefined && pid === now.pid && now.answeredAt - askedAt < this.holdsMs;
  }

  /** @param startTime as the kernel writes it; undefined of one that has ended */
  note(pid: number, startTime: string | undefined): void {
    this.startTimes.set(pid, startTime === undefined ? Number.POSITIVE_INFINITY : Number(startTime));
  }

  /** Of one that is listed: false also where that is not known. */
  isOlder(pid: number, since: number): boolean {
    return (this.startTimes.get(pid) ?? Number.POSITIVE_INFINITY) < since;
  }
}

function mostPids(): number {
  try {
    return Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8'));
  } catch {
    return 0;
  }
}

const lastPidFile = new KernelFile('/proc/loadavg');

/** See /proc/loadavg in proc(5): the last number of the line. */
export function lastPidGiven(): GivenPid {
  const askedAt = performance.now();
  let line = '';
  try {
    line = lastPidFile.read();
  } catch {
    // Then it is not known.
  }
  const [, pid] = / (\d+)\n$/.exec(line) ?? [];
  return { pid: pid === undefined ? undefined : Number(pid), askedAt, answeredAt: performance.now() };
}
