/** Rows of jobs and of the files that they use, and how the jobs of a task stand. */

import type { KeptStatements, SqlRow, SqlValue } from '../../src/base/sql.js';
import {
  idOf,
  type JsonObject,
  ORDER_ACCEPTED,
  type RecordedEvent,
} from '../../src/runtime/event-store/event-store.js';
import { columns } from './dataset-rows.js';
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
}

/** What a task counts a job in that state as. */
const COUNTED: Readonly<Record<string, string>> = {
  created: 'jobs_waiting',
  queued: 'jobs_waiting',
  staging: 'jobs_running',
  running: 'jobs_running',
  cancelling: 'jobs_running',
  finished: 'jobs_finished',
  failed: 'jobs_failed',
  cancelled: 'jobs_cancelled',
};

/** The state an event leads to; absent where it stays. */
const STATE_AFTER: Readonly<Record<string, string>> = {
  JobQueued: 'queued',
  JobWithdrawn: 'created',
  JobClaimed: 'staging',
  JobStarted: 'running',
  JobAttemptFailed: 'created',
  JobFailed: 'failed',
  JobFinished: 'finished',
  JobCancelRequested: 'cancelling',
  JobCancelled: 'cancelled',
  JobRetried: 'created',
};

const STAYS = new Set(['JobRequeued', 'JobRanked', 'JobPilotLost', 'JobPilotReturned', ORDER_ACCEPTED]);

const ORDERED =
  'executable args rank device_type mode retries timeout_seconds memory_mib seq level data_out_url';

/** What becomes of the files that a job uses, by type of file. */
const FILES_AFTER: Readonly<
  Record<string, { readonly input: string; readonly output?: string; readonly log?: string }>
> = {
  JobClaimed: { input: 'in_use', output: 'declared', log: 'declared' },
  JobAttemptFailed: { input: 'waiting' },
  JobFinished: { input: 'used' },
  JobFailed: { input: 'used', output: 'failed', log: 'failed' },
  JobCancelled: { input: 'used', output: 'discarded', log: 'discarded' },
  JobRetried: { input: 'waiting', output: 'declared', log: 'declared' },
};

export class JobRows {
  private readonly statements: KeptStatements;
  private readonly tables: JobTables;
  private readonly jobs: StreamRows;
  private readonly jobFiles: StreamRows;
  private readonly taskIds = new LookedUp<number>();
  private readonly pilotIds = new LookedUp<number | null>();
  private readonly writtenByJobs = new LookedUp<boolean>();

  constructor(statements: KeptStatements, tables: JobTables) {
    this.statements = statements;
    this.tables = tables;
    this.jobs = new StreamRows(statements, tables.jobs, 'id');
    this.jobFiles = new StreamRows(statements, tables.jobFiles, 'file_id');
  }

  /** A transaction begins. */
  begin(): void {
    for (const known of [this.jobs, this.jobFiles, this.taskIds, this.pilotIds, this.writtenByJobs])
      known.begin();
  }

  /** @param counts of tasks, by their running numbers */
  apply(event: RecordedEvent, counts: Differences): void {
    const { type } = event;
    if (type === 'JobCreated') {
      this.create(event, counts);
      return;
    }
    const row = this.jobs.before(event, 'job_id, task_id, state');
    if (row === undefined) return;
    const before = String(row['state']);
    const state = STATE_AFTER[type] ?? before;
    if (STATE_AFTER[type] === undefined && !STAYS.has(type)) throw new Error(`${type} is no event of a job`);
    this.jobs.update(event, { state, ...changeOf(event), ...this.pilotOf(event) });
    this.count(counts, row['task_id'], before, -1);
    this.count(counts, row['task_id'], state, 1);
    this.changeFiles(event, Number(row['job_id']));
  }

