/**
 * What is to be planned next of a task, from the read model: which files become jobs, or what it waits for.
 *
 * Guarantees: files are taken in the order of their places and only once each before them is settled, so a plan is a range and what
 * is left out of it by name; nothing is kept in memory but the places left out, of which a plan has a limit; what was planned stays
 * a plan that can be carried out, for no file that is available is declared again.
 *
 * Levels (docs/decisions/0059-levels-of-a-merge.md): level 1 reads the input, each further one what the jobs below it wrote, which
 * lies in a dataset of its own by the numbers of those jobs. A level that has one job is the last, and is known for it before it is
 * planned; where the files behind its first group turn out not to come, one more level with one file follows.
 */

import { MOST_SKIPPED_OF_A_CHUNK, type TaskOrder } from '../../../../../machines/workload/task.js';
import type { Database, SqlRow } from '../../../../base/sql.js';
import { datasetIdOf } from '../ids.js';
import type { Chunk } from './task-commands.js';

/** Files that one plan goes over, unless one job takes more. */
const MOST_FILES_OF_A_CHUNK = 20_000;
/** What the inputs of one job may take in its first event, and what of each of them beside its path. JSON, in bytes. */
const MOST_BYTES_OF_A_JOB = 900_000;
const BYTES_OF_A_FILE = 450;
/** Files that a sentence names. */
const MOST_NAMED = 3;
/** Where a file is not there and will not come; of those that failed, whose job is not under way again. */
export const LOST = ['missing', 'corrupt', 'failed', 'discarded'] as const;

/** How far a task is planned. */
export interface Planned {
  readonly chunks: number;
  readonly jobs: number;
  readonly level: number;
  readonly nextIdx: number;
  readonly levelFirst: number;
  readonly isLast: boolean;
}

export interface Splittable {
  readonly uid: string;
  /** Its running number. */
  readonly id: number;
  readonly order: Pick<TaskOrder, 'data_in_uid' | 'files_per_job' | 'require_complete' | 'until_one'>;
  readonly planned: Planned;
}

export type Step =
  | { readonly kind: 'plan'; readonly chunk: Chunk }
  /** All that there is to plan is planned. */
  | { readonly kind: 'complete' }
  /** It will never be. @see isAborted */
  | { readonly kind: 'fail'; readonly reason: string; readonly isAborted: boolean }
  | { readonly kind: 'wait'; readonly why: string }
  /** There is no room for more. */
  | { readonly kind: 'full' };

/** A run of files that a level reads. */
export interface Source {
  readonly level: number;
  readonly dataset: string;
  readonly from: number;
  /** Behind the last one that is known of. */
  readonly end: number;
  /** No more will come. */
  readonly isWhole: boolean;
  /** Jobs of this level that are planned. */
  readonly jobs: number;
}

/** @param most jobs that may be planned at once; 0: none, and then no files are looked at */
export function nextStep(db: Database, task: Splittable, most: number): Step {
  const input = db.prepare('SELECT * FROM dsm_datasets WHERE uid = ?').get(task.order.data_in_uid);
  const step = beforeReading(db, task, input);
  if (step.kind !== 'read') return step;
  if (most === 0) return { kind: 'full' };
  return chunkOf(db, task, { source: step.source, input: step.input, most });
}

/** There are files to be looked at, or it is known without them. */
type BeforeReading = Step | { readonly kind: 'read'; readonly source: Source; readonly input: SqlRow };

/** @param most files that are looked at for those that will not come, of each sort */
export function beforeReading(
  db: Database,
  task: Splittable,
  input: SqlRow | undefined,
  most = MOST_SKIPPED_OF_A_CHUNK,
): BeforeReading {
  const { order, planned } = task;
  if (input === undefined) return { kind: 'wait', why: `waits for dataset ${order.data_in_uid}` };
  if (input['status'] === 'aborted')
    return { kind: 'fail', reason: `its input ${nameOf(input)} was aborted`, isAborted: true };
  if (isEnding(db, input)) return { kind: 'wait', why: `its input ${nameOf(input)} is being cancelled` };
  if (planned.isLast) return { kind: 'complete' };
  const source = sourceOf(task, input);
  if (source === undefined) return { kind: 'complete' };
  const missing = order.require_complete ? missingIn(db, task, source, most) : undefined;
  if (missing !== undefined) return { kind: 'fail', reason: missing, isAborted: false };
  return { kind: 'read', source, input };
}

