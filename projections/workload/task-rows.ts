/** Rows of tasks. How its jobs stand is counted by the rows of the jobs. */

import type { SqlValue } from '../../src/base/sql.js';
import { idOf, ORDER_ACCEPTED, type RecordedEvent } from '../../src/runtime/event-store/event-store.js';
import { columns } from './dataset-rows.js';
import { type Statements, StreamRows, timeOf, valueIn } from './rows.js';

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

const STAYS = new Set(['TaskJobsPlanned', 'TaskHeld', 'TaskReleased', 'TaskRanked', ORDER_ACCEPTED]);
const ENDS = new Set(['TaskFinished', 'TaskFailed', 'TaskCancelled']);

export class TaskRows {
  private readonly tasks: StreamRows;

  constructor(statements: Statements, table: string) {
    this.tasks = new StreamRows(statements, table, 'uid');
  }

  apply(event: RecordedEvent): void {
    if (event.type === 'TaskRegistered') {
      this.register(event);
      return;
    }
    const row = this.tasks.before(event, 'jobs_planned, is_split');
    if (row === undefined) return;
    this.tasks.update(event, {
      ...stateAfter(event, Number(row['is_split']) === 1),
      ...changeOf(event, Number(row['jobs_planned'])),
    });
  }

  private register(event: RecordedEvent): void {
    if (this.tasks.has(event.stream)) return;
    const time = timeOf(event);
    this.tasks.insert({
      task_id: this.tasks.next('task_id'),
      uid: idOf(event.stream),
      ...columns(event.data, ORDERED),
      state: 'registered',
      ...{ create_time: time, update_time: time, revision: event.revision },
    });
  }
}

function stateAfter({ type }: RecordedEvent, isSplit: boolean): Record<string, SqlValue> {
  if (type === 'TaskRetried') return { state: isSplit ? 'running' : 'splitting' };
  const state = STATE_AFTER[type];
  if (state === undefined && !STAYS.has(type)) throw new Error(`${type} is no event of a task`);
  return state === undefined ? {} : { state };
}

function changeOf(event: RecordedEvent, planned: number): Record<string, SqlValue> {
  const { type, data } = event;
  if (type === 'TaskJobsPlanned')
    return {
      chunks: valueIn(data, 'chunk'),
      split_level: valueIn(data, 'level'),
      split_next: Number(data['first_idx']) + Number(data['files']),
      jobs_planned: planned + Number(data['jobs']),
    };
  if (type === 'TaskSplitCompleted') return { is_split: 1 };
  if (type === 'TaskHeld') return { held: 1, remarks: valueIn(data, 'reason') };
  if (type === 'TaskReleased') return { held: 0, remarks: null };
  if (type === 'TaskRanked') return { rank: valueIn(data, 'rank') };
  if (type === 'TaskRetried') return { end_time: null, remarks: null };
  const ended = ENDS.has(type) ? { end_time: timeOf(event) } : {};
  return type === ORDER_ACCEPTED || type === 'TaskSplitStarted'
    ? ended
    : { ...ended, remarks: valueIn(data, 'reason') };
}
