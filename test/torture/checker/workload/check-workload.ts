/**
 * Holds the promises of workload against a whole log, read once and in order. It knows neither read models nor the product's
 * machines: each life is told once more in this folder.
 *
 * What it finds broken: a second living claim of a job; a start without its claim, or twice; what is told of an attempt whose claim
 * does not live; a place of a dataset in two jobs of one level, or in none; what stands behind a closed dataset; files whose states
 * do not add up to their dataset; what stands behind a final state and is no retry; counts of a task that its jobs do not give;
 * what is granted or planned behind a request to cancel, and what is called cancelled too early (cancellations.ts).
 */

import { LogOrder } from '../log-order.js';
import { type Found, isReadable, partsOf, type StoredEvent } from '../stored-event.js';
import type { Violations } from '../violations.js';
import { Cancellations } from './cancellations.js';
import { DatasetLife, FileLife } from './dataset-life.js';
import { numberOf, type Tell, textOf } from './fields.js';
import { JobLife } from './job-life.js';
import { TaskLife } from './task-life.js';

export interface WorkloadHistory {
  readonly events: number;
  readonly tasks: ReadonlyMap<string, TaskLife>;
  readonly jobs: ReadonlyMap<string, JobLife>;
  readonly datasets: ReadonlyMap<string, DatasetLife>;
}

/**
 * @param isQuiet nothing was under way any more when the log ended: what has to come of itself has come
 * @param isOneNode one node at a time has written it, and each knew what became of all that it had written
 */
export async function checkWorkload(
  found: AsyncIterable<Found> | Iterable<Found>,
  violations: Violations,
  isQuiet = true,
  isOneNode = false,
): Promise<WorkloadHistory> {
  const reading = new Reading(violations, isOneNode);
  for await (const event of found) reading.take(event);
  if (isQuiet) reading.conclude();
  return reading;
}

class Reading implements WorkloadHistory {
  events = 0;
  readonly tasks = new Map<string, TaskLife>();
  readonly jobs = new Map<string, JobLife>();
  readonly datasets = new Map<string, DatasetLife>();
  private readonly files = new Map<string, FileLife>();
  private readonly violations: Violations;
  private readonly order: LogOrder;
  private readonly cancellations: Cancellations;
  /** Places that jobs read, by task, level, dataset and place: which job. */
  private readonly taken = new Map<string, string>();
  /** By dataset and place: which file. */
  private readonly places = new Map<string, string>();

  constructor(violations: Violations, isOneNode: boolean) {
    this.violations = violations;
    this.cancellations = new Cancellations(isOneNode);
    this.order = new LogOrder(violations);
  }

  take(event: Found): void {
    const { stream, revision } = event;
    const { category, id } = partsOf(stream);
    if (!category.startsWith('wl_')) return;
    this.events += 1;
    this.order.take(event);
    if (!isReadable(event)) {
      this.violations.add('unreadable', `${stream} ${revision}`, event.problem);
      return;
    }
    this.order.noteId(event);
    // An order that changed nothing, a second cancellation for instance: it says nothing of the life.
    if (event.type === 'OrderAccepted') return;
    const tell: Tell = (rule, what) => this.violations.add(rule, `${stream} ${revision}`, what);
    if (category === 'wl_job') this.job(id, event, tell);
    else if (category === 'wl_task') this.task(id, event, tell);
    else if (category === 'wl_dataset') this.dataset(id, event, tell);
    else if (category === 'wl_file') this.file(id, event, tell);
  }

