/**
 * What the log receiver tells talent, as messages: what a line of the log told, and how a plot has ended.
 *
 * Guarantees: pure; everything in a message but times and `log_pid` follows from the log and from how the process ended,
 * so whoever reads the same log again makes the same messages with the same command ids.
 */

import { posix } from 'node:path';
import type { PlotEnd, PlotKey } from '../machine/plot-record.js';
import type { PlotTaskStatus } from '../wire/messages.js';
import { reportHeader } from '../wire/report-id.js';
import type { Facts } from './facts.js';
import { inPlace, type PlotFileLook } from './plot-file.js';

/** Set before what is hashed. Changing it changes every id. */
/** Proto3 sends no empty text, so the end of a waiting needs words of its own. */
const GOES_ON = 'goes on after waiting';
/** Of a program's own making: its last lines may say why. Other signals come from outside. */
const CRASHES: ReadonlySet<string> = new Set([
  'SIGABRT',
  'SIGBUS',
  'SIGFPE',
  'SIGILL',
  'SIGSEGV',
  'SIGSYS',
  'SIGTRAP',
]);

/** Where a report comes from. */
export interface Told extends PlotKey {
  /** Byte just past the last line it tells of. */
  readonly offset: number;
}

/** @param news of one line; @param isRunning the plotter has begun; @param now Unix seconds */
export function newsReport(told: Told, news: Facts, isRunning: boolean, now: number): PlotTaskStatus {
  const remarks = news.failed ?? (news.waiting === '' ? GOES_ON : news.waiting);
  return {
    ...header(told, 'line'),
    ...(isRunning ? { status: 'running', running_time: now } : {}),
    ...(remarks === undefined ? {} : { remarks }),
    plot_details: detailsOf(news),
  };
}

export interface Ending {
  /** All that the log told. */
  readonly known: Facts;
  readonly lastLines: readonly string[];
  readonly end: PlotEnd;
  /** The supervisor has ended it, and says so itself unless the plot was finished before. */
  readonly stopping: boolean;
  /** What was looked at beside the log; missing where that can't change anything. */
  readonly beside?: Beside;
}

/** The plot's file, and what is known to be wrong with the log, as sentences. */
export type Beside = PlotFileLook & { readonly gaps: readonly string[] };

/** Its log does not tell of a finished plot, and nothing else speaks against one: its file decides. */
export function mayBeFinished({ known, end, stopping }: Ending): boolean {
  return known.finished !== true && (stopping || endedWell(end));
}

/** Once nothing more can come: how it ended. Of a plot that was stopped only that everything has been told. */
export function endReport(told: Told, ending: Ending): PlotTaskStatus {
  const { exit_code, exit_signal } = ending.end;
  return {
    ...header(told, 'end'),
    ...(exit_code === null ? {} : { exit_code }),
    ...(exit_signal === null ? {} : { exit_signal }),
    ...verdictOn(ending),
  };
}

function verdictOn(ending: Ending): PlotTaskStatus {
  const { known, end, stopping, beside } = ending;
  const finished = { status: 'finished', finished_time: end.ended_time };
  // A plot in its final place is not lost to a stop that came too late.
  if (known.finished && (endedWell(end) || stopping)) return finished;
  if (beside?.file !== undefined && mayBeFinished(ending)) {
    const gaps = ['its log does not tell of its end', ...beside.gaps];
    return { ...finished, remarks: `${inPlace(beside.file)}; ${gaps.join('; ')}` };
  }
  return stopping ? {} : { status: 'failed', remarks: failureOf(ending) };
}

/** As far as anybody knows. */
function endedWell({ exit_code, exit_signal }: PlotEnd): boolean {
  return exit_signal === null && (exit_code ?? 0) === 0;
}

/** A sentence for operators: how the process ended, and why as far as its log says. */
function failureOf({ known, lastLines, end, beside }: Ending): string {
  const { exit_code, exit_signal, reason = 'ended, and nobody saw how' } = end;
  const why = known.failed ?? lastLines.join(' / ');
  if (exit_signal !== null) {
    const tellsWhy = known.failed !== undefined || CRASHES.has(exit_signal);
    return join(`killed by ${exit_signal}`, tellsWhy ? why : '');
  }
  if (exit_code === null) return join(reason, known.failed ?? '');
  // Only where it may have been finished: what was looked for and not found.
  const looked = beside?.why === undefined ? [] : [beside.why, ...beside.gaps];
  return [join(`exited ${exit_code} ${howFar(known, end)}`, why), ...looked].join('; ');
}

/** A log on a full disk does not tell that nothing was finished. */
function howFar({ finished }: Facts, { log_disk_full, unwritten }: PlotEnd): string {
  if (finished) return 'after finishing its plot';
  const mayLack = log_disk_full === true || unwritten !== undefined;
  return mayLack ? 'and its log tells of no finished plot' : 'without finishing a plot';
}

function join(how: string, why: string): string {
  return why === '' ? how : `${how}: ${why}`;
}

function header(told: Told, kind: 'line' | 'end'): PlotTaskStatus {
  const { offset } = told;
  return { ...reportHeader('log', told, [offset, kind]), log_offset: offset, log_pid: process.pid };
}

type Message = { [field: string]: Message | string | number };

/** Columns that the wire has under the same name. */
const SAME_NAME: ReadonlySet<string> = new Set<keyof Facts>([
  'memo',
  'ksize',
  'threads',
  'buffer',
  'buckets',
  'stripe_size',
  'progress',
  'stage_now',
  'wrote',
  'dest_file_name',
  'dest_dir',
]);

function detailsOf(news: Facts): Message {
  const details: Message = {};
  for (const [fact, value] of Object.entries(news)) {
    if (typeof value !== 'string' && typeof value !== 'number') continue;
    // One that is relative names no place: only the plotter knows where it counted from.
    if (fact === 'dest_dir' && !posix.isAbsolute(String(value))) continue;
    const path = pathOf(fact);
    if (path !== undefined) put(details, path, value);
  }
  return details;
}

const TIMED = /^(p[1-4]|total|copy)(?:_(t[1-7](?:_[2-7])?))?(?:_(scan|sort|total))?_(time|cpu)$/;

/** Where a fact stands in PlotDetails; undefined for a signal. */
function pathOf(fact: string): readonly string[] | undefined {
  if (SAME_NAME.has(fact)) return [fact];
  if (fact === 'plot_id') return ['id'];
  const [, phase, step] = /^p([123])_(now|table_1_now_size)$/.exec(fact) ?? [];
  if (phase !== undefined && step !== undefined) return [`phase_${phase}_status`, step];
  const [, of, table, part, figure] = TIMED.exec(fact) ?? [];
  if (of === undefined) return undefined;
  const whose = of.startsWith('p') ? `phase_${of.slice(1)}_status` : `${of}_time`;
  const within = [table, part === 'total' ? undefined : part].filter((name) => name !== undefined);
  return [whose, ...within, figure === 'cpu' ? 'cpu_usage' : 'time'];
}

function put(message: Message, path: readonly string[], value: string | number): void {
  const [name, ...rest] = path;
  if (name === undefined) return;
  if (rest.length === 0) {
    message[name] = value;
    return;
  }
  const below = message[name];
  const group = typeof below === 'object' ? below : {};
  message[name] = group;
  put(group, rest, value);
}