  private create(event: RecordedEvent, counts: Differences): void {
    const { data } = event;
    const [inputs, outputs] = [recordsIn(data, 'inputs'), recordsIn(data, 'outputs')];
    const job = this.jobs.next('job_id');
    const first = this.jobFiles.next('file_id');
    const ids = { in: first, out: first + inputs.length, log: first + inputs.length + outputs.length };
    const task = this.taskIdOf(data['task']);
    const time = timeOf(event);
    const isNew = this.jobs.insert({
      job_id: job,
      id: idOf(event.stream),
      ...{ file_in_id: ids.in, file_out_id: ids.out, file_log_id: ids.log, file_id: ids.in },
      parent_job_id: this.writerOf(inputs[0]),
      task_id: task,
      ...columns(data, ORDERED),
      ...{ state: 'created', inputs: inputs.length, outputs: outputs.length },
      ...{ created_time: time, update_time: time, revision: event.revision },
    });
    if (!isNew) return;
    const files = [
      ...inputs.map((file): [string, JsonObject] => ['input', file]),
      ...outputs.map((file): [string, JsonObject] => ['output', file]),
      ['log', recordIn(data, 'log')] as const,
    ];
    this.jobFiles.insertAll(files.map(([type, file], i) => useOf(file, { type, id: first + i, job, ids })));
    this.jobs.goOn('job_id', job + 1);
    this.jobFiles.goOn('file_id', first + files.length);
    this.count(counts, task, 'created', 1);
    if (task !== null) counts.add(String(task), 'jobs_total', 1);
  }

  private taskIdOf(uid: unknown): number | null {
    if (typeof uid !== 'string') return null;
    return this.taskIds.of(uid, () => {
      const row = this.statements.of(`SELECT task_id FROM ${this.tables.tasks} WHERE uid = ?`).get(uid);
      if (row === undefined) throw new Error(`there is no task ${uid}`);
      return Number(row['task_id']);
    });
  }

  private pilotOf({ type, data }: RecordedEvent): Record<string, SqlValue> {
    if (type !== 'JobClaimed') return {};
    const sql = `SELECT pilot_id FROM ${this.tables.pilots} WHERE name = ?`;
    const id = this.pilotIds.of(String(data['pilot']), (name) => {
      const row = this.statements.of(sql).get(name);
      return row === undefined ? null : Number(row['pilot_id']);
    });
    return { pilot_id: id };
  }