  conclude(): void {
    this.cancellations.conclude(this, this.files, this.violations);
    for (const [id, task] of this.tasks)
      task.conclude(this.datasets.get(task.input)?.files ?? 0, this.tellOf('wl_task', id));
    for (const [id, job] of this.jobs) {
      const task = job.task === undefined ? undefined : this.tasks.get(job.task);
      if (task !== undefined && task.end !== undefined && job.end === undefined)
        this.tellOf('wl_job', id)('final-is-final', `it lives, and its task is ${task.end}`);
    }
    const counts = new Map<string, number>();
    for (const { dataset } of this.files.values()) counts.set(dataset, (counts.get(dataset) ?? 0) + 1);
    for (const [id, dataset] of this.datasets) {
      const count = counts.get(id) ?? 0;
      // What a task writes gets its life with the end of its job.
      const producer = this.tasks.get(dataset.producer ?? '');
      if (producer !== undefined && producer.end === undefined) continue;
      if (dataset.end !== 'aborted' && count !== dataset.files)
        this.tellOf('wl_dataset', id)(
          'file-states-add-up',
          `${dataset.files} files, and ${count} have a life`,
        );
    }
  }

  private task(id: string, event: StoredEvent, tell: Tell): void {
    lifeOf(this.tasks, id, TaskLife).take(event, tell);
    this.cancellations.ofTask(id, event, tell);
  }

  private tellOf(category: string, id: string): Tell {
    return (rule, what) => this.violations.add(rule, `${category}-${id}`, what);
  }

  private job(id: string, event: StoredEvent, tell: Tell): void {
    const job = lifeOf(this.jobs, id, JobLife);
    job.take(event, tell);
    this.cancellations.ofJob(id, event, { task: job.task, end: this.tasks.get(job.task ?? '')?.end }, tell);
    if (event.type !== 'JobCreated' || job.task === undefined) return;
    for (const { dataset, idx } of job.inputs) {
      const place = `${job.task} ${job.level} ${dataset} ${idx}`;
      const other = this.taken.get(place);
      if (other !== undefined)
        tell('place-in-one-job', `level ${job.level}: place ${idx} of ${dataset} is in job ${other} too`);
      this.taken.set(place, id);
    }
    const task = this.tasks.get(job.task);
    if (task === undefined) tell('legal-transitions', `there is no task ${job.task}`);
    else if (task.end === 'finished' || task.end === 'cancelled')
      tell('final-is-final', `it is made, and its task is ${task.end}`);
    task?.jobs.push(job);
  }

  private dataset(id: string, event: StoredEvent, tell: Tell): void {
    const dataset = lifeOf(this.datasets, id, DatasetLife);
    dataset.take(event, tell);
    if (event.type !== 'DatasetClosed') return;
    const states = [...this.files.values()].filter((file) => file.dataset === id).map(({ state }) => state);
    const unsettled = states.filter((state) => state === 'declared').length + dataset.files - states.length;
    if (unsettled > 0) tell('file-states-add-up', `closed while ${unsettled} of its files are unsettled`);
    const there = states.filter((state) => state === 'available').length;
    const { available = 0 } = dataset.counted ?? {};
    if (available !== there)
      tell('file-states-add-up', `closed with ${available} files available, and ${there} are`);
  }

  private file(id: string, event: StoredEvent, tell: Tell): void {
    const file = lifeOf(this.files, id, FileLife);
    file.take(event, tell);
    if (event.type === 'FileRegistered') this.place(id, file, tell);
    const writer = textOf(event, 'job');
    if (writer === undefined || (event.type !== 'FileAvailable' && event.type !== 'FileRegistered')) return;
    const job = this.jobs.get(writer);
    const attempt = numberOf(event, 'attempt');
    if (job?.ended.has(attempt) !== true)
      tell('told-of-the-living-claim', `available by attempt ${attempt}, which has not ended as its job's`);
  }

  private place(id: string, { dataset, idx }: FileLife, tell: Tell): void {
    const place = `${dataset} ${idx}`;
    const other = this.places.get(place);
    if (other !== undefined) tell('file-states-add-up', `place ${idx} of ${dataset} is of file ${other} too`);
    this.places.set(place, id);
    const { files = 0 } = this.datasets.get(dataset) ?? {};
    if (idx >= files) tell('file-states-add-up', `place ${idx}, and ${dataset} has ${files} files`);
  }
}

function lifeOf<Life>(lives: Map<string, Life>, id: string, Made: new () => Life): Life {
  const known = lives.get(id);
  if (known !== undefined) return known;
  const made = new Made();
  lives.set(id, made);
  return made;
}
