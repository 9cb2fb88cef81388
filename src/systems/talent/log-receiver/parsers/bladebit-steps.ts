/**
 * The steps that bladebit's plotters print: in memory (bladebit 1, `ramplot` of 2 and 3), on disk (`diskplot` of 2 and 3) and
 * on a graphics card (`cudaplot` of 3). None prints CPU shares. Which one it is stands at the head of the log; without that it
 * is the one in memory.
 *
 * What their lines mean here:
 * - F1 generation and F1 sort together are `p1_t1` in memory; the others print one time. The times of tables 2 to 7 contain
 *   their sort.
 * - `Prunning`, `marking` and `Marked table n` mark the entries of table n that are used: the scan of `p2_tn`, n from 6 to 2.
 *   Nothing is sorted.
 * - `Table 1 now has n` after compressing tables 1 and 2, and `Completed table 1 … with n / m entries`:
 *   `p1_table_1_now_size`, in entries. A compressed plot has no table 1, so neither has it that pair.
 * - The plot is written beside the work; what is left in memory at the end is stage 5. On disk nothing is left, and phase 4 is
 *   part of phase 3, so the last stage is 3. On a graphics card it is written after the work: stage 5 again, while phase 4 is
 *   part of phase 1.
 */

import { type Facts, NOTHING, type Phase, type TimedStep } from '../facts.js';
import { type ProgressScale, progressScale } from './progress-scale.js';
import { addSeconds, integerFact, onPair, onPhase, onTable, readNumber, took } from './readings.js';
import type { Rule } from './rule-parser.js';

type Step = TimedStep | 'f1_generation' | 'f1_sort' | 'c_tables' | 'p7' | 'writing';