/** It is being aborted: what of it is there will not stay, and what is not says nothing of who reads it. */
function isEnding(db: Database, { status, producer_task: task = null }: SqlRow): boolean {
  if (status === 'cancelling') return true;
  if (task === null || status === 'closed') return false;
  const state = db.prepare('SELECT state FROM task_dat WHERE uid = ?').get(task)?.['state'];
  return state === 'cancelling' || state === 'cancelled';
}

/** Undefined where there is nothing left to read. */
function sourceOf({ uid, order, planned }: Splittable, input: SqlRow): Source | undefined {
  const { level, nextIdx, levelFirst, jobs } = planned;
  const levels = { dataset: datasetIdOf(uid, 'levels'), isWhole: true };
  if (level <= 1) {
    const end = Number(input['files']);
    const isWhole = input['status'] === 'sealed' || input['status'] === 'closed';
    const own = { level: 1, dataset: order.data_in_uid, from: nextIdx, end, isWhole, jobs };
    if (!isWhole || nextIdx < end) return own;
  } else if (nextIdx < levelFirst)
    return { ...levels, level, from: nextIdx, end: levelFirst, jobs: jobs - levelFirst };
  // This level is planned.
  const written = jobs - levelFirst;
  if (!order.until_one || written === 0) return undefined;
  return { ...levels, level: level + 1, from: levelFirst, end: jobs, jobs: 0 };
}

/** Files that are still to be read and will not come, in words. */
function missingIn(
  db: Database,
  { id }: Splittable,
  { level, dataset, from }: Source,
  most: number,
): string | undefined {
  if (level > 1) {
    const jobs = db
      .prepare(
        `SELECT seq, state FROM job_dat WHERE task_id = ? AND state IN ('failed', 'cancelled') AND level = ? AND retry_due = 0 LIMIT ${MOST_NAMED + 1}`,
      )
      .all(id, level - 1);
    if (jobs.length === 0) return undefined;
    const named = some(jobs.map(({ seq, state }) => `job ${String(seq)} is ${String(state)}`));
    return `level ${level} lacks what it reads: ${named}`;
  }
  const files = LOST.flatMap((status) =>
    db
      .prepare(
        `SELECT idx, file_name, status, failed_job FROM dsm_files INDEXED BY dsm_files_by_status
         WHERE dataset_uid = ? AND status = ? AND idx >= ? ORDER BY idx LIMIT ?`,
      )
      .all(dataset, status, from, status === 'failed' ? most : MOST_NAMED + 1)
      .filter((row) => standing(db, row) === 'lost'),
  ).sort((one, other) => Number(one['idx']) - Number(other['idx']));
  if (files.length === 0) return undefined;
  const named = some(files.map(({ file_name, status }) => `${String(file_name)} is ${String(status)}`));
  return `its input is incomplete, and require_complete is set: ${named}`;
}

function some(all: readonly string[]): string {
  return all.length <= MOST_NAMED ? all.join(', ') : `${all.slice(0, MOST_NAMED).join(', ')} and more`;
}

function nameOf(dataset: SqlRow): string {
  return `${String(dataset['name'])} (${String(dataset['uid'])})`;
}

/** What goes into a plan, group by group. */
class Groups {
  jobs = 0;
  /** Behind the last file that is in a job, or left out before one. */
  end: number;
  /** Behind the last file that was looked at. */
  next: number;
  private readonly size: number;
  private readonly most: number;
  private readonly skipped: number[] = [];
  private inGroup = 0;
  private bytes = 0;
  /** A job would not fit into an event. */
  isTooLarge = false;

  constructor(from: number, size: number, most: number) {
    this.end = from;
    this.next = from;
    this.size = size;
    this.most = most;
  }

  get isFull(): boolean {
    return (
      this.skipped.length >= MOST_SKIPPED_OF_A_CHUNK ||
      this.jobs >= this.most ||
      (this.jobs > 0 && this.jobs * this.size >= MOST_FILES_OF_A_CHUNK)
    );
  }

  get begun(): number {
    return this.inGroup;
  }

  /** @param path how long it is */
  take(path: number): void {
    this.next += 1;
    this.inGroup += 1;
    this.bytes += BYTES_OF_A_FILE + path;
    this.isTooLarge ||= this.bytes > MOST_BYTES_OF_A_JOB;
    if (this.inGroup === this.size) this.close();
  }

