/**
 * What overlords, operators and auditors may look at: one task, all, a page, what changes, the history.
 *
 * Guarantee: a query shows at least everything this node has acknowledged before.
 */

import type { z } from 'zod';
import { InvalidFieldError } from '../../../base/errors.js';
import * as rules from '../../../base/field-rules.js';
import type { SqlRow } from '../../../base/sql.js';
import { answered, followed, type ServedOperation } from '../../../node/operations/operation.js';
import { type Peer, type UnderWay, unary } from '../../../node/serving/calls.js';
import { EncodedMessage, messageField } from '../../../node/serving/encoded.js';
import { eventMessageOf, historyOf } from '../../../node/serving/history.js';
import { type PageTokens, pageOf, readPageSize } from '../../../node/serving/pages.js';
import type {
  PlotTaskEventMessage,
  PlotTaskIdRequest,
  PlotTaskListResponse,
  PlotTaskStatus,
} from '../wire/messages.js';
import { listTasks, taskHistory, watchTasks } from './operations/task-operations.js';
import { plotTask } from './plot-task-commands.js';
import { askedStatuses } from './plot-task-status.js';
import { encodeStatus, withEmptyPhases } from './shown/empty-phases.js';
import { watchTasks as watchedTasks } from './shown/task-watch.js';
import { nowSeconds, type TalentContext } from './talent-context.js';

/** Numbers of fields in proto/talent.proto. */
const TASKS_OF_STATUS = 110;
const WORKER_ID = 1;

export function queryHandlers(talent: TalentContext) {
  const { logger } = talent;
  return {
    plot_task_status: unary(logger, (request: PlotTaskIdRequest, _peer: Peer, call: UnderWay) =>
      status(talent, request, call),
    ),
    plot_task_status_all: unary(logger, (_request: unknown, _peer: Peer, call: UnderWay) =>
      statusAll(talent, call),
    ),
  };
}

export function queryOperations(talent: TalentContext): ServedOperation[] {
  return [
    answered(listTasks, (request) => list(talent, request)),
    followed(watchTasks, (request, { over }) => watch(talent, request, over)),
    followed(taskHistory, (request) => history(talent, request)),
  ];
}

async function status(
  talent: TalentContext,
  { task_id: taskId = '', status: inStatus }: PlotTaskIdRequest,
  { over }: UnderWay,
): Promise<PlotTaskStatus | EncodedMessage> {
  if (taskId === '') return statusOfAll(talent, inStatus, over);
  await talent.readYourWrites('plot_tasks');
  const row = talent.tasks.get(taskId);
  return row === undefined
    ? { existed: false, task_id: taskId, worker_id: talent.workerId }
    : new EncodedMessage(withEmptyPhases(encodeStatus(talent.messageOf(row))));
}

/** All of this node's, in `tasks` of a PlotTaskStatus. */
async function statusOfAll(
  { table, workerId }: TalentContext,
  status: string | undefined,
  over: AbortSignal,
): Promise<EncodedMessage> {
  const statuses = askedStatuses(status, []);
  const before = messageField(WORKER_ID, Buffer.from(workerId));
  return new EncodedMessage(await table.encoded(TASKS_OF_STATUS, { workerId, statuses }, over, before));
}

function statusAll({ table }: TalentContext, { over }: UnderWay): Promise<EncodedMessage> {
  return table.forOldPeers({}, over);
}

async function list(
  talent: TalentContext,
  request: z.output<typeof listTasks.request>,
): Promise<PlotTaskListResponse> {
  const size = readPageSize(request.page_size);
  const newestFirst = request.newest_first === true;
  const filter = readFilter(request, nowSeconds(talent.clock));
  const tokens = tokensOf(newestFirst);
  const after = tokens.read(request.page_token);
  await talent.readYourWrites('plot_tasks');
  const rows = talent.tasks.select(filter, {
    limit: size + 1,
    newestFirst,
    ...(after === undefined ? {} : { after }),
  });
  const placeOf = ({ id }: SqlRow) => Number(id);
  const { messages: tasks, nextToken } = pageOf({ rows, size, show: talent.messageOf, placeOf, tokens });
  return { tasks: [...tasks], ...(nextToken === undefined ? {} : { next_page_token: nextToken }) };
}

function watch(
  talent: TalentContext,
  { task_ids, statuses, worker_id: workerId }: z.output<typeof watchTasks.request>,
  signal: AbortSignal,
): AsyncGenerator<EncodedMessage> {
  const filter = { taskIds: new Set(task_ids), statuses: [...new Set(statuses)] };
  return watchedTasks(talent, { ...filter, ...(workerId === undefined ? {} : { workerId }) }, signal);
}

async function* history(
  { store, system, problemOf }: TalentContext,
  { task_id: taskId, from_revision: from = 0 }: z.output<typeof taskHistory.request>,
): AsyncGenerator<PlotTaskEventMessage> {
  const asked = { type: plotTask, id: taskId, from, noun: 'task' };
  for await (const event of historyOf({ store, system, problemOf, ...asked }))
    yield { task_id: taskId, ...eventMessageOf(event) };
}

function readFilter(request: z.output<typeof listTasks.request>, now: number) {
  const isPointInTime = rules.isPointInTime(now);
  const { statuses, worker_id: workerId, cache, task_id_prefix: taskIdPrefix } = request;
  const createdFrom = rules.optionalNumber('created_from', request.created_from, isPointInTime);
  const createdBefore = rules.optionalNumber('created_before', request.created_before, isPointInTime);
  return {
    statuses: [...new Set(statuses)],
    ...(workerId === undefined ? {} : { workerId }),
    ...(cache === undefined ? {} : { cache }),
    ...(createdFrom === undefined ? {} : { createdFrom }),
    ...(createdBefore === undefined ? {} : { createdBefore }),
    ...(taskIdPrefix === undefined ? {} : { taskIdPrefix }),
  };
}

/** Kept as they were before there were other systems: peers may have kept one. */
function tokensOf(newestFirst: boolean): PageTokens<number> {
  const direction = newestFirst ? 'before' : 'after';
  return {
    write: (id) => `${direction}-${id}`,
    read(token) {
      if (token === undefined || token === '') return undefined;
      const [given, id = ''] = token.split('-');
      if (given === direction && /^\d{1,15}$/.test(id)) return Number(id);
      throw new InvalidFieldError('page_token', 'must be the next_page_token of a page in the same order');
    },
  };
}
