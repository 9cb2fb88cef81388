/**
 * What the programs of one machine know of its plots, as files: the supervisor and its keeper write them, the log receiver
 * reads them. One record per attempt in `<data>/plots`, and beside it, once the plotter has ended, how it ended.
 *
 * Guarantees: a file is there as a whole or not at all, also after power loss; a record appears when its process runs, and
 * how that ended is written once and never changed. What can't be read is reported, and harms no other record.
 *
 * Who writes what: the keeper writes the record when it has started the plotter, and the end when that has ended; while
 * it can't write an end, it tells it to whoever asks (src/processes/keeper/keeper.ts). The
 * supervisor changes `announced`, `stopping`, `suspended` and `plot_id` later, writes the end where no keeper saw it, and
 * removes both files when talent knows the task as final. Field names are snake case, as everywhere outside of code.
 */

import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { removeTemporaries, writeFileDurably } from '../../base/durable-file.js';
import { messageOf } from '../../base/errors.js';
import type { ProcessIdentity } from '../../base/process-identity.js';
import { systemErrorCode } from '../../base/system-error.js';

export interface PlotProcess {
  readonly pid: number;
  readonly boot_id: string;
  /** Clock ticks between boot and the start of the process, as the kernel writes them. */
  readonly start_time: string;
}

export interface PlotRecord {
  readonly task_id: string;
  /** Counts from 1. */
  readonly attempt: number;
  readonly worker_id: string;
  /** Absolute. Holds the stdout and stderr of the plotter, from byte 0 on. */
  readonly log_path: string;
  /** Name of the log format, as the plotter's declaration has it. */
  readonly format: string;
  readonly argv: readonly string[];
  /** Unix seconds. */
  readonly started_time: number;
  /** The plotter, which leads a process group of its own. */
  readonly process: PlotProcess;
  /** Talent has recorded the task as started. Before that nobody else reports anything of it. */
  readonly announced: boolean;
  /** The supervisor is ending the plotter, and reports `stopped` unless the plot was finished before. */
  readonly stopping: boolean;
  readonly suspended: boolean;
  readonly ksize: number;
  /** Absolute, as `dest_path`. */
  readonly cache1: string;
  readonly cache2: string;
  readonly dest_path: string;
  /** Name of the plotter's declaration. */
  readonly plotter: string;
  /** Patterns of the names of its temp files; see src/systems/talent/supervisor/plotters/temp-files.ts. */
  readonly temp: readonly string[];
  /** The plotter's own id of the plot, once that is known. */
  readonly plot_id: string | null;
  /** The cgroup that only its processes are in; missing where none could be made. */
  readonly cgroup?: string | undefined;
}

export interface PlotEnd {
  /** Null when a signal ended it, and when nobody saw the end. */
  readonly exit_code: number | null;
  /** SIGKILL for instance; null when it exited, and when nobody saw the end. */
  readonly exit_signal: string | null;
  /** Unix seconds. */
  readonly ended_time: number;
  /** Why exit code and signal are both unknown; missing when one of them is known. */
  readonly reason?: string;
  /** Why the keeper could not write this at once, as the system said; missing when it could. */
  readonly unwritten?: string;
  /** True when the disk of its log had no free block at that moment. */
  readonly log_disk_full?: boolean;
}

/** One attempt of one task. */
export type PlotKey = Pick<PlotRecord, 'task_id' | 'attempt'>;

export interface RecordedPlot {
  readonly record: PlotRecord;
  /** Null while nothing is known of an end. */
  readonly end: PlotEnd | null;
}

export interface RecordedPlots {
  /** In the order they were started. */
  readonly plots: readonly RecordedPlot[];
  /** A sentence for each file that can't be used. */
  readonly problems: readonly string[];
}

export function plotsDirectory(data: string): string {
  return join(data, 'plots');
}

export function logsDirectory(data: string): string {
  return join(data, 'logs');
}

/** Ends the name of every log. */
export const LOG_SUFFIX = '.log';

/** Whether or not it is there: logs stay when records go. */
export function plotLogPath(data: string, { task_id, attempt }: PlotKey): string {
  return join(logsDirectory(data), `${task_id}.${attempt}${LOG_SUFFIX}`);
}

/** Absolute where `data` is. */
export function plotRecordPath(data: string, { task_id, attempt }: PlotKey): string {
  return join(plotsDirectory(data), `${task_id}.${attempt}.json`);
}

export function plotEndPath(data: string, { task_id, attempt }: PlotKey): string {
  return join(plotsDirectory(data), `${task_id}.${attempt}.end.json`);
}

/** Every plot of this machine that is not settled yet. None when the directory is not there. */
export function readPlotRecords(data: string): RecordedPlots {
  const plots: RecordedPlot[] = [];
  const problems: string[] = [];
  for (const name of namesIn(plotsDirectory(data))) {
    if (!name.endsWith('.json') || name.endsWith('.end.json')) continue;
    try {
      const record = readJson(join(plotsDirectory(data), name), isPlotRecord);
      // Removed since its name was read: settled.
      if (record !== undefined) plots.push({ record, end: readPlotEnd(data, record) });
    } catch (error) {
      problems.push(messageOf(error));
    }
  }
  plots.sort((a, b) => a.record.started_time - b.record.started_time);
  return { plots, problems };
}

