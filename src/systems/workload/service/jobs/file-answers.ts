/** Uses of files by jobs, as those see them who ask. */

import type { z } from 'zod';
import { OwlError } from '../../../../base/errors.js';
import type { SqlRow, SqlValue } from '../../../../base/sql.js';
import { answered, type ServedOperation } from '../../../../node/operations/operation.js';
import { pageOf, pageTokens, readPageSize } from '../../../../node/serving/pages.js';
import type { WorkloadContext } from '../workload-context.js';
import { jobFileMessageOf } from './job-messages.js';
import { fileStatus, listFiles } from './job-operations.js';

export function fileOperations(context: WorkloadContext): ServedOperation[] {
  return [
    answered(fileStatus, async ({ file_id: id }) => {
      await context.readYourWrites();
      const row = context.db.prepare('SELECT * FROM file_dat WHERE file_id = ?').get(id);
      if (row !== undefined) return jobFileMessageOf(row);
      throw new OwlError('not_found', `there is no file ${id} of a job`, { reason: 'file_not_found' });
    }),
    answered(listFiles, (request) => list(context, request)),
  ];
}

async function list(context: WorkloadContext, request: z.output<typeof listFiles.request>) {
  const size = readPageSize(request.page_size);
  const { newest_first: newestFirst = false, type: types, status: statuses } = request;
  const tokens = pageTokens({ newestFirst, types, statuses }, ['number']);
  const after = tokens.read(request.page_token)?.[0];
  await context.readYourWrites();
  const where: string[] = [];
  const values: SqlValue[] = [];
  const add = (condition: string, ...given: SqlValue[]) => {
    where.push(condition);
    values.push(...given);
  };
  if (types.length > 0) add(`type IN (${types.map(() => '?').join(', ')})`, ...types);
  if (statuses.length > 0) add(`status IN (${statuses.map(() => '?').join(', ')})`, ...statuses);
  if (after !== undefined) add(newestFirst ? 'file_id < ?' : 'file_id > ?', after);
  const rows = context.db
    .prepare(
      `SELECT * FROM file_dat ${where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`}
       ORDER BY file_id ${newestFirst ? 'DESC' : 'ASC'} LIMIT ?`,
    )
    .all(...values, size + 1);
  const { messages, nextToken } = pageOf({
    ...{ rows, size, show: jobFileMessageOf, tokens },
    placeOf: (row: SqlRow) => [Number(row['file_id'])],
  });
  return { files: [...messages], ...(nextToken === undefined ? {} : { next_page_token: nextToken }) };
}
