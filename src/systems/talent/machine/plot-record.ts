/**
 * What a machine keeps of its plots: each attempt of a task is a process of `src/processes`, and these are the fields that
 * are talent's own. They stand in the files of earlier versions too, so names stay and new ones may be missing.
 *
 * The supervisor changes `announced`, `stopping`, `suspended` and `plot_id` while the plot is made; it removes record and
 * end when talent knows the task as final.
 */

import type { ProcessStart } from '../../../processes/keeper/process-start.js';
import {
  type Checks,
  fits,
  isBoolean,
  isCount,
  isText,
  isTexts,
  orMissing,
  orNull,
} from '../../../processes/records/checks.js';
import type { ProcessKind } from '../../../processes/records/process-kind.js';
import type { ProcessEnd, ProcessRecord } from '../../../processes/records/process-record.js';
import type { ProcessRecords } from '../../../processes/records/process-records.js';

/** One attempt of one task. */
export interface PlotKey {
  readonly task_id: string;
  /** Counts from 1. */
  readonly attempt: number;
}

export interface PlotFields extends PlotKey {
  readonly worker_id: string;
  /** Name of the log format, as the plotter's declaration has it. */
  readonly format: string;
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
  /** Its plotter is declared to fill the destination, so that its plot has a size there. Missing in records of earlier versions. */
  readonly fills_dest?: boolean;
  /** Where the file system of the destination was mounted when it began; missing where that is not known. */
  readonly dest_mount?: string;
}

export type PlotRecord = ProcessRecord<PlotFields>;
export type PlotEnd = ProcessEnd;
export type PlotStart = ProcessStart<PlotFields>;
export type PlotRecords = ProcessRecords<PlotKey, PlotFields>;

const KEY_CHECKS: Checks<PlotKey> = { task_id: isText, attempt: isCount };

const FIELD_CHECKS: Checks<PlotFields> = {
  ...KEY_CHECKS,
  worker_id: isText,
  format: isText,
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
  fills_dest: orMissing(isBoolean),
  dest_mount: orMissing(isText),
};

export const PLOTS: ProcessKind<PlotKey, PlotFields> = {
  noun: 'plot',
  variable: 'OWL_PLOT',
  // A plot takes hours: what ran when the power went is worth a flush.
  synced: true,
  nameOf: ({ task_id, attempt }) => `${task_id}.${attempt}`,
  keyNamed: (name) => {
    const [, task_id, attempt] = /^(.+)\.([0-9]+)$/.exec(name) ?? [];
    return task_id === undefined ? undefined : { task_id, attempt: Number(attempt) };
  },
  keyIn: (value) => (isKey(value) ? { task_id: value.task_id, attempt: value.attempt } : undefined),
  isOwn: (value) => fits(value, FIELD_CHECKS),
};

function isKey(value: object): value is PlotKey {
  return fits(value, KEY_CHECKS);
}
