/**
 * What a plotter's log tells, in owl's own words. Column facts carry the names of the columns they end up in; the
 * signals say what state the plot is in. A fact that is missing was not told: what a plotter does not print stays absent
 * and never becomes a zero.
 *
 * Units: seconds, percent of one core as printed, bytes, MiB for `buffer`, 0 to 100 for `progress`.
 */

export const PHASES = [1, 2, 3, 4] as const;
export type Phase = (typeof PHASES)[number];

export const TABLES = [1, 2, 3, 4, 5, 6, 7] as const;
export type Table = (typeof TABLES)[number];

export const TABLE_PAIRS = ['1_2', '2_3', '3_4', '4_5', '5_6', '6_7'] as const;
export type TablePair = (typeof TABLE_PAIRS)[number];

/** Whatever takes time: tables, phases, the whole plot and the copy. */
export type TimedStep =
  | `p1_t${Table}`
  | `p2_t${Table}_${'scan' | 'sort'}`
  | `p3_t${TablePair}`
  | `p${Phase}_total`
  | 'total'
  | 'copy';

export type Timings = { [S in TimedStep as `${S}_${'time' | 'cpu'}`]?: number };

export interface Columns {
  plot_id: string;
  memo: string;
  ksize: number;
  threads: number;
  buffer: number;
  buckets: number;
  stripe_size: number;
  /** Never falls while a log is read; 100 comes with `finished` and not before. */
  progress: number;
  /** The phase at work; 5 while the plot is copied or renamed to where it belongs. */
  stage_now: Phase | 5;
  p1_now: Table;
  p2_now: Table;
  p3_now: TablePair;
  /** Entries, not bytes. */
  p1_table_1_now_size: number;
  /** Bytes the plotter says it wrote; each parser says of what. */
  wrote: number;
  dest_file_name: string;
  dest_dir: string;
}

export interface Signals {
  /** The plotter has begun. */
  started: true;
  /**
   * The plotter says that its plot is complete and in its final place; its file has the last word. False: it takes that back.
   */
  finished: boolean;
  /** A sentence for operators: why the plotter stands still. Empty: it goes on again. */
  waiting: string;
  /** The plotter has given up; its reason. */
  failed: string;
  /** A sentence for operators that stays true whatever comes. */
  notice: string;
}

/** One line's news, or all that is known of a plot so far. */
export type Facts = Readonly<Partial<Columns & Signals> & Timings>;

/** What a line tells that has nothing to tell. */
export const NOTHING: Facts = Object.freeze({});

/**
 * False when a log told nothing that only its own plotter prints: then it is another's, or of another version. The pair of
 * tables at work is no sign, for two plotters word it alike.
 */
export function isUnderstood(known: Facts): boolean {
  return Object.keys(known).some((fact) => fact !== 'p3_now');
}
