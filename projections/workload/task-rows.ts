/** Rows of tasks. How its jobs stand is counted by the rows of the jobs. */

import type { KeptStatements, SqlRow, SqlValue } from '../../src/base/sql.js';
import {
  idOf,
  type JsonObject,
  ORDER_ACCEPTED,
  type RecordedEvent,
} from '../../src/runtime/event-store/event-store.js';
import { columns } from './dataset-rows.js';
import { StreamRows, timeOf, valueIn } from './rows.js';

const ORDERED =
  'executable args rank device_type mode data_in_uid storage_url data_out_url name data_out_uid data_log_uid series_uid ' +
  'parent_task files_per_job retries max_failed_jobs require_complete until_one timeout_seconds memory_mib';

/** The state an event leads to; absent where it stays. */
const STATE_AFTER: Readonly<Record<string, string>> = {
  TaskSplitStarted: 'splitting',
  TaskSplitCompleted: 'running',
  TaskFinishRequested: 'finishing',
  TaskCancelRequested: 'cancelling',
  TaskFinished: 'finished',
  TaskFailed: 'failed',
  TaskCancelled: 'cancelled',
};

const STAYS = new Set([
  ...['TaskJobsPlanned', 'TaskHeld', 'TaskReleased', 'TaskRanked', 'TaskRetried'],
  ORDER_ACCEPTED,
]);
const ENDS = new Set(['TaskFinished', 'TaskFailed', 'TaskCancelled']);

export interface TaskTables {
  readonly tasks: string;
  readonly jobs: string;
  readonly datasets: string;
}

export class TaskRows {
  private readonly statements: KeptStatements;
  private readonly tasks: StreamRows;
  private readonly tables: TaskTables;

  constructor(statements: KeptStatements, tables: TaskTables) {
    this.statements = statements;
    this.tasks = new StreamRows(statements, tables.tasks, 'uid');
    this.tables = tables;
  }

  apply(event: RecordedEvent): void {
    if (event.type === 'TaskRegistered') {
      this.register(event);
      return;
    }
    const row = this.tasks.before(
      event,
      'task_id, jobs_planned, is_split, split_level, level_first, round, state',
    );
    if (row === undefined) return;
    this.tasks.update(event, { ...stateAfter(event, row), ...changeOf(event, row) });
    if (event.type === 'TaskRetried') this.markFailed(event, Number(row['task_id']));
  }

  /** Which jobs are meant: those that had failed by then. */
  private markFailed({ data }: RecordedEvent, task: number): void {
    const job = valueIn(data, 'job');
    this.statements
      .of(
        `UPDATE ${this.tables.jobs} SET retry_due = 1 WHERE task_id = ? AND state IN ('failed', 'cancelled') AND state = 'failed' AND id = coalesce(?, id)`,
      )
      .run(task, job);
  }

  private register(event: RecordedEvent): void {
    if (this.tasks.has(event.stream)) return;
    const time = timeOf(event);
    this.tasks.insert({
      task_id: this.tasks.next('task_id'),
      uid: idOf(event.stream),
      ...columns(event.data, ORDERED),
      parent_task_id: this.writerOf(valueIn(event.data, 'data_in_uid')),
      state: 'registered',
      ...{ create_time: time, update_time: time, revision: event.revision },
    });
  }

  /** The task that writes a dataset. */
  private writerOf(dataset: SqlValue): SqlValue {
    const { datasets, tasks } = this.tables;
    const sql = `SELECT task.task_id FROM ${datasets} AS written JOIN ${tasks} AS task ON task.uid = written.producer_task
      WHERE written.uid = ?`;
    return this.statements.of(sql).get(dataset)?.['task_id'] ?? null;
  }
}

function stateAfter({ type }: RecordedEvent, row: SqlRow): Record<string, SqlValue> {
  if (type === 'TaskRetried' && row['state'] === 'failed')
    return { state: row['is_split'] === 1 ? 'running' : 'splitting', end_time: null };
  const state = STATE_AFTER[type];
  if (state === undefined && !STAYS.has(type)) throw new Error(`${type} is no event of a task`);
  return state === undefined ? {} : { state };
}

function changeOf(event: RecordedEvent, row: SqlRow): Record<string, SqlValue> {
  const { type, data } = event;
  if (type === 'TaskJobsPlanned') return plannedIn(data, row);
  if (type === 'TaskSplitCompleted') return { is_split: 1 };
  if (type === 'TaskHeld') return { held: 1, held_time: timeOf(event), remarks: valueIn(data, 'reason') };
  if (type === 'TaskReleased') return { held: 0, held_time: null, remarks: null };
  if (type === 'TaskRanked') return { rank: valueIn(data, 'rank') };
  if (type === 'TaskRetried') return { round: Number(row['round']) + 1, remarks: null };
  const ended = ENDS.has(type) ? { end_time: timeOf(event) } : {};
  // Why it was cancelled was said when that was asked for.
  const saysNothing = type === 'TaskCancelled' && data['reason'] === undefined;
  return type === ORDER_ACCEPTED || type === 'TaskSplitStarted' || saysNothing
    ? ended
    : { ...ended, remarks: valueIn(data, 'reason') };
}

function plannedIn(data: JsonObject, row: SqlRow): Record<string, SqlValue> {
  const planned = Number(row['jobs_planned']);
  const isSame = data['level'] === row['split_level'];
  return {
    chunks: valueIn(data, 'chunk'),
    split_level: valueIn(data, 'level'),
    split_next: Number(data['first_idx']) + Number(data['files']),
    level_first: isSame ? Number(row['level_first']) : planned,
    is_last: data['last_level'] === true ? 1 : 0,
    jobs_planned: planned + Number(data['jobs']),
  };
}
