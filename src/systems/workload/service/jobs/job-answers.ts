/**
 * Jobs as those see them who ask, and what is ordered of them.
 *
 * Guarantees: shows at least everything this node has acknowledged before; of a job that waits the reason is worked out as it is asked.
 */

import type { z } from 'zod';
import type { JobSnapshot } from '../../../../../machines/workload/job.js';
import { workload } from '../../../../../projections/workload/workload.js';
import type { SqlRow, SqlValue } from '../../../../base/sql.js';
import { textIn } from '../../../../base/sql.js';
import { rowAsOf } from '../../../../node/entities/as-of.js';
import { entityHistory } from '../../../../node/entities/entity-history.js';
import { carryOutOrder } from '../../../../node/entities/entity-orders.js';
import { findEntity } from '../../../../node/entities/entity-table.js';
import {
  type Asking,
  answered,
  followed,
  type ServedOperation,
} from '../../../../node/operations/operation.js';
import { pageOf, pageTokens, readPageSize } from '../../../../node/serving/pages.js';
import type { DomainEvent } from '../../../../runtime/actors/actor-type.js';
import { whileItsInputLives } from '../datasets/single-readers.js';
import { JOB, TASK } from '../shown/entities.js';
import { offIn } from '../switches/off.js';
import { retryJob as retryJobOfTask } from '../tasks/task-commands.js';
import { task } from '../tasks/task-type.js';
import { nowSeconds, type WorkloadContext } from '../workload-context.js';
import { cancel, job, retry } from './job-commands.js';
import { type AskPilot, attemptOf, LARGEST_PIECE, readLog } from './job-log.js';
import { jobFileMessageOf, jobMessageOf } from './job-messages.js';
import {
  cancelJob,
  createJobs,
  jobFiles,
  jobHistory,
  jobLog,
  jobStatus,
  jobsOfTask,
  listJobs,
  retryJob,
} from './job-operations.js';
import type { JobOrders } from './job-orders.js';
import { type JobQueries, UNDER_WAY } from './job-queries.js';
import { makeJobs } from './new-jobs.js';
import type { Offers } from './offers.js';
import { type Standing, whyWaits } from './why.js';

/** @param index that is to be used */
const selectFrom = (index?: string) =>
  `SELECT j.*, t.uid AS task_uid, t.held AS task_held, t.state AS task_state
   FROM job_dat j ${index === undefined ? '' : `INDEXED BY ${index}`} LEFT JOIN task_dat t ON t.task_id = j.task_id`;

const NUMBERS = ['job_id', 'file_in_id', 'file_out_id', 'file_log_id', 'file_id', 'parent_job_id', 'task_id'];

export interface JobAnswersOptions {
  readonly context: WorkloadContext;
  readonly queries: JobQueries;
  readonly offers: Offers;
  readonly orders: JobOrders;
  readonly askPilot: AskPilot;
  /** Why the queue takes and gives nothing. */
  readonly queueAway: () => string | undefined;
}

export function jobOperations(options: JobAnswersOptions): ServedOperation[] {
  const { context, queries } = options;
  return [
    answered(createJobs, async (request, asking) => {
      const uids = await makeJobs(context, request, asking);
      const standing = standingOf(options, false);
      return { jobs: uids.map((uid) => show(queries, findRow(options, uid), standing)) };
    }),
    answered(jobStatus, async ({ id, as_of: at }) => {
      await context.readYourWrites();
      const row = findRow(options, id);
      if (at === undefined) return show(queries, row, standingOf(options));
      return jobMessageOf(await jobAsOf(context, row, at));
    }),
    answered(listJobs, (request) => list(options, request)),
    answered(jobsOfTask, (request) => list(options, request)),
    answered(jobFiles, async ({ id }) => {
      await context.readYourWrites();
      const { file_in_id: first = null, file_log_id: last = null } = findRow(options, id);
      const files = queries.of('SELECT * FROM file_dat WHERE file_id BETWEEN ? AND ? ORDER BY file_id');
      const rows = files.all(first, last);
      return { files: rows.map(jobFileMessageOf) };
    }),
    followed(jobHistory, ({ id }) => entityHistory(context, { type: job, table: JOB }, id)),
    answered(jobLog, (request) => log(options, request)),
    answered(cancelJob, (request, asking) =>
      order(options, request, asking, {
        name: 'job_cancel',
        decide: (snapshot, uid, reason = 'it was asked for') =>
          cancel(snapshot, uid, reason, context.config.grace_seconds),
      }),
    ),
    answered(retryJob, (request, asking) => retryOne(options, request, asking)),
  ];
}

/** Whose task it is, and which numbers its files have, does not change. */
async function jobAsOf(context: WorkloadContext, row: SqlRow, at: number): Promise<SqlRow> {
  const { task_id: ofTask = null, task_uid = null } = row;
  const names = {
    table: TASK.table,
    row: context.db.prepare(`SELECT * FROM ${TASK.table} WHERE ${TASK.number} = ?`).get(ofTask),
  };
  const then = await rowAsOf(
    context,
    { projection: workload, type: job, table: JOB, numbers: NUMBERS, names },
    row,
    at,
  );
  const pilot = context.db
    .prepare('SELECT pilot_id FROM pilot_dat WHERE name = ?')
    .get(then['pilot'] ?? null);
  return { ...then, task_uid, pilot_id: pilot?.['pilot_id'] ?? null };
}

interface Ordered {
  readonly name: string;
  readonly decide: (snapshot: JobSnapshot, uid: string, reason: string | undefined) => DomainEvent[];
}

