/**
 * bladebit 1, 2 and 3: what all of its plotters print around their steps (bladebit-steps.ts has those). They make k32 only,
 * and only the file's name tells that; sizes in bytes are not printed.
 *
 * What its lines mean here:
 * - Before 3 the file is named when it was renamed (in memory) or is about to be (on disk); since then `… .plot.tmp -> ….plot`
 *   announces a rename that may still fail. So the plot is in its place once that name *and* the end of the work were printed,
 *   in either order, and no rename was given up. Where it is given up afterwards, `finished` is taken back.
 * - A full destination is waited for without end since 3.
 * - A plot that fails its check (`--check`) is deleted by the plotter itself.
 */

import { type Facts, NOTHING } from '../facts.js';
import { BladebitSteps } from './bladebit-steps.js';
import {
  ABORT_RULES,
  failedWith,
  integerFact,
  placedAt,
  plotsAskedFor,
  readNumber,
  readPlotName,
  took,
  toReason,
} from './readings.js';
import { type PlotLogParser, type Rule, RuleParser } from './rule-parser.js';

/** What later lines need of earlier ones. */
interface Seen {
  /** Where the plot is, or is about to be. */
  place: string | undefined;
  isMade: boolean;
  /** The plotter's reason stands on the next line. */
  isFatal: boolean;
}

export function createBladebitParser(): PlotLogParser {
  const seen: Seen = { place: undefined, isMade: false, isFatal: false };
  return new RuleParser([
    ...BEGINNING_RULES,
    ...new BladebitSteps().rules(),
    ...endRules(seen),
    ...failureRules(seen),
  ]);
}

const BEGINNING_RULES: readonly Rule[] = [
  { pattern: /^ *Thread count *: *(\d+)/, tell: ([, threads]) => integerFact('threads', threads) },
  { pattern: /^ *Bucket count *: *(\d+)/, tell: ([, buckets]) => integerFact('buckets', buckets) },
  {
    pattern: /^(?:Creating| Will create) (?:(\d+) plots|plots (indefinitely))/,
    tell: ([, count, without]) => plotsAskedFor(count ?? without),
  },
  {
    pattern: /^Generating plot \d+(?: \/ \d+)?: ([0-9a-f]+)/,
    tell: ([, id = '']) => ({ started: true, plot_id: id }),
  },
  { pattern: /^Plot temporary file: (.+)/, tell: ([, path = '']) => readPlotName(path) },
  { pattern: /^Plot Memo: ([0-9a-f]+)/, tell: ([, memo = '']) => ({ memo }) },
];

function endRules(seen: Seen): Rule[] {
  const placed = (path: string): Facts => {
    seen.place = path;
    return { ...readPlotName(path), ...finishedIn(seen) };
  };
  const made = (): Facts => {
    seen.isMade = true;
    return finishedIn(seen);
  };
  return [
    { pattern: /^Plot (.+\.plot) finished writing to disk:/, tell: ([, path = '']) => placed(path) },
    { pattern: /^[^>]*\.plot\.tmp -> (.+\.plot)$/, tell: ([, path = '']) => placed(path) },
    { pattern: /^Renaming plot to '(.+\.plot)'/, tell: ([, path = '']) => placed(path) },
    {
      pattern: /^Finished plotting in ([-+.\w]+) seconds/,
      tell: ([, seconds]) => ({ ...took('total', readNumber(seconds)), ...made() }),
    },
    // On a card: the work is done, the writing is not.
    {
      pattern: /^Completed Plot \d+ in ([-+.\w]+) seconds/,
      tell: ([, seconds]) => ({ ...took('total', readNumber(seconds)), stage_now: 5 }),
    },
    { pattern: /^Completed writing plot in /, tell: made },
  ];
}

function finishedIn({ place, isMade }: Seen): Facts {
  return place === undefined || !isMade ? NOTHING : { ...placedAt(place), progress: 100, finished: true };
}

function failureRules(seen: Seen): Rule[] {
  return [
    {
      pattern: /^No space left in plot output directory .+/,
      tell: ([line]) => ({ waiting: toReason(`waits for disk space: ${line}`) }),
    },
    {
      pattern: /^Error \d+ encountered when writing to plot .+/,
      tell: ([line]) => ({ waiting: toReason(`waits to try again: ${line}`) }),
    },
    {
      pattern: /^(?:\*\*\* Panic!!! \*\*\* )?Fatal Error: *$/,
      tell: () => {
        seen.isFatal = true;
        return NOTHING;
      },
    },
    { pattern: /^(?:\[PlotWriter\] )?Error::? Could not rename plot file/, tell: () => NOTHING },
    {
      pattern: /^(?:\[PlotWriter\] )?Error::? (Failed to (?:to )?rename .+)/,
      tell: ([, reason = ''], known) => {
        seen.place = undefined;
        return { ...failedWith(reason, known), ...(known.finished ? { finished: false } : {}) };
      },
    },
    {
      pattern: /^(?:(?:\[PlotWriter\] )?Error::? | *(?=CUDA error: )|WARNING: (?=Deleting plot ))(.+)/,
      tell: ([, reason = ''], known) => failedWith(reason, known),
    },
    ...ABORT_RULES,
    {
      pattern: /^ *(\S.*)/,
      tell: ([, reason = ''], known) =>
        seen.isFatal ? failedWith(reason.replace(/:\s*$/, ''), known) : NOTHING,
    },
  ];
}
