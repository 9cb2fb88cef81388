/** How the order of a task is read: what its schema can't say, and what follows where something is left out. */

import type { z } from 'zod';
import type { TaskOrder } from '../../../../../machines/workload/task.js';
import { type FieldProblem, InvalidFieldError, OwlError } from '../../../../base/errors.js';
import type { Database } from '../../../../base/sql.js';
import { asUuid } from '../../../../base/uuid.js';
import { storageProblem } from '../../storage-url.js';
import { datasetIdOf, PRODUCTS } from '../ids.js';
import { USUAL_RETRIES } from '../shown/payload-fields.js';
import type { WorkloadContext } from '../workload-context.js';
import type { submitTask } from './task-operations.js';

export type TaskRequest = z.output<typeof submitTask.request>;

export const USUAL_FILES = { map: 1, merge: 100 } as const;

/**
 * @param uid of the task
 * @throws InvalidFieldError with every problem; OwlError `not_found` where the input is unknown, `refused` where it can't be read
 */
export function readTaskOrder(
  { db, config }: Pick<WorkloadContext, 'db' | 'config'>,
  request: TaskRequest,
  uid: string,
): TaskOrder {
  const { mode, files_per_job: files = USUAL_FILES[mode], until_one: untilOne = false } = request;
  const [first, ...others] = problemsIn(request, files, config.storage_roots);
  if (first !== undefined) throw new InvalidFieldError(first.field, first.rule, others);
  const input = asUuid(request.data_in_uid);
  assertReadable(db, input, uid);
  const storageUrl = request.storage_url ?? storageOf(db, input);
  const { executable, device_type, args, timeout_seconds, memory_mib, name } = request;
  return {
    ...{ executable, device_type, mode, data_in_uid: input, storage_url: storageUrl },
    ...{ rank: request.rank ?? 0, retries: request.retries ?? USUAL_RETRIES, files_per_job: files },
    ...{ data_out_url: request.data_out_url, data_out_uid: datasetIdOf(uid, 'output') },
    data_log_uid: datasetIdOf(uid, 'log'),
    ...{ max_failed_jobs: request.max_failed_jobs ?? 0, until_one: untilOne },
    require_complete: request.require_complete ?? true,
    ...(args === undefined ? {} : { args }),
    ...(timeout_seconds === undefined ? {} : { timeout_seconds }),
    ...(memory_mib === undefined ? {} : { memory_mib }),
    ...(name === undefined ? {} : { name }),
  };
}

/** What is wrong with it beside its input. */
export function problemsIn(
  { mode, until_one, storage_url, data_out_url }: Omit<TaskRequest, 'data_in_uid'>,
  files: number,
  roots: readonly string[],
): FieldProblem[] {
  const ruleOf = (url: string | undefined) => (url === undefined ? undefined : storageProblem(url, roots));
  const problems: readonly (readonly [field: string, rule: string | undefined])[] = [
    ['files_per_job', mode === 'merge' && files < 2 ? 'must be 2 at least for a merge' : undefined],
    [
      'until_one',
      mode === 'map' && until_one === true
        ? 'must be left out for a map: only merges leave one file'
        : undefined,
    ],
    ['storage_url', ruleOf(storage_url)],
    ['data_out_url', ruleOf(data_out_url)],
  ];
  return problems.flatMap(([field, rule]) => (rule === undefined ? [] : [{ field, rule }]));
}

/**
 * Whether the dataset can be read by that task.
 * @throws OwlError kind `not_found` or `refused`
 */
function assertReadable(db: Database, input: string, uid: string): void {
  if (PRODUCTS.some((product) => datasetIdOf(uid, product) === input))
    throw new OwlError('refused', `dataset ${input} is what task ${uid} writes: it can not read it too`, {
      reason: 'own_output',
    });
  const row = db.prepare('SELECT status, remarks FROM dsm_datasets WHERE uid = ?').get(input);
  if (row === undefined)
    throw new OwlError('not_found', `data_in_uid: there is no dataset ${input}`, {
      reason: 'dataset_not_found',
    });
  if (row['status'] === 'aborted' || row['status'] === 'cancelling')
    throw new OwlError(
      'refused',
      `data_in_uid: dataset ${input} was ${row['status'] === 'aborted' ? 'aborted' : 'cancelled'}: ${String(row['remarks'])}`,
      {
        reason: 'transition_refused',
      },
    );
}

function storageOf(db: Database, input: string): string {
  const row = db.prepare('SELECT storage_url FROM dsm_datasets WHERE uid = ?').get(input);
  const url = row?.['storage_url'];
  if (typeof url === 'string' && url !== '') return url;
  throw new InvalidFieldError('storage_url', `is missing: dataset ${input} does not say where its files lie`);
}