async function order(
  options: JobAnswersOptions,
  { id, reason, command_id }: z.output<typeof cancelJob.request>,
  asking: Asking,
  { name, decide }: Ordered,
) {
  const { context, queries } = options;
  const uid = await carryOutOrder(context, asking, {
    ...{ type: job, name, commandId: command_id },
    find: () => textIn(findRow(options, id), 'id'),
    content: (uid) => ({ job: uid, reason: reason ?? null }),
    decide: (uid) => (snapshot) => decide(snapshot, uid, reason),
  });
  return show(queries, findRow(options, uid), standingOf(options));
}

/** Over its task, where it has one, for a task that has finished has no job that lives: the task tells the job what follows. */
async function retryOne(
  options: JobAnswersOptions,
  request: z.output<typeof retryJob.request>,
  asking: Asking,
) {
  const { context, queries } = options;
  await context.readYourWrites();
  const row = findRow(options, request.id);
  const [uid, ofTask] = [textIn(row, 'id'), row['task_uid']];
  if (typeof ofTask !== 'string')
    return await whileItsInputLives(context, row, () =>
      order(options, request, asking, { name: 'job_retry', decide: retry }),
    );
  const { reason, command_id: id } = request;
  const { snapshot } = await context.system.read(job, uid);
  const decide = retryJobOfTask(ofTask, uid, reason);
  const { duplicate } = await context.system.execute(task, ofTask, {
    ...(id === undefined
      ? {}
      : { id, asks: { name: 'job_retry', content: { job: uid, reason: reason ?? null } } }),
    by: asking.who,
    decide: (known) => {
      // Refuses it unless the job has failed.
      retry(snapshot, uid, reason);
      return decide(known);
    },
  });
  asking.repeated(duplicate);
  await context.readYourWrites();
  return show(queries, findRow(options, uid), standingOf(options));
}

async function log(
  { context, orders, askPilot, queries }: JobAnswersOptions,
  { id, offset = 0, length = LARGEST_PIECE, attempt: asked }: z.output<typeof jobLog.request>,
) {
  await context.readYourWrites();
  const uid = textIn(findEntity(context.db, JOB, id), 'id');
  const row = queries.row(uid) ?? {};
  const attempt = attemptOf(row, asked);
  const ordered = await orders.of(uid);
  if (ordered === undefined) throw new Error(`job ${uid} has a row and no first event`);
  const piece = await readLog(row, ordered, { job: uid, attempt, offset, length }, askPilot);
  return { ...piece, attempt };
}

function findRow({ context, queries }: JobAnswersOptions, id: string): SqlRow {
  const uid = textIn(findEntity(context.db, JOB, id), 'id');
  return queries.of(`${selectFrom()} WHERE j.id = ?`).get(uid) ?? {};
}

/** @param counts what is before each, which takes a look at the whole queue */
function standingOf({ context, offers, queueAway }: JobAnswersOptions, counts = true): Standing {
  const { unknown_after_seconds: unknownAfterSeconds } = context.config;
  return {
    ...{ offers: offers.all(), now: nowSeconds(context), unknownAfterSeconds, counts, away: new Map() },
    ...{ off: offIn(context.db, 'executor'), queueAway: queueAway() },
  };
}

function show(queries: JobQueries, row: SqlRow, standing: Standing) {
  return jobMessageOf(row, whyWaits(queries, row, standing));
}

/** Of states that few jobs among many may be in there is an index, which has to be named where other jobs are left out. */
const INDEXES: readonly {
  readonly index: string;
  readonly of: readonly string[];
  readonly condition: string;
}[] = [
  { index: 'job_dat_queued', of: ['queued'], condition: "j.state = 'queued'" },
  {
    index: 'job_dat_under_way',
    of: ['staging', 'running', 'cancelling'],
    condition: `j.state IN ${UNDER_WAY}`,
  },
  { index: 'job_dat_lost', of: ['failed', 'cancelled'], condition: "j.state IN ('failed', 'cancelled')" },
];

async function list(options: JobAnswersOptions, request: z.output<typeof listJobs.request>) {
  const { context, queries } = options;
  const size = readPageSize(request.page_size);
  await context.readYourWrites();
  const { newest_first: newestFirst = false, state: states, pilot, failure_class: failure } = request;
  const task =
    request.task === undefined ? undefined : Number(findEntity(context.db, TASK, request.task)['task_id']);
  const tokens = pageTokens(
    { newestFirst, states, task: task ?? null, pilot: pilot ?? null, failure: failure ?? null },
    ['number'],
  );
  const after = tokens.read(request.page_token)?.[0];
  const where: string[] = [];
  const values: SqlValue[] = [];
  const add = (condition: string, ...given: SqlValue[]) => {
    where.push(condition);
    values.push(...given);
  };
  if (states.length > 0) add(`j.state IN (${states.map(() => '?').join(', ')})`, ...states);
  const by = INDEXES.find(({ of }) => states.length > 0 && states.every((state) => of.includes(state)));
  if (by !== undefined) add(by.condition);
  if (task !== undefined) add('j.task_id = ?', task);
  if (pilot !== undefined) add('j.pilot = ?', pilot);
  if (failure !== undefined) add('j.failure_class = ?', failure);
  if (after !== undefined) add(newestFirst ? 'j.job_id < ?' : 'j.job_id > ?', after);
  const rows = context.db
    .prepare(
      `${selectFrom(by?.index)} ${where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`}
       ORDER BY j.job_id ${newestFirst ? 'DESC' : 'ASC'} LIMIT ?`,
    )
    .all(...values, size + 1);
  const standing = standingOf(options, false);
  const { messages, nextToken } = pageOf({
    ...{ rows, size, show: (row: SqlRow) => show(queries, row, standing), tokens },
    placeOf: (row) => [Number(row['job_id'])],
  });
  return { jobs: [...messages], ...(nextToken === undefined ? {} : { next_page_token: nextToken }) };
}
