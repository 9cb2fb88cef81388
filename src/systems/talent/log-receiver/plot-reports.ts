/**
 * What the log receiver tells talent, as messages: what a line of the log told, and how a plot has ended.
 *
 * Guarantees: pure; everything in a message but times and `log_pid` follows from the log and from how the process ended,
 * so whoever reads the same log again makes the same messages with the same command ids.
 */

import { posix } from 'node:path';
import type { PlotKey } from '../machine/plot-record.js';
import type { PlotTaskStatus } from '../wire/messages.js';
import { reportHeader } from '../wire/report-id.js';
import type { Facts } from './facts.js';
import { type Ending, otherSizeThan, verdictOn } from './verdict.js';

export type { Beside, Ending } from './verdict.js';

/** Set before what is hashed. Changing it changes every id. */
/** Proto3 sends no empty text, so the end of a waiting needs words of its own. */
const GOES_ON = 'goes on after waiting';
/** Where a report comes from. */
export interface Told extends PlotKey {
  /** Byte just past the last line it tells of. */
  readonly offset: number;
  /** That was ordered. */
  readonly ksize?: number;
}

/** @param news of one line; @param isRunning the plotter has begun; @param now Unix seconds */
export function newsReport(told: Told, news: Facts, isRunning: boolean, now: number): PlotTaskStatus {
  const other = told.ksize === undefined ? undefined : otherSizeThan(told.ksize, news.ksize);
  const remarks = news.failed ?? news.notice ?? other ?? (news.waiting === '' ? GOES_ON : news.waiting);
  return {
    ...header(told, 'line'),
    ...(isRunning ? { status: 'running', running_time: now } : {}),
    ...(remarks === undefined ? {} : { remarks }),
    plot_details: detailsOf(news),
  };
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

/** Why its end can't be told yet. */
export function waitReport(told: Told, remarks: string): PlotTaskStatus {
  return { ...header(told, 'wait'), remarks };
}

function header(told: Told, kind: 'line' | 'end' | 'wait'): PlotTaskStatus {
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
