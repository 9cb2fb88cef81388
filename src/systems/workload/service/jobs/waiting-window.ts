/**
 * What is queued for a device, by rank, as much of it as is soon given: read when it may have become another, and not for each that is
 * given.
 *
 * Guarantee: who is free comes upon what is queued for it, whoever queued it: where the window holds nothing for it and is not all there
 * is, the rows are asked.
 */

import { idOf, type RecordedEvent } from '../../../../runtime/event-store/event-store.js';
import type { JobQueries, Offered, WaitingJob } from './job-queries.js';

/** Read at a time, beside those that are out. */
const LEAST_READ = 200;

/** Of tasks they neither hold back what is queued nor let it go. */
const SAME_FOR_JOBS: ReadonlySet<string> = new Set([
  ...['TaskRegistered', 'TaskSplitStarted', 'TaskJobsPlanned', 'TaskSplitCompleted'],
]);
/** It waits from now on, or once more, or at another place: which one that is only the rows tell. */
const STAYS_QUEUED: ReadonlySet<string> = new Set(['JobQueued', 'JobRequeued', 'JobHintDied', 'JobRanked']);
/** None of those that wait is meant. Behind any other the job waits no more. */
const NOT_QUEUED: ReadonlySet<string> = new Set(['JobCreated', 'JobStarted', 'JobFinished']);

export interface Wanted {
  /** By all who are here. */
  readonly offered: Offered;
  /** By those who have a free slot. */
  readonly free: Offered;
  /** How many of those that are queued are given already. */
  readonly out: number;
}

export type Take = (job: WaitingJob) => 'given' | 'stays' | 'no room';

export class WaitingWindow {
  private readonly queries: JobQueries;
  private readonly device: string;
  private readonly jobs = new Map<string, WaitingJob>();
  private isStale = true;
  /** Nothing is queued behind it. */
  private isWhole = false;
  /** What it was read for. */
  private text = '';

  constructor(queries: JobQueries, device: string) {
    this.queries = queries;
    this.device = device;
  }

  /**
   * In order, until `take` has no more room.
   * @param take what becomes of it: it is `given`, it `stays`, or there is `no room` for anything
   */
  each({ offered, free, out }: Wanted, take: Take): void {
    const text = JSON.stringify(offered);
    const most = out + LEAST_READ;
    if (this.isStale || text !== this.text) this.read(offered, text, most);
    let took = this.pass(take);
    if (took === 'no room' || this.isWhole) return;
    if (took > 0) {
      this.read(offered, text, most);
      took = this.pass(take);
      if (took === 'no room' || this.isWhole) return;
    }
    // What is at the front is for others. That changes nothing of what the window holds.
    for (const job of this.queries.queued(this.device, free, most)) if (take(job) === 'no room') return;
  }

  /** It is to be read again before it is used. */
  expire(): void {
    this.isStale = true;
  }

  observe(events: readonly RecordedEvent[]): void {
    for (const { stream, type } of events) {
      if (stream.startsWith('wl_task-')) this.isStale ||= !SAME_FOR_JOBS.has(type);
      if (!stream.startsWith('wl_job-') || NOT_QUEUED.has(type)) continue;
      if (STAYS_QUEUED.has(type)) this.isStale = true;
      else this.jobs.delete(idOf(stream));
    }
  }

  private read(offered: Offered, text: string, most: number): void {
    this.jobs.clear();
    const read = this.queries.queued(this.device, offered, most);
    for (const job of read) this.jobs.set(job.uid, job);
    this.isWhole = read.length < most;
    this.isStale = false;
    this.text = text;
  }

  /** @returns how many were given */
  private pass(take: Take): number | 'no room' {
    let given = 0;
    for (const job of this.jobs.values()) {
      const what = take(job);
      if (what === 'no room') return what;
      if (what === 'stays') continue;
      this.jobs.delete(job.uid);
      given += 1;
    }
    return given;
  }
}
