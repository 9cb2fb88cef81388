/**
 * The streams that follow tasks: watching with a filter, and the work of a supervisor.
 *
 * Guarantees: first everything as it is, then every change, with no gap between (listening begins before the first look);
 * what was sent is the state at some moment after the change, never an older one.
 */

import type { PlotTaskFilter } from '../../../../projections/talent/plot-task-queries.js';
import type { SqlRow } from '../../../base/sql.js';
import type { PlotTaskChange, SupervisorWork, SupervisorWorkKind } from '../wire/messages.js';
import type { TalentContext } from './talent-context.js';

const PAGE = 256;

export interface WatchFilter extends PlotTaskFilter {
  /** Any of these; undefined or empty: all. */
  readonly taskIds?: ReadonlySet<string>;
}

export async function* watchTasks(
  talent: TalentContext,
  filter: WatchFilter,
  signal: AbortSignal,
): AsyncGenerator<PlotTaskChange> {
  const changes = talent.feed.follow(signal);
  const shown = new Set<string>();
  await talent.readYourWrites('plot_tasks');
  for (const row of matching(talent, filter)) {
    shown.add(String(row['task_id']));
    yield { task: talent.messageOf(row), initial: true };
  }
  yield { initial_complete: true };
  for await (const taskIds of changes) {
    for (const taskId of taskIds) {
      const row = talent.tasks.get(taskId);
      if (row === undefined) continue;
      const matches = isMatch(row, filter);
      if (matches) shown.add(taskId);
      else if (!shown.delete(taskId)) continue;
      yield { task: talent.messageOf(row), gone: !matches };
    }
  }
}

/** What a supervisor has to do: each task once per attempt and kind, whatever else changes about it. */
export async function* supervisorWork(
  talent: TalentContext,
  workerId: string,
  signal: AbortSignal,
): AsyncGenerator<SupervisorWork> {
  const changes = talent.feed.follow(signal);
  const announced = new Map<string, string>();
  await talent.readYourWrites('plot_tasks');
  for (const row of matching(talent, { workerId, statuses: ['received', 'pending', 'stopping'] })) {
    const kind = workKindOf(row, announced);
    if (kind !== undefined) yield { kind, task: talent.messageOf(row) };
  }
  yield { kind: 'READY' };
  for await (const taskIds of changes) {
    for (const taskId of taskIds) {
      const row = talent.tasks.get(taskId);
      const kind = row?.['worker_id'] === workerId ? workKindOf(row, announced) : undefined;
      if (kind !== undefined && row !== undefined) yield { kind, task: talent.messageOf(row) };
    }
  }
}

/** What to announce of a task now, if anything; takes note of it in `announced`. */
function workKindOf(row: SqlRow, announced: Map<string, string>): SupervisorWorkKind | undefined {
  const taskId = String(row['task_id']);
  const before = announced.get(taskId);
  const kind = KIND_OF_STATUS.get(String(row['status']));
  if (kind === undefined) {
    announced.delete(taskId);
    const ended = row['status'] === 'stopped' || row['status'] === 'failed';
    return ended && before?.startsWith('START') === true ? 'WITHDRAWN' : undefined;
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

function* matching(talent: TalentContext, filter: WatchFilter): Generator<SqlRow> {
  const { taskIds } = filter;
  if (taskIds !== undefined && taskIds.size > 0) {
    for (const taskId of taskIds) {
      const row = talent.tasks.get(taskId);
      if (row !== undefined && isMatch(row, filter)) yield row;
    }
    return;
  }
  let after = 0;
  for (;;) {
    const page = talent.tasks.select(filter, { after, limit: PAGE });
    yield* page;
    const last = page.at(-1)?.['id'];
    if (page.length < PAGE || typeof last !== 'number') return;
    after = last;
  }
}

function isMatch(row: SqlRow, { taskIds, statuses = [], workerId }: WatchFilter): boolean {
  return (
    (taskIds === undefined || taskIds.size === 0 || taskIds.has(String(row['task_id']))) &&
    (statuses.length === 0 || statuses.includes(String(row['status']))) &&
    (workerId === undefined || row['worker_id'] === workerId)
  );
}
