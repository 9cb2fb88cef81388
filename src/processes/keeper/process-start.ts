/**
 * What an owner asks its keeper to start.
 *
 * Guarantee: values of the environment come into no record, so a password that is given to a process lies on no disk.
 */

import { isAbsolute } from 'node:path';
import type { Environment } from '../environment.js';
import {
  type Check,
  type Checks,
  fits,
  isBoolean,
  isCount,
  isText,
  isTexts,
  isTime,
  orMissing,
} from '../records/checks.js';

/** What becomes of a process when the connection of the owner that started it closes. */
export type Fate = 'outlive' | 'share';

/** What the keeper itself needs to know. Only the names of the environment's variables come into the record. */
export interface StartFields {
  /** Program and arguments. */
  readonly argv: readonly string[];
  /** Absolute; nothing may be there. */
  readonly log_path: string;
  /** Where stderr goes instead. Absolute; nothing may be there. */
  readonly error_log_path?: string;
  /** Working directory, absolute. Default: the owner's directory. */
  readonly cwd?: string;
  /** All of the process' environment but its mark. Default: what every process has. */
  readonly environment?: Environment;
  /** Default `outlive`. */
  readonly fate?: Fate;
  /** How long one that shares its owner's end may go on after it. Default 0. */
  readonly share_after_ms?: number;
  /** The keeper ends the process then, unless it was told a later time: milliseconds since boot, sleep included. */
  readonly deadline_ms?: number;
  /**
   * Whatever is left of it is killed then, in the middle of any grace too: milliseconds since boot, no sooner than the deadline, with
   * which it is moved. Default: the grace ends it.
   */
  readonly kill_at_ms?: number;
  /** It is not started any more then, where the keeper has hung for instance: milliseconds since boot. */
  readonly start_by_ms?: number;
  /** The keeper ends the process when its logs hold more bytes than that, all together. */
  readonly log_limit_bytes?: number;
  /** What the process and all that it starts may have in memory, where it has a cgroup in which memory is accounted. */
  readonly memory_limit_bytes?: number;
  /** Between SIGTERM and SIGKILL, where the keeper ends the process. Default 10 s. */
  readonly grace_ms?: number;
  /** Whether its end says what it took of the machine. */
  readonly measured?: boolean;
}

/** The owner's fields come into the record as they are. */
export type ProcessStart<Own> = Own & StartFields;

/** What a keeper may not know that is of an earlier version: names of fields of a start, and of calls. */
export const FEATURES = [
  'error_log_path',
  'cwd',
  'fate',
  'share_after_ms',
  'deadline_ms',
  'kill_at_ms',
  'start_by_ms',
  'log_limit_bytes',
  'memory_limit_bytes',
  'grace_ms',
  'measured',
  'renew',
] as const;
export type Feature = (typeof FEATURES)[number];

/** Those that a start needs. */
export function featuresOf(start: StartFields): Feature[] {
  return FEATURES.filter((name) => Reflect.get(start, name) !== undefined);
}

const isPath: Check = (value) => typeof value === 'string' && isAbsolute(value);
const isEnvironment: Check = (value) =>
  typeof value === 'object' && value !== null && Object.values(value).every(isText);

const START_CHECKS: Checks<StartFields> = {
  argv: isTexts,
  log_path: isText,
  error_log_path: orMissing(isPath),
  cwd: orMissing(isPath),
  environment: orMissing(isEnvironment),
  fate: (value) => value === undefined || value === 'outlive' || value === 'share',
  share_after_ms: orMissing(isCount),
  deadline_ms: orMissing(isTime),
  kill_at_ms: orMissing(isTime),
  start_by_ms: orMissing(isTime),
  log_limit_bytes: orMissing(isCount),
  memory_limit_bytes: orMissing(isCount),
  grace_ms: orMissing(isCount),
  measured: orMissing(isBoolean),
};

export function isStartFields(value: unknown): value is StartFields {
  return fits(value, START_CHECKS);
}
