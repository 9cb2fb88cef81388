/**
 * chiapos 1 and 2: `ProofOfSpace create`, and `chia plots create` of chia 1 and 2, which runs it and adds log lines of its
 * own (the heads of those lines differ; chia 2 has its version in them).
 *
 * What its lines mean here:
 * - Each table, phase, the total and the copy print their seconds and CPU share; a table is the one announced before.
 * - Phase 2 scans and then sorts table 7 to 2; table 7 is rewritten in place, so it has no sort time. Without bitfield
 *   both are one pass and one time, given as the scan's.
 * - `table 1 new size` counts entries. `Wrote: N` is the bytes of the plot's header; it is `wrote` here as it is with the
 *   collectors in the field (the size of the whole plot is printed in thousandths of a GiB only).
 * - After `Total time` the plot is renamed to its place, or copied and then renamed when that is another file system; only
 *   the rename finishes it.
 * - What can't be written, read, opened, copied or renamed is tried again every five minutes, without end.
 */

import { type Facts, NOTHING, type TablePair, type TimedStep } from '../facts.js';
import { progressScale } from './progress-scale.js';
import {
  ABORT_RULES,
  failedWith,
  integerFact,
  onPair,
  onPhase,
  onTable,
  placedAt,
  plotsAskedFor,
  readNumber,
  took,
  toReason,
} from './readings.js';
import { type PlotLogParser, type Rule, RuleParser } from './rule-parser.js';

type PassStep = `p3_t${TablePair}_${'first' | 'second'}`;

/** Seconds of a k32 with 4 threads and 128 buckets, copied to another disk at the end. */
const SCALE = progressScale<TimedStep | PassStep | 'rename'>({
  p1_t1: 165,
  p1_t2: 2580,
  p1_t3: 1048,
  p1_t4: 1206,
  p1_t5: 1177,
  p1_t6: 1073,
  p1_t7: 886,
  p2_t7_scan: 50,
  p2_t7_sort: 174,
  p2_t6_scan: 155,
  p2_t6_sort: 484,
  p2_t5_scan: 158,
  p2_t5_sort: 461,
  p2_t4_scan: 149,
  p2_t4_sort: 457,
  p2_t3_scan: 154,
  p2_t3_sort: 455,
  p2_t2_scan: 150,
  p2_t2_sort: 452,
  p3_t1_2_first: 527,
  p3_t1_2_second: 386,
  p3_t2_3_first: 728,
  p3_t2_3_second: 407,
  p3_t3_4_first: 732,
  p3_t3_4_second: 401,
  p3_t4_5_first: 730,
  p3_t4_5_second: 407,
  p3_t5_6_first: 761,
  p3_t5_6_second: 430,
  p3_t6_7_first: 508,
  p3_t6_7_second: 500,
  p4_total: 426,
  copy: 178,
  rename: 2,
});

/** What a phase ends with, so that its end moves the progress even when that step's line is missing. */
const LAST_STEPS = { 1: 'p1_t7', 2: 'p2_t2_sort', 3: 'p3_t6_7_second', 4: 'p4_total' } as const;

const TIMING = String.raw`([-+.\w]+) seconds\. CPU \(([^)%]*)%\)`;
/** A path as C++ quotes it. */
const QUOTED = String.raw`"((?:[^"\\]|\\.)*)"`;