/** Undefined when there is none. @throws Error naming the file that can't be used */
export function readPlotRecord(data: string, key: PlotKey): PlotRecord | undefined {
  return readJson(plotRecordPath(data, key), isPlotRecord);
}

/** Null when there is none. @throws Error naming the file that can't be used */
export function readPlotEnd(data: string, key: PlotKey): PlotEnd | null {
  return readJson(plotEndPath(data, key), isPlotEnd) ?? null;
}

/** Throws what the file system throws. */
export function writePlotRecord(data: string, record: PlotRecord): void {
  writeFileDurably(plotRecordPath(data, record), `${JSON.stringify(record)}\n`);
}

/** Keeps the one that is there. Throws what the file system throws. */
export function writePlotEnd(data: string, key: PlotKey, end: PlotEnd): void {
  const path = plotEndPath(data, key);
  if (!existsSync(path)) writeFileDurably(path, `${JSON.stringify(end)}\n`);
}

/** The record goes first: an end without one means nothing. The log stays. */
export function removePlotRecord(data: string, key: PlotKey): void {
  rmSync(plotRecordPath(data, key), { force: true });
  rmSync(plotEndPath(data, key), { force: true });
}

/**
 * Removes what was left in the middle of removing or writing a record. Throws what the file system throws.
 * @param isKept true while a keeper will write this plot's end
 * @returns the names of the files
 */
export function removeLeftovers(data: string, isKept: (key: PlotKey) => boolean): string[] {
  const directory = plotsDirectory(data);
  const ends = namesIn(directory).filter((name) => {
    const key = keyOfEnd(name);
    return key !== undefined && !isKept(key) && !existsSync(plotRecordPath(data, key));
  });
  for (const name of ends) rmSync(join(directory, name), { force: true });
  return [...ends, ...removeTemporaries(directory)];
}

function keyOfEnd(name: string): PlotKey | undefined {
  const [, task_id, attempt] = /^(.+)\.([0-9]+)\.end\.json$/.exec(name) ?? [];
  return task_id === undefined ? undefined : { task_id, attempt: Number(attempt) };
}

export function identityOf({ process: { pid, boot_id, start_time } }: PlotRecord): ProcessIdentity {
  return { pid, bootId: boot_id, startTime: start_time };
}

export function processRecordOf({ pid, bootId, startTime }: ProcessIdentity): PlotProcess {
  return { pid, boot_id: bootId, start_time: startTime };
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

function readJson<T>(path: string, isValid: (value: unknown) => value is T): T | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw new Error(`${path} can't be read: ${messageOf(error)}`, { cause: error });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${path} is no JSON: ${messageOf(error)}`, { cause: error });
  }
  if (isValid(value)) return value;
  throw new Error(`${path} is no record of this version of owl; move it away once its plotter has ended`);
}

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string';
const isCount: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
const isTime: Check = (value) => typeof value === 'number' && Number.isFinite(value);
const isBoolean: Check = (value) => typeof value === 'boolean';
const isTexts: Check = (value) => Array.isArray(value) && value.every(isText);
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);

const PROCESS_CHECKS: Record<keyof PlotProcess, Check> = {
  pid: isCount,
  boot_id: isText,
  start_time: isText,
};

const RECORD_CHECKS: Record<keyof PlotRecord, Check> = {
  task_id: isText,
  attempt: isCount,
  worker_id: isText,
  log_path: isText,
  format: isText,
  argv: isTexts,
  started_time: isTime,
  process: (value) => fits(value, PROCESS_CHECKS),
  announced: isBoolean,
  stopping: isBoolean,
  suspended: isBoolean,
  ksize: isCount,
  cache1: isText,
  cache2: isText,
  dest_path: isText,
  plotter: isText,
  temp: isTexts,
  plot_id: orNull(isText),
  cgroup: (value) => value === undefined || isText(value),
};

const END_CHECKS: Record<keyof PlotEnd, Check> = {
  exit_code: orNull(isCount),
  exit_signal: orNull(isText),
  ended_time: isTime,
  reason: (value) => value === undefined || isText(value),
  unwritten: (value) => value === undefined || isText(value),
  log_disk_full: (value) => value === undefined || isBoolean(value),
};

function fits(value: unknown, checks: Readonly<Record<string, Check>>): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.entries(checks).every(([name, check]) => check(Reflect.get(value, name)))
  );
}

function isPlotRecord(value: unknown): value is PlotRecord {
  return fits(value, RECORD_CHECKS);
}

/** Also of what the keeper tells over its socket. */
export function isPlotEnd(value: unknown): value is PlotEnd {
  return fits(value, END_CHECKS);
}
