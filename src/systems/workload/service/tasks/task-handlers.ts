/** What carries out the operations on tasks. */

import { randomUUID } from 'node:crypto';
import type { SqlRow } from '../../../../base/sql.js';
import { uuidOf } from '../../../../base/uuid.js';
import { type Asking, answered, type ServedOperation } from '../../../../node/operations/operation.js';
import { pageOf, pageTokens, readPageSize } from '../../../../node/serving/pages.js';
import type { JsonObject } from '../../../../runtime/event-store/event-store.js';
import { findEntity, TASK } from '../shown/entities.js';
import { asUid } from '../shown/entity-messages.js';
import type { WorkloadContext } from '../workload-context.js';
import { register } from './task-commands.js';
import { type TaskMessage, taskMessageOf } from './task-messages.js';
import { listTasks, submitTask, taskStatus } from './task-operations.js';
import { readTaskOrder, type TaskRequest } from './task-order.js';
import { datasetsOf } from './task-reactor.js';
import { task } from './task-type.js';

export function taskHandlers(context: WorkloadContext): ServedOperation[] {
  return [
    answered(submitTask, (request, asking) => submit(context, request, asking)),
    answered(taskStatus, async ({ id }) => {
      await context.readYourWrites();
      return shown(findEntity(context.db, TASK, id));
    }),
    answered(listTasks, async (request) => {
      const { state: states, newest_first: newestFirst = false } = request;
      const size = readPageSize(request.page_size);
      const tokens = pageTokens({ list: 'tasks', states: [...new Set(states)].sort(), newestFirst }, [
        'number',
      ]);
      const [after = newestFirst ? Number.MAX_SAFE_INTEGER : 0] = tokens.read(request.page_token) ?? [];
      await context.readYourWrites();
      const rows = context.db
        .prepare(
          `SELECT * FROM task_dat WHERE task_id ${newestFirst ? '<' : '>'} ?
           ${states.length === 0 ? '' : `AND state IN (${states.map(() => '?').join(', ')})`}
           ORDER BY task_id ${newestFirst ? 'DESC' : 'ASC'} LIMIT ?`,
        )
        .all(after, ...states, size + 1);
      const placeOf = (row: SqlRow) => [Number(row['task_id'])];
      const { messages, nextToken } = pageOf({ rows, size, show: shown, placeOf, tokens });
      return { tasks: [...messages], ...(nextToken === undefined ? {} : { next_page_token: nextToken }) };
    }),
  ];
}

function shown(row: SqlRow): TaskMessage {
  return taskMessageOf(row);
}

/** The task is there once it is answered, and so are the datasets that it writes. */
async function submit(context: WorkloadContext, request: TaskRequest, asking: Asking): Promise<TaskMessage> {
  const { system, db } = context;
  const { command_id: id, uid: given, ...asked } = request;
  const uid = given === undefined ? madeUid(id) : asUid(given);
  const content: JsonObject = JSON.parse(JSON.stringify(asked));
  await context.readYourWrites();
  // Of one that is there nothing is looked at again: the same order gets its first answer.
  const isThere = db.prepare('SELECT 1 FROM task_dat WHERE uid = ?').get(uid) !== undefined;
  const order = isThere ? undefined : readTaskOrder(db, request, uid);
  const { duplicate, snapshot } = await system.execute(task, uid, {
    ...(id === undefined ? {} : { id }),
    asks: { name: 'submit', content },
    by: asking.who,
    decide: (found) => register(found, uid, order),
  });
  asking.repeated(duplicate);
  // The reactor does it too, where this node is killed before.
  if (snapshot.context.order !== null)
    for (const { type, id: name, command } of datasetsOf(uid, snapshot.context.order))
      await system.execute(type, name, command);
  await context.readYourWrites();
  return shown(findEntity(db, TASK, uid));
}

/** The same order again is about the same task. */
function madeUid(commandId: string | undefined): string {
  return commandId === undefined ? randomUUID() : uuidOf(`owl/workload/task/1/${commandId}`);
}
