/**
 * What can be seen of tasks: one, a page of them, each that changes, what happened to one.
 *
 * Guarantee: a query shows at least everything this node has acknowledged before; a watch misses no change of a task's state and
 * counts.
 */

import type { z } from 'zod';
import { workload } from '../../../../../projections/workload/workload.js';
import type { SqlRow } from '../../../../base/sql.js';
import { rowAsOf } from '../../../../node/entities/as-of.js';
import { entityHistory } from '../../../../node/entities/entity-history.js';
import { eachEntity, pageOfEntities, selectEntities } from '../../../../node/entities/entity-lists.js';
import { findEntity } from '../../../../node/entities/entity-table.js';
import { answered, followed, type ServedOperation } from '../../../../node/operations/operation.js';
import { ChangeFeed } from '../../../../node/serving/change-feed.js';
import { rowNews } from '../../../../node/serving/watch.js';
import { idOf, type RecordedEvent } from '../../../../runtime/event-store/event-store.js';
import { TASK } from '../shown/entities.js';
import type { WorkloadContext } from '../workload-context.js';
import { remarksFor, remarksOf } from './remarks.js';
import { type TaskMessage, taskMessageOf } from './task-messages.js';
import { listTasks, taskHistory, taskStatus, watchTasks } from './task-operations.js';
import { task } from './task-type.js';

const NUMBERS = ['task_id', 'parent_task_id'];
/** Of what is no task. */
const NOBODY = '';

export interface TaskQueries {
  readonly operations: readonly ServedOperation[];
  /** Watches end. */
  endStreams(): void;
}

export function taskQueries(context: WorkloadContext): TaskQueries {
  const { db, runtime } = context;
  const feed = new ChangeFeed<string>((event) => taskOf(context, event));
  runtime.onApplied(workload.name, (events) => feed.publish(events));
  const select = db.prepare('SELECT * FROM task_dat WHERE uid = ?');
  return {
    endStreams: () => feed.close(),
    operations: [
      answered(taskStatus, async ({ id, as_of: at }) => {
        await context.readYourWrites();
        const row = findEntity(db, TASK, id);
        if (at === undefined) return shownTask(context, row);
        return taskMessageOf(
          await rowAsOf(
            context,
            { projection: workload, type: task, table: TASK, numbers: NUMBERS },
            row,
            at,
          ),
        );
      }),
      answered(listTasks, (request) => list(context, request)),
      followed(watchTasks, async function* ({ state: states }, { over }) {
        const watched = {
          feed,
          shown: () => context.readYourWrites(),
          matching: () => eachEntity(db, TASK, { state: states }),
          get: (uid: string) => select.get(uid),
        };
        for await (const news of rowNews(watched, over))
          if (news.kind !== 'all') yield shownTask(context, news.row);
      }),
      followed(taskHistory, ({ id }) => entityHistory(context, { type: task, table: TASK }, id)),
    ],
  };
}

export function shownTask(context: WorkloadContext, row: SqlRow): TaskMessage {
  return taskMessageOf(row, remarksOf(context, row));
}

/** Whose row an event has changed. */
function taskOf({ db }: WorkloadContext, { stream }: RecordedEvent): string {
  if (stream.startsWith(`${task.category}-`)) return idOf(stream);
  if (!stream.startsWith('wl_job-')) return NOBODY;
  const row = db
    .prepare('SELECT task.uid FROM job_dat AS job JOIN task_dat AS task USING (task_id) WHERE job.id = ?')
    .get(idOf(stream));
  return row === undefined ? NOBODY : String(row['uid']);
}

async function list(context: WorkloadContext, request: z.output<typeof listTasks.request>) {
  const { db } = context;
  const states = [...new Set(request.state)].sort();
  const { messages, next } = await pageOfEntities(context, request, {
    number: TASK.number,
    query: { list: 'tasks', states, newestFirst: request.newest_first ?? false },
    look: (place) => {
      const remarks = remarksFor(context);
      const show = (row: SqlRow) => taskMessageOf(row, remarks(row));
      return { rows: selectEntities(db, TASK, { state: states }, place), show };
    },
  });
  return { tasks: messages, ...next };
}
