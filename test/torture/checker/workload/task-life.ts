/** The life of a task as its promises have it, read from its events and those of its jobs. */

import type { StoredEvent } from '../stored-event.js';
import { listOf, numberOf, type Tell, textOf } from './fields.js';
import type { JobEnd, JobLife } from './job-life.js';

type TaskEnd = JobEnd;

const ENDS: Readonly<Record<string, TaskEnd>> = {
  TaskFinished: 'finished',
  TaskFailed: 'failed',
  TaskCancelled: 'cancelled',
};
/** What failed is retried, taken as it is, or cancelled. */
const BEHIND_A_FAILURE: ReadonlySet<string> = new Set([
  ...['TaskRetried', 'TaskFinishRequested', 'TaskCancelRequested'],
]);
const COUNTED: readonly JobEnd[] = ['finished', 'failed', 'cancelled'];

export class TaskLife {
  input = '';
  end: TaskEnd | undefined;
  /** It was to end before all of its input was read. */
  isCutShort = false;
  readonly jobs: JobLife[] = [];
  /** Places that are in no job, by level. */
  private readonly skipped = new Map<number, number[]>();
  private planned = 0;

  take(event: StoredEvent, tell: Tell): void {
    const { type, revision } = event;
    if ((revision === 0) !== (type === 'TaskRegistered'))
      tell('legal-transitions', `${type} at its revision ${revision}`);
    if (this.end !== undefined && !(this.end === 'failed' && BEHIND_A_FAILURE.has(type)))
      tell('final-is-final', `${type} behind its end, ${this.end}`);
    if (type === 'TaskRegistered') this.input = textOf(event, 'data_in_uid') ?? '';
    else if (type === 'TaskJobsPlanned') this.plan(event);
    else if (type === 'TaskFinishRequested') this.isCutShort = true;
    else if (BEHIND_A_FAILURE.has(type)) this.end = undefined;
    this.end = ENDS[type] ?? (BEHIND_A_FAILURE.has(type) ? undefined : this.end);
    if (ENDS[type] !== undefined) this.count(event, tell);
  }

  /** Once its log is read to the end. @param files of its input, which is sealed */
  conclude(files: number, tell: Tell): void {
    if (this.end !== 'finished') return;
    if (this.jobs.length !== this.planned)
      tell('counts-add-up', `${this.planned} jobs were planned and ${this.jobs.length} made`);
    if (this.isCutShort) return;
    const last = Math.max(1, ...this.jobs.map(({ level }) => level));
    for (let level = 1; level <= last; level++) {
      const wanted =
        level === 1
          ? Array.from({ length: files }, (_, idx) => idx)
          : this.jobs.filter((job) => job.level === level - 1).map(({ seq }) => seq);
      const read = this.jobs
        .filter((job) => job.level === level)
        .flatMap(({ inputs }) => inputs.map(({ idx }) => idx));
      this.compare(level, wanted, [...read, ...(this.skipped.get(level) ?? [])], tell);
    }
  }

  private compare(level: number, wanted: readonly number[], read: readonly number[], tell: Tell): void {
    const [ofWanted, ofRead] = [new Set(wanted), new Set(read)];
    const lost = wanted.filter((idx) => !ofRead.has(idx));
    const foreign = read.filter((idx) => !ofWanted.has(idx));
    if (lost.length > 0) tell('place-in-one-job', `level ${level}: places ${few(lost)} are in no job`);
    if (foreign.length > 0)
      tell('place-in-one-job', `level ${level}: places ${few(foreign)} are not in what it reads`);
    if (ofRead.size !== read.length)
      tell('place-in-one-job', `level ${level}: of ${read.length} places only ${ofRead.size} differ`);
  }

  private plan(event: StoredEvent): void {
    const level = numberOf(event, 'level');
    this.planned += numberOf(event, 'jobs');
    const skipped = [...(this.skipped.get(level) ?? []), ...listOf(event, 'skipped').map(Number)];
    this.skipped.set(level, skipped);
  }

  private count(event: StoredEvent, tell: Tell): void {
    for (const end of COUNTED) {
      const said = numberOf(event, end);
      const stored = this.jobs.filter((job) => job.end === end).length;
      if (said !== stored) tell('counts-add-up', `${event.type} says ${said} ${end}, and ${stored} are`);
    }
    const living = this.jobs.filter(({ end }) => end === undefined).length;
    if (living > 0) tell('counts-add-up', `${event.type} while ${living} of its jobs have not ended`);
  }
}

function few(places: readonly number[]): string {
  const shown = places.slice(0, 10).join(', ');
  return places.length > 10 ? `${shown} and ${places.length - 10} more` : shown;
}