  /** The job that wrote the file. */
  private writerOf(input: JsonObject | undefined): number | null {
    if (input === undefined || !this.isWrittenByJobs(String(input['dataset_uid']))) return null;
    const row = this.statements
      .of(`SELECT job_id FROM ${this.tables.jobFiles} WHERE dsm_file = ? AND type <> 'input' LIMIT 1`)
      .get(valueIn(input, 'uid'));
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

  private count(counts: Differences, task: SqlRow[string] | undefined, state: string, by: 1 | -1): void {
    const column = COUNTED[state];
    if (task === null || task === undefined || column === undefined) return;
    counts.add(String(task), column, by);
  }

  private changeFiles(event: RecordedEvent, job: number): void {
    const { type, data, revision } = event;
    const time = timeOf(event);
    const { input, output, log } = FILES_AFTER[type] ?? {};
    if (input !== undefined)
      this.statements
        .of(
          `UPDATE ${this.tables.jobFiles} SET time_start = ${type === 'JobClaimed' ? '?' : 'coalesce(time_start, ?)'},
           attempt = coalesce(?, attempt), revision = ?, status = CASE type WHEN 'input' THEN ? WHEN 'output' THEN ? ELSE ? END
           WHERE job_id = ? ${output === undefined ? "AND type = 'input'" : ''}`,
        )
        .run(time, valueIn(data, 'attempt'), revision, input, output ?? null, log ?? null, job);
    if (type === 'JobFailed' && typeof data['file'] === 'string')
      this.statements
        .of(
          `UPDATE ${this.tables.jobFiles} SET status = ? WHERE job_id = ? AND dsm_file = ? AND type = 'input'`,
        )
        .run(data['class'] === 'input_missing' ? 'missing' : 'corrupt', job, data['file']);
    if (type === 'JobRetried')
      this.statements
        .of(
          `UPDATE ${this.tables.jobFiles} SET path = NULL, size = NULL, check_sum = NULL, sha256 = NULL, time_end = NULL
           WHERE job_id = ? AND type = 'log'`,
        )
        .run(job);
    for (const file of writtenIn(event))
      this.statements
        .of(
          `UPDATE ${this.tables.jobFiles} SET status = 'available', file_name = ?, path = ?, size = ?, check_sum = ?, sha256 = ?,
           time_end = ?, attempt = ?, revision = ? WHERE job_id = ? AND dsm_file = ?`,
        )
        .run(
          ...[valueIn(file, 'file_name'), valueIn(file, 'path'), sizeIn(file, 'size')],
          ...[valueIn(file, 'check_sum'), valueIn(file, 'sha256'), time],
          ...[valueIn(data, 'attempt'), revision, job, valueIn(file, 'uid')],
        );
  }
}

interface Use {
  readonly type: string;
  readonly id: number;
  readonly job: number;
  readonly ids: { readonly in: number; readonly out: number; readonly log: number };
}

/** The row of a file that a job uses. */
function useOf(file: JsonObject, { type, id, job, ids }: Use): Record<string, SqlValue> {
  return {
    file_id: id,
    ...columns(file, 'file_name path check_sum sha256 dataset_uid'),
    ...{ type, size: sizeIn(file, 'size'), status: type === 'input' ? 'waiting' : 'declared' },
    ...{ job_id: job, file_in_id: ids.in, file_out_id: ids.out, file_log_id: ids.log },
    dsm_file: valueIn(file, 'uid'),
  };
}

/** What is there now that its job has ended: of a failed one its log at the most. */
function writtenIn({ type, data }: RecordedEvent): JsonObject[] {
  if (type === 'JobFinished') return [...recordsIn(data, 'outputs'), recordIn(data, 'log')];
  return type === 'JobFailed' && data['log'] !== undefined ? [recordIn(data, 'log')] : [];
}

function changeOf(event: RecordedEvent): Record<string, SqlValue> {
  const { type, data } = event;
  const time = timeOf(event);
  switch (type) {
    case 'JobQueued':
      return { queued_time: time, hinted_time: time, remarks: null };
    case 'JobRequeued':
      return { hinted_time: time, remarks: valueIn(data, 'reason') };
    case 'JobWithdrawn':
    case 'JobCancelRequested':
      return { remarks: valueIn(data, 'reason') };
    case 'JobRanked':
      return { rank: valueIn(data, 'rank') };
    case 'JobClaimed':
      return {
        ...columns(data, 'pilot session_id claim_id attempt cur_retry'),
        ...{ claimed_time: time, time_start: null, time_end: null, fail_at: null, remarks: null },
        ...{ failure_class: null, exit_code: null, exit_signal: null },
      };
    case 'JobStarted':
      return { time_start: time };
    case 'JobAttemptFailed':
      return {
        ...columns(data, 'cur_retry losses not_before exit_code exit_signal'),
        ...{ failure_class: valueIn(data, 'class'), remarks: valueIn(data, 'detail') },
        ...{ claim_id: null, fail_at: null, time_end: time },
      };
    case 'JobFailed':
      return {
        ...columns(data, 'exit_code exit_signal'),
        ...{ failure_class: valueIn(data, 'class'), remarks: valueIn(data, 'detail') },
        ...{ claim_id: null, fail_at: null, time_end: time },
      };
    case 'JobFinished':
      return {
        ...columns(data, 'exit_code cpu_seconds'),
        ...{ max_rss: sizeIn(data, 'max_rss'), time_end: time, fail_at: null, remarks: null },
      };
    case 'JobCancelled':
      return { time_end: time, fail_at: null, claim_id: null, remarks: valueIn(data, 'reason') };
    case 'JobPilotLost':
      return columns(data, 'remarks fail_at');
    case 'JobPilotReturned':
      return { remarks: null, fail_at: null };
    case 'JobRetried':
      return {
        ...{ cur_retry: 0, losses: 0, not_before: 0, retry_due: 0 },
        remarks: valueIn(data, 'reason'),
      };
    default:
      return {};
  }
}
