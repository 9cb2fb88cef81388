/** Rows of jobs and of the files that they use, and how the jobs of a task stand. */

import type { KeptStatements, SqlRow, SqlValue } from '../../src/base/sql.js';
import {
  idOf,
  type JsonObject,
  ORDER_ACCEPTED,
  type RecordedEvent,
} from '../../src/runtime/event-store/event-store.js';
import { columns } from './dataset-rows.js';
import { type KnownJob, KnownJobs, type Numbers } from './known-jobs.js';
import { type JobTables, NewJobRows } from './new-job-rows.js';
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

const STAYS = new Set([
  ...['JobRequeued', 'JobHintDied', 'JobRanked', 'JobPilotLost', 'JobPilotReturned', ORDER_ACCEPTED],
]);

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
  private readonly newJobs: NewJobRows;
  private readonly known = new KnownJobs();
  private readonly texts: FileTexts;
  private readonly pilotIds = new LookedUp<number | null>();

  constructor(statements: KeptStatements, tables: JobTables) {
    this.statements = statements;
    this.tables = tables;
    this.jobs = new StreamRows(statements, tables.jobs, 'id');
    this.newJobs = new NewJobRows(statements, tables, this.known);
    this.texts = fileTextsOf(tables.jobFiles);
  }

  /** A transaction begins. */
  begin(): void {
    for (const known of [this.jobs, this.newJobs, this.pilotIds]) known.begin();
  }

  forget(): void {
    this.known.clear();
  }

  /** @param counts of tasks, by their running numbers */
  apply(event: RecordedEvent, counts: Differences): void {
    const { type } = event;
    if (type === 'JobCreated') {
      this.newJobs.add(event);
      return;
    }
    this.write(counts);
    if (STATE_AFTER[type] === undefined && !STAYS.has(type)) throw new Error(`${type} is no event of a job`);
    const before = this.change(event);
    if (before === undefined) return;
    const state = STATE_AFTER[type] ?? before.state;
    this.count(counts, before.task, before.state, -1);
    this.count(counts, before.task, state, 1);
    this.changeFiles(event, before.numbers);
    const { task, numbers } = before;
    this.known.keep(event, { revision: event.revision, task, state, numbers });
  }

  /** @returns the row as it was before the event; undefined where the event is in it already */
  private change(event: RecordedEvent): KnownJob | undefined {
    const set = changeOf(event);
    const state = STATE_AFTER[event.type];
    if (state !== undefined) set['state'] = state;
    if (event.type === 'JobClaimed') set['pilot_id'] = this.pilotOf(event);
    const known = this.known.before(event);
    if (known !== undefined && this.jobs.updateAt(event, set, ['job_id', known.numbers.job])) return known;
    const row = this.jobs.before(event, 'job_id, task_id, state, file_in_id, file_out_id, file_log_id');
    if (row === undefined) return undefined;
    const read = knownIn(event, row);
    this.jobs.updateAt(event, set, ['job_id', read.numbers.job]);
    return read;
  }

  /** New jobs have rows from now on, as whatever comes after them wants it. */
  write(counts: Differences): void {
    this.newJobs.write(counts);
  }

  private pilotOf({ data }: RecordedEvent): SqlValue {
    const sql = `SELECT pilot_id FROM ${this.tables.pilots} WHERE name = ?`;
    return this.pilotIds.of(String(data['pilot']), (name) => {
      const row = this.statements.of(sql).get(name);
      return row === undefined ? null : Number(row['pilot_id']);
    });
  }

  private count(counts: Differences, task: number | null, state: string, by: 1 | -1): void {
    const column = COUNTED[state];
    if (task === null || column === undefined) return;
    counts.add(String(task), column, by);
  }

  /** @param job the numbers of its files (new-job-rows.ts) */
  private changeFiles(event: RecordedEvent, job: Numbers): void {
    const { type, data, revision } = event;
    const { in: first, out: firstOutput, log: last } = job;
    const time = timeOf(event);
    const after = FILES_AFTER[type];
    if (after !== undefined) {
      const { input, output = null, log = null } = after;
      const [sql, end] = output === null ? [this.texts.inputs, firstOutput] : [this.texts.all, last];
      this.statements
        .of(type === 'JobClaimed' ? this.texts.begun : sql)
        .run(time, valueIn(data, 'attempt'), revision, input, output, log, first, end);
    }
    if (type === 'JobFailed') this.markFailed(event, job);
    if (type === 'JobRetried') this.statements.of(this.texts.noLog).run(last);
    for (const file of writtenIn(event))
      this.statements
        .of(this.texts.written)
        .run(
          ...[valueIn(file, 'file_name'), valueIn(file, 'path'), sizeIn(file, 'size')],
          ...[valueIn(file, 'check_sum'), valueIn(file, 'sha256'), time],
          ...[valueIn(data, 'attempt'), revision, firstOutput, last, valueIn(file, 'uid')],
        );
  }

  /** Its input is said to be what it found, and what it was to write knows who has not written it. */
  private markFailed({ data, stream }: RecordedEvent, job: Numbers): void {
    const { in: first, out: firstOutput, log: last } = job;
    const { jobFiles, files } = this.tables;
    if (typeof data['file'] === 'string')
      this.statements
        .of(
          `UPDATE ${jobFiles} SET status = ? WHERE file_id BETWEEN ? AND ? AND dsm_file = ? AND type = 'input'`,
        )
        .run(data['class'] === 'input_missing' ? 'missing' : 'corrupt', first, firstOutput, data['file']);
    this.statements
      .of(
        `UPDATE ${files} SET failed_job = ? WHERE (dataset_uid, file_name) IN
         (SELECT dataset_uid, file_name FROM ${jobFiles} WHERE file_id BETWEEN ? AND ?)`,
      )
      .run(idOf(stream), firstOutput, last);
  }
}

