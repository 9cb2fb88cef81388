/**
 * bladebit 1, which plots in memory, and what later versions' `ramplot` prints alike. It prints no CPU shares.
 *
 * What its lines mean here:
 * - F1 generation and F1 sort together are `p1_t1`; the times of tables 2 to 7 contain their sort.
 * - `Prunning table n` marks the entries of table n that are used: the scan of `p2_tn`, n from 6 to 2. Nothing is sorted.
 * - `Table 1 now has n` after compressing tables 1 and 2: `p1_table_1_now_size`, in entries.
 * - The plot is written beside the work; what is left at the end is stage 5. The file is named after its rename, and
 *   `Finished plotting` then finishes it. Only the file's name tells ksize; sizes in bytes are not printed.
 */

import { type Facts, NOTHING, type TimedStep } from '../facts.js';
import { progressScale } from './progress-scale.js';
import {
  ABORT_RULES,
  addSeconds,
  failedWith,
  integerFact,
  onPair,
  onPhase,
  onTable,
  placedAt,
  readNumber,
  readPlotName,
  took,
  toReason,
} from './readings.js';
import { type PlotLogParser, type Rule, RuleParser } from './rule-parser.js';

/** Seconds of a k32 with 88 threads. */
const SCALE = progressScale<TimedStep | 'f1_generation' | 'f1_sort' | 'writing'>({
  f1_generation: 7,
  f1_sort: 18,
  p1_t2: 57,
  p1_t3: 53,
  p1_t4: 53,
  p1_t5: 53,
  p1_t6: 52,
  p1_t7: 21,
  p2_t6_scan: 1,
  p2_t5_scan: 12,
  p2_t4_scan: 11,
  p2_t3_scan: 11,
  p2_t2_scan: 11,
  p3_t1_2: 31,
  p3_t2_3: 35,
  p3_t3_4: 32,
  p3_t4_5: 33,
  p3_t5_6: 35,
  p3_t6_7: 36,
  p4_total: 1,
  writing: 20,
});

const SECONDS = String.raw`([-+.\w]+) seconds`;

export function createBladebitParser(): PlotLogParser {
  let generation: number | undefined;
  let fatal = false;

  const rules: readonly Rule[] = [
    // The beginning
    { pattern: /^ *Thread count *: *(\d+)/, tell: ([, threads]) => integerFact('threads', threads) },
    {
      pattern: /^Generating plot \d+(?: \/ \d+)?: ([0-9a-f]+)/,
      tell: ([, id = '']) => ({ started: true, plot_id: id }),
    },
    { pattern: /^Plot Memo: ([0-9a-f]+)/, tell: ([, memo = '']) => ({ memo }) },

    // Where it is
    { pattern: /^Running Phase (\d)/, tell: ([, text]) => onPhase(text, (phase) => ({ stage_now: phase })) },
    { pattern: /^Generating F1/, tell: () => ({ p1_now: 1 }) },
    {
      pattern: /^Forward propagating to table (\d)/,
      tell: ([, text]) => onTable(text, (table) => ({ p1_now: table })),
    },
    { pattern: /^ *Prunn?ing table (\d)/, tell: ([, text]) => onTable(text, (table) => ({ p2_now: table })) },
    {
      pattern: /^ *Compressing tables (\d) and /,
      tell: ([, text]) => onPair(text, (pair) => ({ p3_now: pair })),
    },
    { pattern: /^Writing final plot tables to disk/, tell: () => ({ stage_now: 5 }) },

    // What is done
    {
      pattern: new RegExp(`^Finished F1 generation in ${SECONDS}`),
      tell: ([, seconds]) => {
        generation = readNumber(seconds);
        return { progress: SCALE.after('f1_generation') };
      },
    },
    {
      pattern: new RegExp(`^Finished F1 sort in ${SECONDS}`),
      tell: ([, seconds]) => ({
        ...took('p1_t1', addSeconds(generation, readNumber(seconds))),
        progress: SCALE.after('f1_sort'),
      }),
    },
    {
      pattern: new RegExp(String.raw`^Finished forward propagating table (\d) in ${SECONDS}`),
      tell: ([, text, seconds]) => onTable(text, (table) => tellDone(`p1_t${table}`, seconds)),
    },
    {
      pattern: new RegExp(String.raw`^ *Finished prunn?ing table (\d) in ${SECONDS}`),
      tell: ([, text, seconds]) => onTable(text, (table) => tellDone(`p2_t${table}_scan`, seconds)),
    },
    {
      pattern: new RegExp(String.raw`^ *Finished compressing tables (\d) and \d in ${SECONDS}`),
      tell: ([, text, seconds]) => onPair(text, (pair) => tellDone(`p3_t${pair}`, seconds)),
    },
    {
      pattern: /^ *Table 1 now has (\d+) /,
      tell: ([, entries]) => integerFact('p1_table_1_now_size', entries),
    },
    {
      pattern: new RegExp(String.raw`^Finished Phase (\d) in ${SECONDS}`),
      tell: ([, text, seconds]) => onPhase(text, (phase) => tellDone(`p${phase}_total`, seconds)),
    },
    { pattern: /^Plot (.+\.plot) finished writing to disk:/, tell: ([, path = '']) => tellPlaced(path) },
    { pattern: /^[^>]*\.plot\.tmp -> (.+\.plot)$/, tell: ([, path = '']) => tellPlaced(path) },
    {
      pattern: new RegExp(`^Finished plotting in ${SECONDS}`),
      tell: ([, seconds], { dest_file_name }) => ({
        ...took('total', readNumber(seconds)),
        // A plot that could not be renamed is never named without its `.tmp`.
        ...(dest_file_name === undefined ? {} : { progress: 100, finished: true }),
      }),
    },

    // What stands still, and what has failed
    {
      pattern: /^No space left in plot output directory .+/,
      tell: ([line]) => ({ waiting: toReason(`waits for disk space: ${line}`) }),
    },
    {
      pattern: /^Fatal Error:/,
      tell: () => {
        fatal = true;
        return NOTHING;
      },
    },
    {
      pattern: /^(?:\[PlotWriter\] )?Error: (Failed to .+)/,
      tell: ([, reason = ''], known) => failedWith(reason, known),
    },
    ...ABORT_RULES,
    // The message stands on the line after `Fatal Error:`.
    { pattern: /^ +(\S.*)/, tell: ([, reason = ''], known) => (fatal ? failedWith(reason, known) : NOTHING) },
  ];
  return new RuleParser(rules);
}

function tellDone(step: TimedStep, seconds: string | undefined): Facts {
  return { ...took(step, readNumber(seconds)), progress: SCALE.after(step) };
}

function tellPlaced(path: string): Facts {
  return { ...readPlotName(path), ...placedAt(path) };
}
