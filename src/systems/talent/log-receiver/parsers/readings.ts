/** The readings that plotter logs have in common: numbers, tables, timings, plot files and the reasons for a failure. */

import { posix } from 'node:path';
import {
  type Facts,
  NOTHING,
  PHASES,
  type Phase,
  TABLE_PAIRS,
  TABLES,
  type Table,
  type TablePair,
  type TimedStep,
  type Timings,
} from '../facts.js';
import type { Rule } from './rule-parser.js';

/** Long enough for any plotter's message, short enough for a table. */
const LONGEST_REASON = 500;

/**
 * A printed number. Undefined for what is none: chiapos prints `inf`, `nan` and -21474836.48 as the CPU share of a step
 * that took no measurable time.
 */
export function readNumber(text: string | undefined): number | undefined {
  const value = text === undefined || text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(value) && value >= 0 ? value : undefined;
}

/** What a phase's number tells; nothing when it is none. */
export function onPhase(text: string | undefined, tell: (phase: Phase) => Facts): Facts {
  const phase = PHASES.find((one) => String(one) === text);
  return phase ? tell(phase) : NOTHING;
}

export function onTable(text: string | undefined, tell: (table: Table) => Facts): Facts {
  const table = TABLES.find((one) => String(one) === text);
  return table ? tell(table) : NOTHING;
}

/** @param lower number of the pair's lower table */
export function onPair(lower: string | undefined, tell: (pair: TablePair) => Facts): Facts {
  const pair = TABLE_PAIRS.find((one) => one.startsWith(`${lower}_`));
  return pair ? tell(pair) : NOTHING;
}

export function took(step: TimedStep, seconds: number | undefined, cpu?: number | undefined): Timings {
  const timings: Timings = {};
  const time = `${step}_time` as const;
  const share = `${step}_cpu` as const;
  if (seconds !== undefined) timings[time] = seconds;
  if (cpu !== undefined) timings[share] = cpu;
  return timings;
}

type IntegerColumn =
  | 'ksize'
  | 'threads'
  | 'buffer'
  | 'buckets'
  | 'stripe_size'
  | 'wrote'
  | 'p1_table_1_now_size';

/** One fact that is an integer, or none when the text is none that a number can hold. */
export function integerFact(name: IntegerColumn, text: string | undefined): Facts {
  const value = readNumber(text);
  const fact: { [N in IntegerColumn]?: number } = {};
  if (value !== undefined && Number.isSafeInteger(value)) fact[name] = value;
  return fact;
}

/** Two passes over the same tables make one time; the sum is freed of binary fractions. */
export function addSeconds(first: number | undefined, second: number | undefined): number | undefined {
  return first === undefined || second === undefined ? undefined : Math.round((first + second) * 1e6) / 1e6;
}

/** What the name of a plot tells: `plot-k32-2021-07-14-21-56-<id>`, with a path before and `.plot` behind, or without. */
export function readPlotName(name: string): Facts {
  const [, ksize, id] = /\bplot-(?:\w+-)?k(\d+)-(?:[\w-]*-)?([0-9a-f]{64})\b/.exec(name) ?? [];
  return id === undefined ? NOTHING : { ...integerFact('ksize', ksize), plot_id: id };
}

/** Where the finished plot is, as the plotter printed it, and which plot that is as far as its name says. */
export function placedAt(path: string): Facts {
  const { plot_id } = readPlotName(path);
  const place = { dest_file_name: posix.basename(path), dest_dir: posix.dirname(path) };
  return plot_id === undefined ? place : { ...place, plot_id };
}

/** @param count how many plots one process is asked for, as printed; words for those without end */
export function plotsAskedFor(count: string | undefined): Facts {
  if (count === undefined || Number(count) === 1) return NOTHING;
  const plots = /^\d+$/.test(count) ? `${count} plots` : 'plots without end';
  return {
    notice: `its command line asks for ${plots} by one process; a task is one plot, so only the first is followed (order one plot a task, -n 1)`,
  };
}

/** A message fit for a table: one line, no control characters, not endless. */
export function toReason(text: string): string {
  const line = text.replace(/\p{Cc}+/gu, ' ').trim();
  return line.length > LONGEST_REASON ? `${line.slice(0, LONGEST_REASON - 1)}…` : line;
}

/** The plotter's own reason, unless an earlier line gave one: what follows the first is its consequence. */
export function failedWith(reason: string, known: Facts): Facts {
  return known.failed === undefined ? { failed: toReason(reason) } : NOTHING;
}

const TERMINATED = 'terminate called';

/** How the C++ runtime ends a program whose exception nobody caught: one line with its type, one with its message. */
export const ABORT_RULES: readonly Rule[] = [
  { pattern: /^terminate called.*/, tell: ([line], known) => failedWith(line, known) },
  {
    pattern: /^ {2}what\(\): +(.+)/,
    tell: ([, message = ''], { failed }) =>
      failed?.startsWith(TERMINATED) ? { failed: toReason(message) } : NOTHING,
  },
];
