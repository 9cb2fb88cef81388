/** Jobs as those see them who ask. Guarantee: shows at least everything this node has acknowledged before. */

import type { z } from 'zod';
import type { SqlRow, SqlValue } from '../../../../base/sql.js';
import { answered, type ServedOperation } from '../../../../node/operations/operation.js';
import { pageOf, pageTokens, readPageSize } from '../../../../node/serving/pages.js';
import { findEntity, JOB, TASK } from '../shown/entities.js';
import type { WorkloadContext } from '../workload-context.js';
import { jobMessageOf } from './job-messages.js';
import { jobStatus, listJobs } from './job-operations.js';

export function jobOperations(context: WorkloadContext): ServedOperation[] {
  return [
    answered(jobStatus, async ({ id }) => {
      await context.readYourWrites();
      return jobMessageOf(withTask(context, findEntity(context.db, JOB, id)));
    }),
    answered(listJobs, (request) => list(context, request)),
  ];
}

function withTask({ db }: WorkloadContext, row: SqlRow): SqlRow {
  const id = row['task_id'];
  const task =
    typeof id === 'number' ? db.prepare('SELECT uid FROM task_dat WHERE task_id = ?').get(id) : undefined;
  return { ...row, task_uid: task?.['uid'] ?? null };
}

async function list(context: WorkloadContext, request: z.output<typeof listJobs.request>) {
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
  if (task !== undefined) add('j.task_id = ?', task);
  if (pilot !== undefined) add('j.pilot = ?', pilot);
  if (failure !== undefined) add('j.failure_class = ?', failure);
  if (after !== undefined) add(newestFirst ? 'j.job_id < ?' : 'j.job_id > ?', after);
  const rows = context.db
    .prepare(
      `SELECT j.*, t.uid AS task_uid FROM job_dat j LEFT JOIN task_dat t ON t.task_id = j.task_id
       ${where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`}
       ORDER BY j.job_id ${newestFirst ? 'DESC' : 'ASC'} LIMIT ?`,
    )
    .all(...values, size + 1);
  const { messages, nextToken } = pageOf({
    ...{ rows, size, show: (row: SqlRow) => jobMessageOf(row), tokens },
    placeOf: (row) => [Number(row['job_id'])],
  });
  return { jobs: [...messages], ...(nextToken === undefined ? {} : { next_page_token: nextToken }) };
}