function knownIn({ revision }: RecordedEvent, row: SqlRow): KnownJob {
  return {
    revision: revision - 1,
    task: row['task_id'] === null ? null : Number(row['task_id']),
    state: String(row['state']),
    numbers: {
      job: Number(row['job_id']),
      in: Number(row['file_in_id']),
      out: Number(row['file_out_id']),
      log: Number(row['file_log_id']),
    },
  };
}

type FileTexts = ReturnType<typeof fileTextsOf>;

/** Statements that change the files of a job, by their numbers. Two of them come with every job. */
function fileTextsOf(files: string) {
  const change = (began: string) =>
    `UPDATE ${files} SET time_start = ${began}, attempt = coalesce(?, attempt), revision = ?,
     status = CASE type WHEN 'input' THEN ? WHEN 'output' THEN ? ELSE ? END WHERE file_id BETWEEN ? AND ?`;
  const again = change('coalesce(time_start, ?)');
  return {
    begun: change('?'),
    all: again,
    inputs: `${again} AND type = 'input'`,
    noLog: `UPDATE ${files} SET path = NULL, size = NULL, check_sum = NULL, sha256 = NULL, time_end = NULL WHERE file_id = ?`,
    written: `UPDATE ${files} SET status = 'available', file_name = ?, path = ?, size = ?, check_sum = ?, sha256 = ?,
      time_end = ?, attempt = ?, revision = ? WHERE file_id BETWEEN ? AND ? AND dsm_file = ?`,
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
      return Object.assign(columns(data, 'pilot session_id claim_id attempt cur_retry'), {
        claimed_time: time,
        ...{ time_start: null, time_end: null, fail_at: null, remarks: null },
        ...{ failure_class: null, exit_code: null, exit_signal: null },
      });
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
        ...{ claim_id: null, fail_at: null, time_end: time, is_over: 1 },
      };
    case 'JobFinished':
      return Object.assign(columns(data, 'exit_code cpu_seconds'), {
        max_rss: sizeIn(data, 'max_rss'),
        ...{ time_end: time, fail_at: null, remarks: null, is_over: 1 },
      });
    case 'JobCancelled':
      return { is_over: 1, time_end: time, fail_at: null, claim_id: null, remarks: valueIn(data, 'reason') };
    case 'JobPilotLost':
      return columns(data, 'remarks fail_at');
    case 'JobPilotReturned':
      return { remarks: null, fail_at: null };
    case 'JobRetried':
      return {
        ...{ cur_retry: 0, losses: 0, not_before: 0, retry_due: 0, is_over: 0 },
        remarks: valueIn(data, 'reason'),
      };
    default:
      return {};
  }
}
