/**
 * What is written down of a process, as fields of two small files: its record, and how it ended. Field names are snake
 * case, as everywhere outside of code.
 */

import type { ProcessIdentity } from '../../base/process-identity.js';
import {
  type Checks,
  fits,
  isBoolean,
  isCount,
  isText,
  isTexts,
  isTime,
  orMissing,
  orNull,
} from './checks.js';

export interface RecordedIdentity {
  readonly pid: number;
  readonly boot_id: string;
  /** Clock ticks between boot and the start of the process, as the kernel writes them. */
  readonly start_time: string;
}

/** Of every process, whoever owns it. */
export interface ProcessFields {
  readonly argv: readonly string[];
  /** Absolute. Holds stdout and stderr of the process, from byte 0 on. */
  readonly log_path: string;
  /** Absolute. Holds its stderr instead; missing where that is in the other. */
  readonly error_log_path?: string | undefined;
  /** Working directory, absolute; missing where it is the owner's directory. */
  readonly cwd?: string | undefined;
  /** Names of the variables that it was started with besides its mark; missing where nobody has named them. */
  readonly variables?: readonly string[] | undefined;
  /** Unix seconds. */
  readonly started_time: number;
  /** It leads a process group and a session of its own. */
  readonly process: RecordedIdentity;
  /** The cgroup that only its processes are in; missing where none could be made. */
  readonly cgroup?: string | undefined;
  /** The deadline that it was started with, milliseconds since boot; missing where it had none. It may have been moved since. */
  readonly deadline_ms?: number | undefined;
  /** When what is left of it is killed, milliseconds since boot; missing where its grace alone says so. It may have been moved since. */
  readonly kill_at_ms?: number | undefined;
  /** Between SIGTERM and SIGKILL, where a keeper ends it; missing where that is the usual time. */
  readonly grace_ms?: number | undefined;
}

export type ProcessRecord<Own> = ProcessFields & Own;

/** What made the keeper end a process. */
export type EndCause = 'deadline' | 'owner_gone' | 'log_limit';

/** Of a process and all that it has started. A figure that nobody knows is missing. */
export interface ProcessUsage {
  readonly cpu_seconds?: number;
  /** `cgroup`: the kernel's account of its cgroup. `sample`: what was seen last, at most a second before its end. */
  readonly cpu_from?: string;
  /** The most that was in memory at once. */
  readonly memory_bytes?: number;
  readonly memory_from?: string;
}

export interface ProcessEnd {
  /** Null when a signal ended it, and when nobody saw the end. */
  readonly exit_code: number | null;
  /** SIGKILL for instance; null when it exited, and when nobody saw the end. */
  readonly exit_signal: string | null;
  /** Unix seconds. */
  readonly ended_time: number;
  /** How long it ran, sleep of the machine included, whatever the wall clock says; missing where no keeper saw it begin and end. */
  readonly ran_seconds?: number;
  /** Why exit code and signal are both unknown; missing when one of them is known. */
  readonly reason?: string;
  /** Why the keeper could not write this at once, as the system said; missing when it could. */
  readonly unwritten?: string;
  /** True when the disk of its log had no free block at that moment. */
  readonly log_disk_full?: boolean;
  /** True when the kernel has ended one of its processes for what they had in memory. */
  readonly out_of_memory?: boolean;
  /** An `EndCause`, or that of a later version; missing when the keeper has not ended it. */
  readonly ended_by?: string;
  /** Missing when it was not measured, or nothing is known. */
  readonly usage?: ProcessUsage;
}

const IDENTITY_CHECKS: Checks<RecordedIdentity> = {
  pid: isCount,
  boot_id: isText,
  start_time: isText,
};

const FIELD_CHECKS: Checks<ProcessFields> = {
  argv: isTexts,
  log_path: isText,
  error_log_path: orMissing(isText),
  cwd: orMissing(isText),
  variables: orMissing(isTexts),
  started_time: isTime,
  process: (value) => fits(value, IDENTITY_CHECKS),
  cgroup: orMissing(isText),
  deadline_ms: orMissing(isTime),
  kill_at_ms: orMissing(isTime),
  grace_ms: orMissing(isCount),
};

const USAGE_CHECKS: Checks<ProcessUsage> = {
  cpu_seconds: orMissing(isTime),
  cpu_from: orMissing(isText),
  memory_bytes: orMissing(isCount),
  memory_from: orMissing(isText),
};

const END_CHECKS: Checks<ProcessEnd> = {
  exit_code: orNull(isCount),
  exit_signal: orNull(isText),
  ended_time: isTime,
  ran_seconds: orMissing(isTime),
  reason: orMissing(isText),
  unwritten: orMissing(isText),
  log_disk_full: orMissing(isBoolean),
  out_of_memory: orMissing(isBoolean),
  ended_by: orMissing(isText),
  usage: orMissing((value) => fits(value, USAGE_CHECKS)),
};

export function isProcessFields(value: unknown): value is ProcessFields {
  return fits(value, FIELD_CHECKS);
}

/** Also of what the keeper tells over its socket. */
export function isProcessEnd(value: unknown): value is ProcessEnd {
  return fits(value, END_CHECKS);
}

export function identityOf({
  process: { pid, boot_id, start_time },
}: Pick<ProcessFields, 'process'>): ProcessIdentity {
  return { pid, bootId: boot_id, startTime: start_time };
}

export function recordedIdentityOf({ pid, bootId, startTime }: ProcessIdentity): RecordedIdentity {
  return { pid, boot_id: bootId, start_time: startTime };
}
