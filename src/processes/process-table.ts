/** All processes of this machine at one moment, as the kernel lists them: whose child each is, and of which session. */

import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { currentBootId, type ProcessIdentity } from '../base/process-identity.js';

/** Places in /proc/PID/stat, counted from 0 behind the name in parentheses; see proc(5). */
const STATE = 0;
const PARENT = 1;
const SESSION = 3;
/** Processor time in user and kernel mode, its own and that of the children that it has waited for. */
const CPU_TIMES = [11, 12, 13, 14];
const START_TIME = 19;
const RESIDENT_PAGES = 21;

const AT_PAGESZ = 6n;
const DEFAULT_PAGE_BYTES = 4096;

export interface ListedProcess extends ProcessIdentity {
  /** Pid of its parent when it was listed. */
  readonly parent: number;
  readonly session: number;
  /** Hundredths of a second of processor time, with that of the children that it has waited for. */
  readonly cpuTicks: number;
  /** What of it is in memory. */
  readonly residentBytes: number;
}

export interface ProcessTable {
  readonly bySession: ReadonlyMap<number, readonly ListedProcess[]>;
  readonly byParent: ReadonlyMap<number, readonly ListedProcess[]>;
}

/** Reads all of /proc: once for all families. Those that have ended and were not reaped are left out. */
export function readProcesses(): ProcessTable {
  return tableOf(pids().flatMap((pid) => readListed(pid) ?? []));
}

export function tableOf(processes: Iterable<ListedProcess>): ProcessTable {
  const bySession = new Map<number, ListedProcess[]>();
  const byParent = new Map<number, ListedProcess[]>();
  for (const found of processes) {
    put(bySession, found.session, found);
    put(byParent, found.parent, found);
  }
  return { bySession, byParent };
}

/** Of all that are listed: nothing else there is called by a number. */
export function pids(): number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (Number.isInteger(pid)) found.push(pid);
  }
  return found;
}

/** Undefined when it has ended. */
export function sessionOf(pid: number): number | undefined {
  return readListed(pid)?.session;
}

/** Undefined when it has ended. */
export function readListed(pid: number): ListedProcess | undefined {
  const stat = readStat(pid);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const startTime = fields[START_TIME];
  if (startTime === undefined || fields[STATE] === 'Z' || fields[STATE] === 'X') return undefined;
  return {
    bootId: currentBootId(),
    pid,
    startTime,
    parent: Number(fields[PARENT]),
    session: Number(fields[SESSION]),
    cpuTicks: CPU_TIMES.reduce((sum, place) => sum + Number(fields[place]), 0),
    residentBytes: Number(fields[RESIDENT_PAGES]) * pageBytes(),
  };
}

/** More than a line of that file can have: some fifty numbers and a name. */
const statLine = Buffer.allocUnsafeSlow(4096);

/** One reading of one file, so all of it is of one process. There are many of them, so each is read in the same place. */
function readStat(pid: number): string | undefined {
  let file: number;
  try {
    file = openSync(`/proc/${pid}/stat`, 'r');
  } catch {
    return undefined;
  }
  try {
    return statLine.toString('latin1', 0, readSync(file, statLine, 0, statLine.length, 0));
  } catch {
    // It has ended meanwhile.
    return undefined;
  } finally {
    closeSync(file);
  }
}

let knownPageBytes: number | undefined;

/** As the kernel has told this process in its auxiliary vector: pairs of eight bytes, of which type 6 is the size of a page. */
function pageBytes(): number {
  if (knownPageBytes !== undefined) return knownPageBytes;
  knownPageBytes = DEFAULT_PAGE_BYTES;
  try {
    const vector = readFileSync('/proc/self/auxv');
    for (let at = 0; at + 16 <= vector.length; at += 16)
      if (vector.readBigUInt64LE(at) === AT_PAGESZ) knownPageBytes = Number(vector.readBigUInt64LE(at + 8));
  } catch {
    // Not to be read here: most machines have pages of that size.
  }
  return knownPageBytes;
}

function put(lists: Map<number, ListedProcess[]>, key: number, found: ListedProcess): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [found]);
  else list.push(found);
}
