/**
 * What may be ordered of tasks, carried out.
 *
 * Guarantees: an order is answered once it is durable, with the task as it is then; the id of an order is known for a day, and refused
 * for another one; a task that is answered as submitted has the datasets that it writes; once it is answered that a task is
 * cancelled, held or finished, nothing of it is granted (src/base/gates.ts).
 */

import { InvalidFieldError } from '../../../../base/errors.js';
import { carryOutOrder, makeEntity } from '../../../../node/entities/entity-orders.js';
import { findEntity } from '../../../../node/entities/entity-table.js';
import { type Asking, answered, type ServedOperation } from '../../../../node/operations/operation.js';
import type { JsonObject } from '../../../../runtime/event-store/event-store.js';
import { TASK } from '../shown/entities.js';
import type { WorkloadContext } from '../workload-context.js';
import {
  cancel,
  type Decision,
  finish,
  hold,
  register,
  release,
  retryTask,
  setRank,
} from './task-commands.js';
import type { TaskMessage } from './task-messages.js';
import * as declared from './task-operations.js';
import { readTaskOrder, type TaskRequest } from './task-order.js';
import { shownTask } from './task-queries.js';
import { datasetsOf } from './task-reactor.js';
import { task } from './task-type.js';

export function taskHandlers(context: WorkloadContext): ServedOperation[] {
  const order = (operation: typeof declared.holdTask, decide: typeof hold) =>
    answered(operation, ({ id, reason, command_id }, asking) =>
      carryOut(context, asking, {
        ...{ id, commandId: command_id, name: operation.name },
        content: reason === undefined ? {} : { reason },
        decide: (uid) => decide(uid, reason),
      }),
    );
  return [
    answered(declared.submitTask, (request, asking) => submit(context, request, asking)),
    order(declared.holdTask, hold),
    order(declared.releaseTask, release),
    order(declared.finishTask, finish),
    order(declared.retryTask, retryTask),
    order(declared.cancelTask, cancel),
    answered(declared.rankTask, ({ id, rank, command_id }, asking) => {
      if (rank === undefined) throw new InvalidFieldError('rank', 'is missing');
      return carryOut(context, asking, {
        ...{ id, commandId: command_id, name: declared.rankTask.name, content: { rank } },
        decide: (uid) => setRank(uid, rank),
      });
    }),
  ];
}

interface Order {
  /** What the task is named by. */
  readonly id: string;
  readonly commandId: string | undefined;
  readonly name: string;
  readonly content: JsonObject;
  decide(uid: string): Decision;
}

/** Behind these nothing of the task may be granted. */
const ENDS_GRANTS: ReadonlySet<string> = new Set([
  ...[declared.cancelTask.name, declared.holdTask.name, declared.finishTask.name],
]);

async function carryOut(
  context: WorkloadContext,
  asking: Asking,
  { id, commandId, name, content, decide }: Order,
): Promise<TaskMessage> {
  const { db, gates } = context;
  const uid = await carryOutOrder(context, asking, {
    ...{ type: task, name, commandId, decide, content: () => content },
    find: () => String(findEntity(db, TASK, id)['uid']),
    through: (uid, store) => (ENDS_GRANTS.has(name) ? gates.shut(uid, store) : store()),
  });
  return shownTask(context, findEntity(db, TASK, uid));
}

async function submit(context: WorkloadContext, request: TaskRequest, asking: Asking): Promise<TaskMessage> {
  const { system, db } = context;
  const { command_id: commandId, uid: given, ...content } = request;
  const uid = await makeEntity(context, asking, {
    ...{ type: task, table: TASK, seed: 'owl/workload/task/1', given },
    ...{ name: declared.submitTask.name, commandId, content },
    read: (uid) => readTaskOrder(context, request, uid),
    decide: register,
    // The reactor does it too, where this node is killed before.
    follow: async (uid, { context: { order } }) => {
      if (order === null) return;
      for (const { type, id, command } of datasetsOf(uid, order))
        await system.execute(type, id, { ...command, by: asking.who });
    },
  });
  return shownTask(context, findEntity(db, TASK, uid));
}