const RULES: readonly Rule[] = [
  { pattern: /^\tBucket (\d+) /, tell: ([, bucket], known) => tellBucket(Number(bucket), known) },

  // The beginning
  { pattern: /^Starting plotting progress into temporary dirs: /, tell: () => ({ started: true }) },
  { pattern: /^(?:\S+ +){1,5}Memo: ([0-9a-f]+)/, tell: ([, memo = '']) => ({ memo }) },
  {
    pattern: /^(?:\S+ +){1,5}Starting plot \d+\/(\d+)/,
    tell: ([, count]) => plotsAskedFor(count),
  },
  { pattern: /^ID: ([0-9a-f]+)/, tell: ([, id = '']) => ({ plot_id: id }) },
  { pattern: /^Plot size is: (\d+)/, tell: ([, ksize]) => integerFact('ksize', ksize) },
  { pattern: /^Buffer size is: (\d+)MiB/, tell: ([, buffer]) => integerFact('buffer', buffer) },
  { pattern: /^Using (\d+) buckets/, tell: ([, buckets]) => integerFact('buckets', buckets) },
  {
    pattern: /^Using (\d+) threads of stripe size (\d+)/,
    tell: ([, threads, stripe]) => ({
      ...integerFact('threads', threads),
      ...integerFact('stripe_size', stripe),
    }),
  },

  // Where it is
  {
    pattern: /^Starting phase (\d)\/4: /,
    tell: ([, text]) => onPhase(text, (phase) => ({ stage_now: phase })),
  },
  { pattern: /^Computing table (\d)/, tell: ([, text]) => onTable(text, (table) => ({ p1_now: table })) },
  {
    pattern: /^Backpropagating on table 6/,
    tell: () => ({ p2_now: 6, progress: SCALE.after('p2_t7_sort') }),
  },
  {
    pattern: /^Backpropagating on table (\d)/,
    tell: ([, text]) => onTable(text, (table) => ({ p2_now: table })),
  },
  {
    pattern: /^Compressing tables (\d) and /,
    tell: ([, text]) => onPair(text, (pair) => ({ p3_now: pair })),
  },

  // What is done
  {
    pattern: new RegExp(`^(?:F1 complete, time|Forward propagation table time): ${TIMING}`),
    tell: ([, seconds, cpu], { p1_now }) => (p1_now ? tellDone(`p1_t${p1_now}`, seconds, cpu) : NOTHING),
  },
  {
    pattern: new RegExp(`^(?:scanned time = |Total backpropagation time::?) *${TIMING}`),
    tell: ([, seconds, cpu], { p2_now }) => (p2_now ? tellDone(`p2_t${p2_now}_scan`, seconds, cpu) : NOTHING),
  },
  {
    pattern: new RegExp(`^sort time = *${TIMING}`),
    tell: ([, seconds, cpu], { p2_now }) => (p2_now ? tellDone(`p2_t${p2_now}_sort`, seconds, cpu) : NOTHING),
  },
  { pattern: /^table 1 new size: (\d+)/, tell: ([, entries]) => integerFact('p1_table_1_now_size', entries) },
  { pattern: /^Wrote: (\d+)/, tell: ([, bytes]) => integerFact('wrote', bytes) },
  {
    pattern: /^\tFirst computation pass time: /,
    tell: (_, { p3_now }) => (p3_now ? { progress: SCALE.after(`p3_t${p3_now}_first`) } : NOTHING),
  },
  {
    pattern: new RegExp(`^Total compress table time: ${TIMING}`),
    tell: ([, seconds, cpu], { p3_now }) =>
      p3_now ? tellDone(`p3_t${p3_now}`, seconds, cpu, `p3_t${p3_now}_second`) : NOTHING,
  },
  {
    pattern: new RegExp(String.raw`^Time for phase (\d) = ${TIMING}`),
    tell: ([, text, seconds, cpu]) =>
      onPhase(text, (phase) => tellDone(`p${phase}_total`, seconds, cpu, LAST_STEPS[phase])),
  },
  {
    pattern: new RegExp(`^Total time = ${TIMING}`),
    tell: ([, seconds, cpu]) => ({ ...tellDone('total', seconds, cpu, 'p4_total'), stage_now: 5 }),
  },
  {
    pattern: new RegExp(`^Copy time = ${TIMING}`),
    tell: ([, seconds, cpu]) => tellDone('copy', seconds, cpu),
  },
  {
    pattern: new RegExp(`^Renamed final file from ${QUOTED} to ${QUOTED}`),
    tell: ([, , path = '']) => ({ ...placedAt(path.replace(/\\(.)/g, '$1')), progress: 100, finished: true }),
  },

  // What stands still, and what has failed
  {
    pattern: /^Only wrote .* Retrying in five minutes\.$/,
    tell: ([line]) => ({ waiting: toReason(`waits for disk space: ${line}`) }),
  },
  {
    pattern: /^(?:Only read|Could not) .* Retrying in five minutes\.$/,
    tell: ([line]) => ({ waiting: toReason(`waits to try again: ${line}`) }),
  },
  {
    pattern: /^(?:Caught exception|Caught plotting error|error parsing options): (.+)/,
    tell: ([, reason = ''], known) => failedWith(reason, known),
  },
  // The last line of a Python traceback: `chia` itself gave up.
  {
    pattern: /^[A-Za-z_][\w.]*(?:Error|Exception)(?:$|: .+)/,
    tell: ([line], known) => failedWith(line, known),
  },
  ...ABORT_RULES,
];

export function createChiaposParser(): PlotLogParser {
  return new RuleParser(RULES);
}

/** @param end the step whose end moves the progress, where that is another one */
function tellDone(
  step: TimedStep,
  seconds: string | undefined,
  cpu: string | undefined,
  end: TimedStep | PassStep = step,
): Facts {
  return { ...took(step, readNumber(seconds), readNumber(cpu)), progress: SCALE.after(end) };
}

/** Phases 1, 3 and 4 name each bucket in order as they come to it; phase 3 goes through them twice for each pair. */
function tellBucket(bucket: number, { buckets, stage_now, p1_now, p3_now, progress = 0 }: Facts): Facts {
  if (buckets === undefined) return NOTHING;
  const fraction = bucket / buckets;
  if (stage_now === 1 && p1_now) return { progress: SCALE.within(`p1_t${p1_now}`, fraction) };
  if (stage_now === 4) return { progress: SCALE.within('p4_total', fraction) };
  if (stage_now !== 3 || !p3_now) return NOTHING;
  const pass = progress < SCALE.after(`p3_t${p3_now}_first`) ? 'first' : 'second';
  return { progress: SCALE.within(`p3_t${p3_now}_${pass}`, fraction) };
}
