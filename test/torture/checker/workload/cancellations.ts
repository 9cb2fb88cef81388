/**
 * What is promised of cancellations: behind a request nothing of the task is planned or granted; what is under way is asked to end before
 * it counts as cancelled; nothing of a cancelled task is told to be done again; what it wrote is aborted, and no output of it stays.
 */

import type { StoredEvent } from '../stored-event.js';
import type { Violations } from '../violations.js';
import type { DatasetLife, FileLife } from './dataset-life.js';
import { type Tell, textOf } from './fields.js';
import type { TaskLife } from './task-life.js';

export class Cancellations {
  private readonly isOneNode: boolean;
  /** Tasks, and jobs. */
  private readonly asked = new Set<string>();
  private readonly jobsAsked = new Set<string>();

  constructor(isOneNode: boolean) {
    this.isOneNode = isOneNode;
  }

  ofTask(id: string, { type }: StoredEvent, tell: Tell): void {
    if (type === 'TaskCancelRequested') this.asked.add(id);
    if (type === 'TaskJobsPlanned' && this.asked.has(id))
      tell('nothing-behind-cancel', 'jobs are planned behind the request to cancel it');
  }

  /** @param task how it stands by then */
  ofJob(
    id: string,
    event: StoredEvent,
    { task = '', end }: { readonly task: string | undefined; readonly end: TaskLife['end'] },
    tell: Tell,
  ): void {
    const { type } = event;
    if (type === 'JobCancelRequested') this.jobsAsked.add(id);
    if (type === 'JobClaimed' && this.isOneNode && this.asked.has(task))
      tell('nothing-behind-cancel', `it is granted behind the request to cancel task ${task}`);
    if (type === 'JobCancelled' && textOf(event, 'claim_id') !== undefined && !this.jobsAsked.has(id))
      tell('cancelled-means-ended', 'it is cancelled, and nobody asked what runs of it to end');
    if (type === 'JobRetried' && (end === 'cancelled' || end === 'finished'))
      tell('final-is-final', `it is told to be done again, and its task is ${end}`);
  }

  conclude(
    {
      tasks,
      datasets,
    }: { readonly tasks: ReadonlyMap<string, TaskLife>; readonly datasets: ReadonlyMap<string, DatasetLife> },
    files: ReadonlyMap<string, FileLife>,
    violations: Violations,
  ): void {
    const available = new Map<string, number>();
    for (const { dataset, state } of files.values())
      if (state === 'available') available.set(dataset, (available.get(dataset) ?? 0) + 1);
    for (const [id, { producer = '', produces, end }] of datasets) {
      if (tasks.get(producer)?.end !== 'cancelled') continue;
      const where = `wl_dataset-${id}`;
      if (end !== 'aborted')
        violations.add(
          'cancelled-means-ended',
          where,
          `task ${producer} is cancelled, and what it wrote is not aborted`,
        );
      if (produces === 'log') continue;
      const there = available.get(id) ?? 0;
      if (there > 0)
        violations.add(
          'outputs-discarded',
          where,
          `${there} files are available, and task ${producer} is cancelled`,
        );
    }
  }
}
