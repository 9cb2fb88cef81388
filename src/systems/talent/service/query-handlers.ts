/**
 * What overlords, operators and auditors may look at: one task, all, a page, what changes, the history.
 *
 * Guarantee: a query shows at least everything this node has acknowledged before.
 */

import { InvalidFieldError } from '../../../base/errors.js';
import * as rules from '../../../base/field-rules.js';
import type { SqlRow } from '../../../base/sql.js';
import { type Peer, serverStream, type UnderWay, unary } from '../../../node/serving/calls.js';
import { EncodedMessage, messageField } from '../../../node/serving/encoded.js';
import { eventMessageOf, historyOf } from '../../../node/serving/history.js';
import { type PageTokens, pageOf, readPageSize } from '../../../node/serving/pages.js';
import type {
  PlotTaskEventMessage,
  PlotTaskHistoryRequest,
  PlotTaskIdRequest,
  PlotTaskListRequest,
  PlotTaskListResponse,
  PlotTaskStatus,
  PlotTaskWatchRequest,
} from '../wire/messages.js';
import { plotTask } from './plot-task-commands.js';
import { readStatus, readStatuses } from './plot-task-status.js';
import { watchTasks } from './shown/task-watch.js';
import { nowSeconds, type TalentContext } from './talent-context.js';

const MOST_TASKS_WATCHED_BY_ID = 1000;
/** Numbers of fields in proto/talent.proto. */
export const TASKS_OF_ALL = 1;
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
    plot_task_list: unary(logger, (request: PlotTaskListRequest) => list(talent, request)),
    plot_task_watch: serverStream(logger, (request: PlotTaskWatchRequest, _peer: Peer, signal: AbortSignal) =>
      watch(talent, request, signal),
    ),
    plot_task_history: serverStream(logger, (request: PlotTaskHistoryRequest) => history(talent, request)),
  };
}

async function status(
  talent: TalentContext,
  { task_id: taskId = '', status: inStatus }: PlotTaskIdRequest,
  { over }: UnderWay,
): Promise<PlotTaskStatus | EncodedMessage> {
  const only = readStatus('status', inStatus);
  if (taskId === '') return statusOfAll(talent, only, over);
  await talent.readYourWrites('plot_tasks');
  const row = talent.tasks.get(taskId);
  return row === undefined
    ? { existed: false, task_id: taskId, worker_id: talent.workerId }
    : talent.messageOf(row);
}

/** All of this node's, in `tasks` of a PlotTaskStatus. */
async function statusOfAll(
  { table, workerId }: TalentContext,
  status: string | undefined,
  over: AbortSignal,
): Promise<EncodedMessage> {
  const statuses = status === undefined ? [] : [status];
  const tasks = await table.encoded(TASKS_OF_STATUS, { workerId, statuses }, over);
  return new EncodedMessage(Buffer.concat([...messageField(WORKER_ID, Buffer.from(workerId)), tasks]));
}

async function statusAll({ table }: TalentContext, { over }: UnderWay): Promise<EncodedMessage> {
  return new EncodedMessage(await table.encoded(TASKS_OF_ALL, {}, over));
}

async function list(talent: TalentContext, request: PlotTaskListRequest): Promise<PlotTaskListResponse> {
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

async function* watch(
  talent: TalentContext,
  request: PlotTaskWatchRequest,
  signal: AbortSignal,
): AsyncGenerator<EncodedMessage> {
  const taskIds = new Set(request.task_ids);
  for (const taskId of taskIds) rules.check('task_ids', taskId, rules.isId);
  if (taskIds.size > MOST_TASKS_WATCHED_BY_ID)
    throw new InvalidFieldError('task_ids', `must be at most ${MOST_TASKS_WATCHED_BY_ID} ids`);
  const statuses = readStatuses('statuses', request.statuses);
  const workerId = rules.optional('worker_id', request.worker_id, rules.isId);
  const filter = { taskIds, statuses, ...(workerId === undefined ? {} : { workerId }) };
  yield* watchTasks(talent, filter, signal);
}

async function* history(
  talent: TalentContext,
  request: PlotTaskHistoryRequest,
): AsyncGenerator<PlotTaskEventMessage> {
  const taskId = rules.given('task_id', request.task_id, rules.isId);
  const from =
    rules.optionalNumber('from_revision', request.from_revision, rules.isWhole(0, Number.MAX_SAFE_INTEGER)) ??
    0;
  const { store, system, problemOf } = talent;
  for await (const event of historyOf({
    store,
    system,
    type: plotTask,
    id: taskId,
    from,
    noun: 'task',
    problemOf,
  }))
    yield { task_id: taskId, ...eventMessageOf(event) };
}

function readFilter(request: PlotTaskListRequest, now: number) {
  const isPointInTime = rules.isPointInTime(now);
  const workerId = rules.optional('worker_id', request.worker_id, rules.isId);
  const cache = rules.optional('cache', request.cache, rules.isAbsolutePath);
  const createdFrom = rules.optionalNumber('created_from', request.created_from, isPointInTime);
  const createdBefore = rules.optionalNumber('created_before', request.created_before, isPointInTime);
  const taskIdPrefix = rules.optional('task_id_prefix', request.task_id_prefix, rules.isId);
  return {
    statuses: readStatuses('statuses', request.statuses),
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
