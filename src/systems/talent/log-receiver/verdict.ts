/**
 * How a plot has ended, from all there is to know of it: its log, the end of its process, and its file.
 *
 * Guarantees: pure. A plot is finished when its process has ended with 0, or nobody saw how, and its file is in its place.
 * What the log says decides only where nobody has looked for the file; where the two differ, the remark says what is known
 * from where. A plotter that ended badly has finished nothing, whatever lies there, and the remark says what does.
 */

import type { PlotEnd, PlotRecord } from '../machine/plot-record.js';
import type { PlotTaskStatus } from '../wire/messages.js';
import { type Facts, isUnderstood } from './facts.js';
import { inPlace, ksizeIn, type PlotFile, type PlotFileLook } from './plot-file.js';

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

export interface Ending {
  /** All that the log told. */
  readonly known: Facts;
  readonly lastLines: readonly string[];
  readonly end: PlotEnd;
  /** The supervisor has ended it, and says so itself unless the plot was finished before. */
  readonly stopping: boolean;
  /** What was looked at beside the log; missing where nobody has. */
  readonly beside?: Beside;
  /** What was asked for; missing where that is of no account. */
  readonly ordered?: Pick<PlotRecord, 'ksize' | 'format'>;
}

/** The plot's file, and as sentences what is known to be wrong with the log and what was left behind. */
export type Beside = PlotFileLook & { readonly gaps: readonly string[]; readonly left?: readonly string[] };

/** Its file decides: nothing else speaks against a finished plot. */
export function mayBeFinished({ end, stopping }: Pick<Ending, 'end' | 'stopping'>): boolean {
  return stopping || endedWell(end);
}

/** As far as anybody knows. */
export function endedWell({ exit_code, exit_signal }: PlotEnd): boolean {
  return exit_signal === null && (exit_code ?? 0) === 0;
}

/** Of a plot that was stopped nothing, unless it was finished before. */
export function verdictOn(ending: Ending): PlotTaskStatus {
  const { known, end, stopping, beside } = ending;
  const isFinished = beside === undefined ? known.finished === true : beside.file !== undefined;
  if (isFinished && mayBeFinished(ending)) {
    const remarks = successOf(ending);
    return {
      status: 'finished',
      finished_time: end.ended_time,
      ...(remarks === '' ? {} : { remarks }),
    };
  }
  return stopping ? {} : { status: 'failed', remarks: failureOf(ending) };
}

/** What a plotter makes that was not asked for; undefined when it makes what was ordered, or nobody knows. */
export function otherSizeThan(ordered: number, made: number | undefined): string | undefined {
  if (made === undefined || made === ordered) return undefined;
  return `a k${made} is made although a k${ordered} was ordered: its plotter may know no other size`;
}

function successOf(ending: Ending): string {
  const { known, beside } = ending;
  const { file, gaps = [] } = beside ?? {};
  const besides = [...unseenEnd(ending), ...lasting(ending), ...(beside?.left ?? [])];
  // Where the log told it, the path stands in fields of its own.
  if (known.finished === true) return [...(file ? [isThere(file)] : []), ...besides].join('; ');
  const said = ['its log does not tell of its end', ...gaps];
  return [...(file ? [inPlace(file)] : []), ...said, ...besides].join('; ');
}

/** A keeper that is gone may have been the only one who could see it. */
function unseenEnd({ end: { exit_code, exit_signal }, stopping }: Ending): string[] {
  return exit_code === null && exit_signal === null && !stopping ? ['nobody saw how its process ended'] : [];
}

function isThere({ bytes }: PlotFile): string {
  return `its plot is in its place (${bytes} bytes)`;
}

/** What is true however it ended. */
function lasting({ known, ordered, beside }: Ending): string[] {
  const made = ksizeIn(beside?.file?.path ?? '') ?? known.ksize;
  const other = ordered === undefined ? undefined : otherSizeThan(ordered.ksize, made);
  return [...(other === undefined ? [] : [other]), ...(known.notice === undefined ? [] : [known.notice])];
}

/** A sentence for operators: how the process ended, and why as far as its log says. */
function failureOf(ending: Ending): string {
  const { known, lastLines, end, beside } = ending;
  const { exit_code, exit_signal, reason = 'ended, and nobody saw how' } = end;
  const why = known.failed ?? lastLines.join(' / ');
  const left = [...lasting(ending), ...(beside?.left ?? [])];
  if (exit_signal !== null) {
    const tellsWhy = known.failed !== undefined || CRASHES.has(exit_signal);
    return [join(`killed by ${exit_signal} ${whenKilled(ending)}`, tellsWhy ? why : ''), ...left].join('; ');
  }
  // Only where it may have been finished: what was looked for and not found.
  const looked = beside?.why === undefined || !endedWell(end) ? [] : [beside.why, ...beside.gaps];
  const how =
    exit_code === null
      ? join(reason, known.failed ?? '')
      : join(`exited ${exit_code} ${howFar(ending)}`, why);
  return [how, ...looked, ...left].join('; ');
}

function whenKilled({ known, beside }: Ending): string {
  if (beside?.file !== undefined) return `when its plot was finished: ${inPlace(beside.file)}`;
  if (known.finished === true) return 'after its log told of a finished plot';
  return 'before its plot was finished';
}

/** A log that says nothing of a finished plot does not say that there is none. */
function howFar({ known, end, lastLines, beside, ordered }: Ending): string {
  const { exit_code, log_disk_full, unwritten } = end;
  if (known.finished === true) {
    if (exit_code === 0) return 'and its log tells of a finished plot, but that is not there';
    return `after finishing its plot${beside?.file === undefined ? '' : ` (${beside.file.path})`}`;
  }
  if (log_disk_full === true || unwritten !== undefined) return 'and its log tells of no finished plot';
  if (!isUnderstood(known) && lastLines.length > 0)
    return `and nothing in its log was understood${ordered === undefined ? '' : ` as one of format ${ordered.format}`}`;
  const { stage_now: stage, failed } = known;
  if (exit_code !== 0 || failed !== undefined || known.started !== true) return 'without finishing a plot';
  const where =
    stage === undefined ? 'midway' : stage === 5 ? 'before the plot was placed' : `in phase ${stage}`;
  return `and its log ends ${where}`;
}

function join(how: string, why: string): string {
  return why === '' ? how : `${how}: ${why}`;
}
