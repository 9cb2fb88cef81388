/**
 * What overlords, operators and auditors may look at: one task, all, a page, what changes, the history.
 *
 * Guarantee: a query shows at least everything this node has acknowledged before.
 */

import { DamagedStreamError, InvalidFieldError, OwlError } from '../../../base/errors.js';
import * as rules from '../../../base/field-rules.js';
import { type Peer, serverStream, unary } from '../../../node/serving/calls.js';
import { streamName } from '../../../runtime/event-store/event-store.js';
import type {
  PlotTaskChange,
  PlotTaskEventMessage,
  PlotTaskHistoryRequest,
  PlotTaskIdRequest,
  PlotTaskListRequest,
  PlotTaskListResponse,
  PlotTaskStatus,
  PlotTaskStatusAllResponse,
  PlotTaskWatchRequest,
} from '../wire/messages.js';
import { plotTask } from './plot-task-commands.js';
import { readStatus, readStatuses } from './plot-task-status.js';
import { nowSeconds, type TalentContext } from './talent-context.js';
import { watchTasks } from './task-watch.js';

const DEFAULT_PAGE = 100;
const LARGEST_PAGE = 1000;
/** gRPC peers take messages of 4 MiB unless they ask for more. */
const LARGEST_PAGE_BYTES = 3 * 1024 * 1024;
const MOST_TASKS_WATCHED_BY_ID = 1000;

export function queryHandlers(talent: TalentContext) {
  const { logger } = talent;
  return {
    plot_task_status: unary(logger, (request: PlotTaskIdRequest) => status(talent, request)),
    plot_task_status_all: unary(logger, () => statusAll(talent)),
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
): Promise<PlotTaskStatus> {
  const only = readStatus('status', inStatus);
  const statuses = only === undefined ? [] : [only];
  await talent.readYourWrites('plot_tasks');
  if (taskId === '') {
    return {
      worker_id: talent.workerId,
      existed: false,
      tasks: talent.tasks.select({ workerId: talent.workerId, statuses }).map(talent.messageOf),
    };
  }
  const row = talent.tasks.get(taskId);
  return row === undefined
    ? { existed: false, task_id: taskId, worker_id: talent.workerId }
    : talent.messageOf(row);
}

async function statusAll(talent: TalentContext): Promise<PlotTaskStatusAllResponse> {
  await talent.readYourWrites('plot_tasks');
  return { tasks: talent.tasks.inStatus([]).map(talent.messageOf) };
}

async function list(talent: TalentContext, request: PlotTaskListRequest): Promise<PlotTaskListResponse> {
  const size =
    rules.optionalNumber('page_size', request.page_size, rules.isWhole(1, LARGEST_PAGE)) ?? DEFAULT_PAGE;
  const newestFirst = request.newest_first === true;
  const filter = readFilter(request, nowSeconds(talent.clock));
  const after = readPageToken(request.page_token, newestFirst);
  await talent.readYourWrites('plot_tasks');
  // One more than asked for tells whether there is another page.
  const rows = talent.tasks.select(filter, {
    limit: size + 1,
    newestFirst,
    ...(after === undefined ? {} : { after }),
  });
  const tasks = upToSize(rows.slice(0, size).map(talent.messageOf), LARGEST_PAGE_BYTES);
  const last = rows[tasks.length - 1]?.['id'];
  const more = rows.length > tasks.length && typeof last === 'number';
  return { tasks, ...(more ? { next_page_token: pageToken(last, newestFirst) } : {}) };
}

async function* watch(
  talent: TalentContext,
  request: PlotTaskWatchRequest,
  signal: AbortSignal,
): AsyncGenerator<PlotTaskChange> {
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
  const stream = streamName(plotTask.category, taskId);
  // Reading the stream finds what is damaged there; what is damaged before is known to the read model.
  const problem = talent.problemOf(taskId);
  if (problem !== undefined && problem.revision < from)
    throw new DamagedStreamError(stream, problem.revision, problem.message);
  let known = false;
  for await (const event of talent.store.readStream(stream, { from })) {
    known = true;
    yield {
      task_id: taskId,
      revision: event.revision,
      type: event.type,
      version: event.version,
      time: event.metadata.time / 1000,
      event_id: event.id,
      correlation_id: event.metadata.$correlationId,
      causation_id: event.metadata.$causationId,
      by: event.metadata.by ?? '',
      data: JSON.stringify(event.data),
      position: event.position,
    };
  }
  if (known) return;
  const { revision } = await talent.system.read(plotTask, taskId);
  if (revision < 0) throw new OwlError('not_found', `task ${taskId} does not exist`);
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

/** As many of the first ones as fit, one at the least. Their JSON is never shorter than what goes over the wire. */
function upToSize<T>(messages: readonly T[], bytes: number): T[] {
  let left = bytes;
  const first = messages.findIndex((message) => {
    left -= Buffer.byteLength(JSON.stringify(message));
    return left < 0;
  });
  return messages.slice(0, first < 0 ? messages.length : Math.max(first, 1));
}

function pageToken(id: number, newestFirst: boolean): string {
  return `${newestFirst ? 'before' : 'after'}-${id}`;
}

function readPageToken(token: string | undefined, newestFirst: boolean): number | undefined {
  if (token === undefined || token === '') return undefined;
  const [direction, id = ''] = token.split('-');
  if (direction !== (newestFirst ? 'before' : 'after') || !/^\d{1,15}$/.test(id)) {
    throw new InvalidFieldError('page_token', 'must be the next_page_token of a page in the same order');
  }
  return Number(id);
}
