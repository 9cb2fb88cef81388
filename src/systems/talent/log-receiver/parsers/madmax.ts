/**
 * madMAx `chia_plot`, from its first versions with options (June 2021) to 1.1.8, and `chia_plot_k34`. It prints no CPU
 * shares, and each line only when the step is done, so the table at work is the one after the last that was printed.
 *
 * What its lines mean here:
 * - It has begun with the first line of its settings. The first versions print no `Crafting plot`, and one number of buckets.
 * - `[P1] Table n took`: `p1_tn`.
 * - `[P2] Table n scan` and `rewrite` are what chiapos calls scan and sort of that table (the rewrite fills the sorter),
 *   table 7 included; table 1 is not touched, and its new size is not printed.
 * - `[P3-1]` and `[P3-2] Table n` are the two passes over tables n-1 and n: their sum is `p3_t(n-1)_n`.
 * - `final plot size` in bytes: `wrote`. Buckets are those of phase 1. Memo, buffer and stripe size are not printed.
 * - The plot is made in the stage directory, which is the working directory where none is printed. From there it is renamed,
 *   or copied when that takes longer than a second, and only then finished. If it was asked for in the working directory,
 *   and there is no stage directory, it is in its place with the end of the work. What a command line asks for with `-D`, or
 *   with a stage directory that is the final one, is not printed: such a log does not tell where the plot is.
 * - A copy that fails is tried again every five minutes; too little space for a phase is waited for. Both without end.
 */

import { posix } from 'node:path';
import { type Facts, NOTHING, type Phase, type TablePair, type TimedStep } from '../facts.js';
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
  plotsAskedFor,
  readNumber,
  readPlotName,
  took,
  toReason,
} from './readings.js';
import { type PlotLogParser, type Rule, RuleParser } from './rule-parser.js';

type PassStep = `p3_t${TablePair}_${'first' | 'second'}`;

/** Seconds of a k32 with 8 threads and 256 buckets; the copy is that of the same plot to another disk. */
const SCALE = progressScale<TimedStep | PassStep>({
  p1_t1: 25,
  p1_t2: 301,
  p1_t3: 346,
  p1_t4: 426,
  p1_t5: 425,
  p1_t6: 390,
  p1_t7: 286,
  p2_t7_scan: 40,
  p2_t7_sort: 96,
  p2_t6_scan: 106,
  p2_t6_sort: 142,
  p2_t5_scan: 107,
  p2_t5_sort: 133,
  p2_t4_scan: 99,
  p2_t4_sort: 130,
  p2_t3_scan: 87,
  p2_t3_sort: 152,
  p2_t2_scan: 104,
  p2_t2_sort: 159,
  p3_t1_2_first: 135,
  p3_t1_2_second: 102,
  p3_t2_3_first: 150,
  p3_t2_3_second: 82,
  p3_t3_4_first: 120,
  p3_t3_4_second: 79,
  p3_t4_5_first: 125,
  p3_t4_5_second: 82,
  p3_t5_6_first: 129,
  p3_t5_6_second: 86,
  p3_t6_7_first: 125,
  p3_t6_7_second: 104,
  p4_total: 87,
  copy: 178,
});

/** Where the plotter is once a phase is done. */
const AFTER_PHASES: Readonly<Record<Phase, Facts>> = {
  1: { stage_now: 2, p2_now: 7 },
  2: { stage_now: 3, p3_now: '1_2' },
  3: { stage_now: 4 },
  4: NOTHING,
};

const SECONDS = String.raw`([-+.\w]+) sec`;

/** What later lines need of earlier ones. */
interface Seen {
  finalDirectory: string;
  /** Where the plot is made. Empty: in the working directory. */
  stageDirectory: string;
  workingDirectory: string;
  plotName: string;
  /** Seconds. */
  firstPass: number | undefined;
}