/** Seconds of a k32 with 88 threads. */
const IN_MEMORY = progressScale<Step>({
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

/** Seconds of a k32 with 256 buckets on a fast drive, as its users report them. */
const ON_DISK = progressScale<Step>({
  p1_t1: 12,
  p1_t2: 250,
  p1_t3: 275,
  p1_t4: 300,
  p1_t5: 290,
  p1_t6: 259,
  p1_t7: 181,
  c_tables: 30,
  p2_t6_scan: 12,
  p2_t5_scan: 12,
  p2_t4_scan: 12,
  p2_t3_scan: 12,
  p2_t2_scan: 12,
  p3_t1_2: 140,
  p3_t2_3: 150,
  p3_t3_4: 145,
  p3_t4_5: 145,
  p3_t5_6: 150,
  p3_t6_7: 155,
  p7: 10,
});

/** Seconds of a k32 on a card of the middle class, as its users report them; the plot is written to a hard disk. */
const ON_CARD = progressScale<Step>({
  p1_t1: 3,
  p1_t2: 6,
  p1_t3: 13,
  p1_t4: 13,
  p1_t5: 12,
  p1_t6: 10,
  p1_t7: 7,
  c_tables: 4,
  p2_t6_scan: 2,
  p2_t5_scan: 2,
  p2_t4_scan: 2,
  p2_t3_scan: 2,
  p3_t2_3: 18,
  p3_t3_4: 18,
  p3_t4_5: 18,
  p3_t5_6: 18,
  p3_t6_7: 18,
  p7: 2,
  writing: 50,
});

const SECONDS = String.raw`([-+.\w]+) seconds`;

/** How far it is, on the scale of the plotter whose log it is. */
export class BladebitSteps {
  private scale: ProgressScale<Step> = IN_MEMORY;
  private generation: number | undefined;

  rules(): Rule[] {
    return [...this.heads(), ...WHERE_IT_IS, ...this.inMemory(), ...this.onDisk(), ...this.onCard()];
  }

  private heads(): Rule[] {
    const is = (scale: ProgressScale<Step>) => (): Facts => {
      this.scale = scale;
      return NOTHING;
    };
    return [
      { pattern: /^\[Bladebit Disk Plotter\]/, tell: is(ON_DISK) },
      { pattern: /^\[Bladebit CUDA Plotter\]/, tell: is(ON_CARD) },
    ];
  }

  private inMemory(): Rule[] {
    return [
      {
        pattern: new RegExp(`^Finished F1 generation in ${SECONDS}`),
        tell: ([, seconds]) => {
          this.generation = readNumber(seconds);
          return { progress: this.scale.after('f1_generation') };
        },
      },
      {
        pattern: new RegExp(`^Finished F1 sort in ${SECONDS}`),
        tell: ([, seconds]) => ({
          ...took('p1_t1', addSeconds(this.generation, readNumber(seconds))),
          progress: this.scale.after('f1_sort'),
        }),
      },
      this.ofTable(String.raw`^Finished forward propagating table (\d) in ${SECONDS}`, 1),
      this.ofTable(String.raw`^ *Finished prunn?ing table (\d) in ${SECONDS}`, 2),
      // On disk as well.
      {
        pattern: new RegExp(String.raw`^ *Finished compressing tables (\d) and \d in ${SECONDS}`),
        tell: ([, text, seconds]) => onPair(text, (pair) => this.done(`p3_t${pair}`, seconds)),
      },
      {
        pattern: /^ *Table 1 now has (\d+) /,
        tell: ([, entries]) => integerFact('p1_table_1_now_size', entries),
      },
      {
        pattern: new RegExp(String.raw`^Finished Phase (\d) in ${SECONDS}`),
        tell: ([, text, seconds]) => onPhase(text, (phase) => this.done(`p${phase}_total`, seconds)),
      },
    ];
  }

  private onDisk(): Rule[] {
    return [
      {
        pattern: new RegExp(`^Finished f1 generation in ${SECONDS}`),
        tell: ([, seconds]) => this.done('p1_t1', seconds),
      },
      this.ofTable(String.raw`^Completed table (\d) in ${SECONDS} with \d+ entries`, 1),
      { pattern: /^Completed F7 tables in /, tell: () => ({ progress: this.scale.after('c_tables') }) },
      this.ofTable(String.raw`^Finished marking table (\d) in ${SECONDS}`, 2),
      { pattern: /^Finished writing P7 parks in /, tell: () => ({ progress: this.scale.after('p7') }) },
    ];
  }

  private onCard(): Rule[] {
    return [
      {
        pattern: new RegExp(`^Finished F1 in ${SECONDS}`),
        tell: ([, seconds]) => ({ ...this.done('p1_t1', seconds), p1_now: 2 }),
      },
      this.ofTable(String.raw`^Table (\d) completed in ${SECONDS} with `, 1),
      { pattern: /^Finalized Table 7 in /, tell: () => ({ progress: this.scale.after('c_tables') }) },
      this.ofTable(String.raw`^Marked Table (\d) in ${SECONDS}`, 2),
      {
        pattern: new RegExp(String.raw`^Completed table (\d) in ${SECONDS} with (\d+) / \d+ entries`),
        tell: ([, text, seconds, entries]) =>
          onPair(text, (pair) => ({
            ...this.done(`p3_t${pair}`, seconds),
            ...(pair === '1_2' ? integerFact('p1_table_1_now_size', entries) : {}),
          })),
      },
      {
        pattern: /^Completed serializing P7 entries in /,
        tell: () => ({ progress: this.scale.after('p7') }),
      },
      {
        pattern: new RegExp(String.raw`^Completed Phase (\d) in ${SECONDS}`),
        tell: ([, text, seconds]) =>
          onPhase(text, (phase) => ({ ...this.done(`p${phase}_total`, seconds), ...AFTER_PHASES[phase] })),
      },
    ];
  }

  /** A line that ends a table of phase 1 or 2: its number and its time. The next one is at work then. */
  private ofTable(pattern: string, phase: 1 | 2): Rule {
    return {
      pattern: new RegExp(pattern),
      tell: ([, text, seconds]) =>
        onTable(text, (table) =>
          phase === 1
            ? {
                ...this.done(`p1_t${table}`, seconds),
                ...onTable(`${table + 1}`, (next) => ({ p1_now: next })),
              }
            : {
                ...this.done(`p2_t${table}_scan`, seconds),
                ...(table > 2 ? onTable(`${table - 1}`, (next) => ({ p2_now: next })) : {}),
              },
        ),
    };
  }

  private done(step: TimedStep, seconds: string | undefined): Facts {
    return { ...took(step, readNumber(seconds)), progress: this.scale.after(step) };
  }
}

/** Where the plotter on a card is once a phase is done: it prints no beginnings. */
const AFTER_PHASES: Readonly<Record<Phase, Facts>> = {
  1: { stage_now: 2, p2_now: 6 },
  2: { stage_now: 3 },
  3: { stage_now: 5 },
  4: NOTHING,
};

const WHERE_IT_IS: readonly Rule[] = [
  { pattern: /^Running Phase (\d)/, tell: ([, text]) => onPhase(text, (phase) => ({ stage_now: phase })) },
  { pattern: /^(?:Generating F1|Table 1: F1 generation)/, tell: () => ({ stage_now: 1, p1_now: 1 }) },
  {
    pattern: /^(?:Forward propagating to table|Table) (\d)(?:\.\.\.)? *$/,
    tell: ([, text]) => onTable(text, (table) => ({ p1_now: table })),
  },
  { pattern: /^ *Prunn?ing table (\d)/, tell: ([, text]) => onTable(text, (table) => ({ p2_now: table })) },
  {
    pattern: /^ *Compressing [Tt]ables? (\d) and /,
    tell: ([, text]) => onPair(text, (pair) => ({ p3_now: pair })),
  },
  { pattern: /^Writing final plot tables to disk/, tell: () => ({ stage_now: 5 }) },
];
