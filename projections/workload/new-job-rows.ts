/**
 * The rows of new jobs and of the files that they use. Those of one transaction are written together, several with one statement: a task
 * makes up to 500 at once.
 *
 * Guarantee: the files of a job have numbers one after another, its inputs first, then its outputs, then its log: from `file_in_id` to
 * `file_log_id` of the job's row, so that no index is needed to find them.
 */

import type { KeptStatements, SqlValue } from '../../src/base/sql.js';
import { idOf, type JsonObject, type RecordedEvent } from '../../src/runtime/event-store/event-store.js';
import { namesIn } from './dataset-rows.js';
import type { KnownJobs, Numbers } from './known-jobs.js';
import {
  type Differences,
  LookedUp,
  recordIn,
  recordsIn,
  StreamRows,
  sizeIn,
  timeOf,
  valueIn,
} from './rows.js';

export interface JobTables {
  readonly jobs: string;
  readonly jobFiles: string;
  readonly tasks: string;
  readonly pilots: string;
  readonly datasets: string;
  readonly files: string;
}

/** What stands in the event as it does in the row. */
const ORDERED = namesIn(
  'executable args rank device_type mode retries timeout_seconds memory_mib seq level data_out_url',
);
const JOB_COLUMNS = [
  ...namesIn('job_id id file_in_id file_out_id file_log_id file_id parent_job_id task_id'),
  ...ORDERED,
  ...namesIn('state inputs outputs created_time update_time revision'),
];

const USED = namesIn('file_name path check_sum sha256 dataset_uid');
const FILE_COLUMNS = [
  ...namesIn('file_id job_id file_in_id file_out_id file_log_id type status size dsm_file'),
  ...USED,
];

export class NewJobRows {
  private readonly statements: KeptStatements;
  private readonly tables: JobTables;
  private readonly known: KnownJobs;
  private readonly jobs: StreamRows;
  private readonly jobFiles: StreamRows;
  private readonly taskIds = new LookedUp<number>();
  private readonly writtenByJobs = new LookedUp<boolean>();
  /** Of the transaction under way, by the id of the job. */
  private readonly created = new Map<string, RecordedEvent>();

  constructor(statements: KeptStatements, tables: JobTables, known: KnownJobs) {
    this.statements = statements;
    this.tables = tables;
    this.known = known;
    this.jobs = new StreamRows(statements, tables.jobs, 'id');
    this.jobFiles = new StreamRows(statements, tables.jobFiles, 'file_id');
  }

  /** A transaction begins. */
  begin(): void {
    this.created.clear();
    for (const known of [this.jobs, this.jobFiles, this.taskIds, this.writtenByJobs]) known.begin();
  }

  /** Its row is there once `write` was called. */
  add(event: RecordedEvent): void {
    const id = idOf(event.stream);
    if (!this.created.has(id)) this.created.set(id, event);
  }

  /** @param counts of tasks, by their running numbers */
  write(counts: Differences): void {
    if (this.created.size === 0) return;
    this.leaveOutKnown();
    const jobs: SqlValue[][] = [];
    const files: SqlValue[][] = [];
    let job = this.jobs.next('job_id');
    let file = this.jobFiles.next('file_id');
    for (const [id, event] of this.created) {
      const [inputs, outputs] = [recordsIn(event.data, 'inputs'), recordsIn(event.data, 'outputs')];
      const numbers = {
        job,
        in: file,
        out: file + inputs.length,
        log: file + inputs.length + outputs.length,
      };
      const task = this.taskIdOf(event.data['task']);
      jobs.push(this.rowOf(id, event, { numbers, task, inputs, outputs }));
      this.known.keep(event, { revision: event.revision, task, state: 'created', numbers });
      for (const input of inputs) files.push(useOf(input, 'input', file++, numbers));
      for (const output of outputs) files.push(useOf(output, 'output', file++, numbers));
      files.push(useOf(recordIn(event.data, 'log'), 'log', file++, numbers));
      job += 1;
      if (task === null) continue;
      counts.add(String(task), 'jobs_waiting', 1);
      counts.add(String(task), 'jobs_total', 1);
    }
    this.jobs.insertAll(JOB_COLUMNS, jobs);
    this.jobFiles.insertAll(FILE_COLUMNS, files);
    this.jobs.goOn('job_id', job);
    this.jobFiles.goOn('file_id', file);
    this.created.clear();
  }

  /** What is told again has its row. */
  private leaveOutKnown(): void {
    const known = this.statements
      .of(`SELECT id FROM ${this.tables.jobs} WHERE id IN (SELECT value FROM json_each(?))`)
      .all(JSON.stringify([...this.created.keys()]));
    for (const { id } of known) this.created.delete(String(id));
  }

  private rowOf(id: string, event: RecordedEvent, { numbers, task, inputs, outputs }: Ordered): SqlValue[] {
    const { data, revision } = event;
    const time = timeOf(event);
    return [
      ...[numbers.job, id, numbers.in, numbers.out, numbers.log, numbers.in],
      ...[this.writerOf(inputs[0]), task],
      ...ORDERED.map((name) => valueIn(data, name)),
      ...['created', inputs.length, outputs.length, time, time, revision],
    ];
  }

  private taskIdOf(uid: unknown): number | null {
    if (typeof uid !== 'string') return null;
    return this.taskIds.of(uid, () => {
      const row = this.statements.of(`SELECT task_id FROM ${this.tables.tasks} WHERE uid = ?`).get(uid);
      if (row === undefined) throw new Error(`there is no task ${uid}`);
      return Number(row['task_id']);
    });
  }

  /** The job that wrote the file. */
  private writerOf(input: JsonObject | undefined): number | null {
    if (input === undefined || !this.isWrittenByJobs(String(input['dataset_uid']))) return null;
    const { jobs, files } = this.tables;
    const row = this.statements
      .of(
        `SELECT job.job_id FROM ${files} AS file JOIN ${jobs} AS job ON job.id = file.producer_job
         WHERE file.dataset_uid = ? AND file.idx = ?`,
      )
      .get(valueIn(input, 'dataset_uid'), valueIn(input, 'idx'));
    return row === undefined ? null : Number(row['job_id']);
  }

  /** False where all of the dataset comes from outside. */
  private isWrittenByJobs(dataset: string): boolean {
    return this.writtenByJobs.of(dataset, () => {
      const row = this.statements
        .of(`SELECT producer_task FROM ${this.tables.datasets} WHERE uid = ?`)
        .get(dataset);
      return row?.['producer_task'] !== null;
    });
  }
}

interface Ordered {
  readonly numbers: Numbers;
  readonly task: number | null;
  readonly inputs: readonly JsonObject[];
  readonly outputs: readonly JsonObject[];
}

/** The row of a file that a job uses. */
function useOf(file: JsonObject, type: string, id: number, numbers: Numbers): SqlValue[] {
  return [
    ...[id, numbers.job, numbers.in, numbers.out, numbers.log, type],
    ...[type === 'input' ? 'waiting' : 'declared', sizeIn(file, 'size'), valueIn(file, 'uid')],
    ...USED.map((name) => valueIn(file, name)),
  ];
}