export function createMadmaxParser(): PlotLogParser {
  const seen: Seen = {
    finalDirectory: '',
    stageDirectory: '',
    workingDirectory: '',
    plotName: '',
    firstPass: undefined,
  };

  const rules: readonly Rule[] = [
    ...beginningRules(seen),

    // What is done
    {
      pattern: new RegExp(String.raw`^\[P1\] Table (\d) took ${SECONDS}`),
      tell: ([, text, seconds]) =>
        onTable(text, (table) => ({
          ...tellDone(`p1_t${table}`, seconds),
          ...onTable(`${table + 1}`, (next) => ({ p1_now: next })),
        })),
    },
    {
      pattern: new RegExp(String.raw`^\[P2\] Table (\d) scan took ${SECONDS}`),
      tell: ([, text, seconds]) => onTable(text, (table) => tellDone(`p2_t${table}_scan`, seconds)),
    },
    {
      pattern: new RegExp(String.raw`^\[P2\] Table (\d) rewrite took ${SECONDS}`),
      tell: ([, text, seconds]) =>
        onTable(text, (table) => ({
          ...tellDone(`p2_t${table}_sort`, seconds),
          ...(table > 2 ? onTable(`${table - 1}`, (next) => ({ p2_now: next })) : {}),
        })),
    },
    {
      pattern: new RegExp(String.raw`^\[P3-1\] Table (\d) took ${SECONDS}`),
      tell: ([, upper, seconds]) => {
        seen.firstPass = readNumber(seconds);
        return onPair(`${Number(upper) - 1}`, (pair) => ({ progress: SCALE.after(`p3_t${pair}_first`) }));
      },
    },
    {
      pattern: new RegExp(String.raw`^\[P3-2\] Table (\d) took ${SECONDS}`),
      tell: ([, upper, seconds]) =>
        onPair(`${Number(upper) - 1}`, (pair) => ({
          ...took(`p3_t${pair}`, addSeconds(seen.firstPass, readNumber(seconds))),
          ...onPair(upper, (next) => ({ p3_now: next })),
          progress: SCALE.after(`p3_t${pair}_second`),
        })),
    },
    {
      pattern: new RegExp(String.raw`^Phase (\d) took ${SECONDS}(?:, final plot size is (\d+) bytes)?`),
      tell: ([, text, seconds, bytes]) =>
        onPhase(text, (phase) => ({
          ...tellDone(`p${phase}_total`, seconds),
          ...integerFact('wrote', bytes),
          ...AFTER_PHASES[phase],
        })),
    },
    {
      pattern: new RegExp(`^Total plot creation time was ${SECONDS}`),
      tell: ([, seconds]) => ({
        ...took('total', readNumber(seconds)),
        stage_now: 5,
        ...(isMadeInPlace(seen)
          ? tellFinished(posix.join(seen.finalDirectory, `${seen.plotName}.plot`))
          : {}),
      }),
    },
    {
      pattern: new RegExp(`^Copy to (.+) finished, took ${SECONDS}`),
      tell: ([, path = '', seconds]) => ({ ...took('copy', readNumber(seconds)), ...tellFinished(path) }),
    },
    { pattern: /^Renamed final plot to (.+)/, tell: ([, path = '']) => tellFinished(path) },

    // What stands still, and what has failed
    {
      pattern: /^Copy to .+ failed with: .+/,
      tell: ([line]) => ({ waiting: toReason(`waits to try again: ${line}`) }),
    },
    {
      pattern: /^\[P\d\] Waiting for \d+ GiB .+/,
      tell: ([line]) => ({ waiting: toReason(`waits for disk space: ${line}`) }),
    },
    { pattern: /^\[P\d\] OK: Need /, tell: (_, { waiting }) => (waiting ? { waiting: '' } : NOTHING) },
    {
      pattern:
        /^(?:(?:Failed to write|Cannot open|Invalid|Choose either) .+|\S.* (?:needs to be specified via|are mutually exclusive) .+)/,
      tell: ([line], known) => failedWith(line, known),
    },
    ...ABORT_RULES,
  ];
  return new RuleParser(rules);
}

/** What a log begins with: settings, directories, the plot's name. */
function beginningRules(seen: Seen): Rule[] {
  return [
    { pattern: /^(?:Crafting plot |Process ID: )/, tell: () => STARTED },
    { pattern: /^Number of Plots: (\S+)/, tell: ([, count]) => ({ ...STARTED, ...plotsAskedFor(count) }) },
    {
      pattern: /^Number of Threads: (\d+)/,
      tell: ([, threads]) => ({ ...STARTED, ...integerFact('threads', threads) }),
    },
    {
      pattern: /^Number of (?:Sort )?Buckets(?: P1)?: +2\^\d+ \((\d+)\)/,
      tell: ([, buckets]) => integerFact('buckets', buckets),
    },
    {
      pattern: /^Final Directory: +(.+)/,
      tell: ([, directory = '']) => {
        seen.finalDirectory = directory;
        return NOTHING;
      },
    },
    {
      pattern: /^Stage Directory: +(.+)/,
      tell: ([, directory = '']) => {
        seen.stageDirectory = directory;
        return NOTHING;
      },
    },
    {
      pattern: /^Working Directory: +(.+)/,
      tell: ([, directory = '']) => {
        seen.workingDirectory = directory;
        return NOTHING;
      },
    },
    {
      pattern: /^Plot Name: (\S+)/,
      tell: ([, name = '']) => {
        seen.plotName = name;
        return { ...readPlotName(name), stage_now: 1, p1_now: 1 };
      },
    },
  ];
}

const STARTED: Facts = { started: true };

/** Its final place is where it is made, so nothing is left to do. */
function isMadeInPlace({ plotName, finalDirectory, stageDirectory, workingDirectory }: Seen): boolean {
  const madeIn = stageDirectory === '' ? workingDirectory : stageDirectory;
  return plotName !== '' && finalDirectory !== '' && finalDirectory === madeIn;
}

function tellDone(step: TimedStep, seconds: string | undefined): Facts {
  return { ...took(step, readNumber(seconds)), progress: SCALE.after(step) };
}

function tellFinished(path: string): Facts {
  return { ...placedAt(path), progress: 100, finished: true };
}