  skip(): void {
    this.skipped.push(this.next);
    this.next += 1;
  }

  /** What has begun is a group too, and what was looked at is in the plan. */
  closeAll(): void {
    if (this.inGroup > 0) this.close();
    this.end = this.next;
  }

  leftOut(): number[] {
    return this.skipped.filter((idx) => idx < this.end);
  }

  private close(): void {
    this.jobs += 1;
    this.inGroup = 0;
    this.bytes = 0;
    this.end = this.next;
  }
}

function chunkOf(
  db: Database,
  { order, planned }: Splittable,
  { source, input, most }: { readonly source: Source; readonly input: SqlRow; readonly most: number },
): Step {
  const groups = new Groups(source.from, order.files_per_job, most);
  const isAtEnd = collect(db, source, groups);
  if (groups.isTooLarge) return { kind: 'fail', reason: tooLarge(order.files_per_job), isAborted: false };
  // Where so many are left out a group may be smaller: it would never be planned else.
  if (isAtEnd || (groups.isFull && groups.jobs === 0)) groups.closeAll();
  const isOnly = order.until_one && source.jobs === 0 && groups.jobs === 1 && groups.end === source.end;
  if (groups.end === source.from || (isOnly && !source.isWhole))
    return { kind: 'wait', why: whyNot(source, groups, input) };
  const skipped = groups.leftOut();
  const chunk = {
    ...{ chunk: planned.chunks + 1, level: source.level, first_idx: source.from },
    ...{ files: groups.end - source.from, first_seq: planned.jobs, jobs: groups.jobs },
    ...(skipped.length === 0 ? {} : { skipped }),
    ...(isOnly ? { last_level: true } : {}),
  };
  return { kind: 'plan', chunk };
}

function tooLarge(files: number): string {
  return `${files} files with paths so long do not fit into one job; submit it again with a smaller files_per_job`;
}

/** @returns whether all that will ever come was looked at */
function collect(db: Database, { dataset, from, end, isWhole }: Source, groups: Groups): boolean {
  const rows = db
    .prepare(
      `SELECT idx, status, failed_job, length(CAST(json_quote(path) AS BLOB)) AS path FROM dsm_files
       WHERE dataset_uid = ? AND idx >= ? AND idx < ? ORDER BY idx`,
    )
    .iterate(dataset, from, end);
  for (const row of rows) {
    if (groups.isFull || groups.isTooLarge || row['idx'] !== groups.next) return false;
    const status = standing(db, row);
    if (status === 'unsettled') return false;
    if (status === 'there') groups.take(Number(row['path']));
    else groups.skip();
  }
  return isWhole && groups.next === end;
}

const UNSETTLED = new Set<unknown>(['registering', 'declared']);

export function standing(
  db: Database,
  { status, failed_job: last = null }: SqlRow,
): 'there' | 'unsettled' | 'lost' {
  if (status === 'available') return 'there';
  if (UNSETTLED.has(status)) return 'unsettled';
  if (status !== 'failed') return 'lost';
  // Its job may be under way again: then it is not known yet.
  const job = db.prepare('SELECT state, retry_due FROM job_dat WHERE id = ?').get(last);
  const isOver = job === undefined || (job['state'] === 'failed' && job['retry_due'] === 0);
  return isOver || job['state'] === 'cancelled' ? 'lost' : 'unsettled';
}

/** Why no job can be made of what is there. */
export function whyNot(
  { level, end, from, isWhole }: Source,
  groups: Pick<Groups, 'begun' | 'next'>,
  input: SqlRow,
): string {
  const expected = Math.max(Number(input['files']), Number(input['expected_files'] ?? 0));
  if (level > 1)
    return `waits for files of level ${level - 1}: ${groups.begun} of the ${end - from} that are left are there in turn`;
  const there = Number(input['files_available']);
  const of = expected === 0 ? 'none is known of yet' : `${there} of ${expected} are there`;
  if (groups.next < end) return `waits for files: ${of}; the next one is number ${groups.next}`;
  const behind = groups.begun === 0 ? '' : `; ${groups.begun} wait for others to go with`;
  const closing = isWhole ? '' : `, and ${nameOf(input)} is not closed`;
  return `waits for files: ${of}${behind}${closing}`;
}
