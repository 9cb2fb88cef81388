/**
 * A process is a boot id, a pid and a start time (rule 9 of the architecture): a pid alone may have been given to another
 * process meanwhile, after a restart of the machine in particular.
 */

import { readFileSync } from 'node:fs';
import { systemErrorCode } from './system-error.js';

/** Numbers of the fields in proc(5). */
const STATE_FIELD = 3;
const STARTTIME_FIELD = 22;

export interface ProcessIdentity {
  /** The kernel's id of this boot. */
  readonly bootId: string;
  readonly pid: number;
  /** Clock ticks between boot and the start of the process, as the kernel writes them. */
  readonly startTime: string;
}

/**
 * Who has this pid now; undefined when nobody has, or only a process that has ended and was not reaped yet. Also undefined
 * where there is no /proc to ask: processes can be identified on Linux only.
 */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  return identify(pid, false);
}

/** The same for a child of this process, which has its pid until this process has taken note of its end. */
export function identifyChild(pid: number): ProcessIdentity | undefined {
  return identify(pid, true);
}

function identify(pid: number, evenIfEnded: boolean): ProcessIdentity | undefined {
  try {
    // The name in parentheses may hold anything, blanks and parentheses included: the fields start behind the last one.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state] = fields;
    const startTime = fields[STARTTIME_FIELD - STATE_FIELD];
    if (startTime === undefined || ((state === 'Z' || state === 'X') && !evenIfEnded)) return undefined;
    return { bootId: currentBootId(), pid, startTime };
  } catch (error) {
    const code = systemErrorCode(error);
    // ESRCH: it ended between opening and reading.
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

let knownBootId: string | undefined;

/** The kernel's id of this boot, which no process outlives. Throws what the file system throws. */
export function currentBootId(): string {
  knownBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return knownBootId;
}

/** True while the very process that was identified is alive. */
export function isAlive({ bootId, pid, startTime }: ProcessIdentity): boolean {
  const now = identifyProcess(pid);
  return now !== undefined && now.bootId === bootId && now.startTime === startTime;
}
