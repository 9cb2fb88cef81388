/**
 * The streams that follow tasks: watching with a filter, and the work of a supervisor.
 *
 * Guarantees: first everything as it is, then every change, with no gap between (listening begins before the first look);
 * what was sent is the state at some moment after the change, never an older one.
 */

import type { PlotTaskFilter } from '../../../../../projections/talent/plot-task-queries.js';
import type { SqlRow } from '../../../../base/sql.js';
import { EncodedMessage, messageField, numberField } from '../../../../node/serving/encoded.js';
import { type FilteredRows, rowNews, watchRows } from '../../../../node/serving/watch.js';
import type { SupervisorWorkKind } from '../../wire/messages.js';
import { isFinal } from '../../wire/plot-states.js';
import type { TalentContext } from '../talent-context.js';
import { headsOf } from './whole-table.js';

/** Numbers of fields and values in proto/talent.proto. */
const CHANGE = { task: 1, initial: 2, initialComplete: 3, gone: 4 } as const;
const WORK = { kind: 1, task: 2 } as const;
const WORK_KINDS = { START: 1, STOP: 2, WITHDRAWN: 3, READY: 4 } as const;

export interface WatchFilter extends PlotTaskFilter {
  /** Any of these; undefined or empty: all. */
  readonly taskIds?: ReadonlySet<string>;
}

export async function* watchTasks(
  talent: TalentContext,
  filter: WatchFilter,
  signal: AbortSignal,
): AsyncGenerator<EncodedMessage> {
  for await (const news of watchRows(watched(talent, filter), signal)) {
    if (news.kind === 'all') yield message(numberField(CHANGE.initialComplete, 1));
    else {
      const task = encodedTask(talent, news);
      if (task === undefined) continue;
      yield message(
        messageField(CHANGE.task, task),
        numberField(CHANGE.initial, news.kind === 'there' ? 1 : 0),
        numberField(CHANGE.gone, news.kind === 'gone' ? 1 : 0),
      );
    }
  }
}

/** What a supervisor has to do: each task once per attempt and kind, whatever else changes about it. */
export async function* supervisorWork(
  talent: TalentContext,
  workerId: string,
  signal: AbortSignal,
): AsyncGenerator<EncodedMessage> {
  const announced = new Map<string, string>();
  const waiting = watched(talent, { workerId, statuses: ['received', 'pending', 'stopping'] });
  for await (const news of rowNews({ ...waiting, whom: workerId }, signal)) {
    if (news.kind === 'all') {
      yield message(numberField(WORK.kind, WORK_KINDS.READY));
      continue;
    }
    const { row } = news;
    const kind = row['worker_id'] === workerId ? workKindOf(row, announced) : undefined;
    if (kind === undefined) continue;
    const task = encodedTask(talent, news);
    if (task !== undefined)
      yield message(numberField(WORK.kind, WORK_KINDS[kind]), messageField(WORK.task, task));
  }
}

/** Of what was there only the beginning of the row has been read. */
function encodedTask(
  { shown }: TalentContext,
  { kind, row }: { readonly kind: string; readonly row: SqlRow },
): Buffer | undefined {
  return kind === 'there' ? shown.encodedFrom(row) : shown.encodedOf(row);
}

function message(...fields: readonly (readonly Buffer[])[]): EncodedMessage {
  return new EncodedMessage(Buffer.concat(fields.flat()));
}

function watched(talent: TalentContext, filter: WatchFilter): FilteredRows<SqlRow, string> {
  return {
    feed: talent.feed,
    shown: () => talent.readYourWrites('plot_tasks'),
    matching: () => matching(talent, filter),
    get: (taskId) => talent.shown.get(taskId),
    keyOf: (row) => String(row['task_id']),
    isMatch: (row) => isMatch(row, filter),
  };
}

/** What to announce of a task now, if anything; takes note of it in `announced`. */
function workKindOf(row: SqlRow, announced: Map<string, string>): SupervisorWorkKind | undefined {
  const taskId = String(row['task_id']);
  const before = announced.get(taskId);
  const kind = KIND_OF_STATUS.get(String(row['status']));
  if (kind === undefined) {
    announced.delete(taskId);
    return isFinal(String(row['status'])) && before?.startsWith('START') === true ? 'WITHDRAWN' : undefined;
  }
  const announcement = `${kind} ${row['attempt']}`;
  if (before === announcement) return undefined;
  announced.set(taskId, announcement);
  return kind;
}

const KIND_OF_STATUS: ReadonlyMap<string, SupervisorWorkKind> = new Map([
  ['received', 'START'],
  ['pending', 'START'],
  ['stopping', 'STOP'],
]);

function* matching({ tasks }: TalentContext, filter: WatchFilter): Generator<SqlRow> {
  const { taskIds, ...others } = filter;
  if (taskIds === undefined || taskIds.size === 0) {
    yield* headsOf(tasks, others);
    return;
  }
  for (const taskId of taskIds) {
    const row = tasks.get(taskId);
    if (row !== undefined && isMatch(row, filter)) yield row;
  }
}

function isMatch(row: SqlRow, { taskIds, statuses = [], workerId }: WatchFilter): boolean {
  return (
    (taskIds === undefined || taskIds.size === 0 || taskIds.has(String(row['task_id']))) &&
    (statuses.length === 0 || statuses.includes(String(row['status']))) &&
    (workerId === undefined || row['worker_id'] === workerId)
  );
}
