/** Uses of files by jobs, as those see them who ask. */

import type { z } from 'zod';
import { OwlError } from '../../../../base/errors.js';
import { pageOfEntities, selectEntities } from '../../../../node/entities/entity-lists.js';
import { answered, type ServedOperation } from '../../../../node/operations/operation.js';
import type { WorkloadContext } from '../workload-context.js';
import { jobFileMessageOf } from './job-messages.js';
import { fileStatus, listFiles } from './job-operations.js';

const USES = { table: 'file_dat', number: 'file_id' };

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
  const { newest_first: newestFirst = false, type: types, status: statuses } = request;
  const { messages, next } = await pageOfEntities(context, request, {
    number: USES.number,
    query: { newestFirst, types, statuses },
    look: (place) => ({
      rows: selectEntities(context.db, USES, { type: types, status: statuses }, place),
      show: jobFileMessageOf,
    }),
  });
  return { files: messages, ...next };
}
