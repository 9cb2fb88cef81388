/** How the order of a series is read: what its schema can't say, all at once and by index; and what follows where something is left out. */

import type { z } from 'zod';
import type { SeriesStep } from '../../../../../machines/workload/series.js';
import { type FieldProblem, InvalidFieldError, OwlError } from '../../../../base/errors.js';
import type { Database, SqlRow } from '../../../../base/sql.js';
import { asUuid } from '../../../../base/uuid.js';
import { uid as uidField } from '../../../../node/entities/entity-messages.js';
import { USUAL_RETRIES } from '../shown/payload-fields.js';
import { problemsIn, USUAL_FILES } from '../tasks/task-order.js';
import type { WorkloadContext } from '../workload-context.js';
import type { SeriesOrder } from './series-commands.js';
import type { submitSeries, Template } from './series-operations.js';

export type SeriesRequest = z.output<typeof submitSeries.request>;

const isUid = uidField();
/** Datasets that a sentence names. */
const MOST_NAMED = 3;

/**
 * @throws InvalidFieldError with every problem; OwlError `not_found` where datasets are unknown, `refused` where they were cancelled
 */
export function readSeriesOrder(
  { db, config }: Pick<WorkloadContext, 'db' | 'config'>,
  { name, datasets: given, steps, concurrency = 1 }: SeriesRequest,
): SeriesOrder {
  const problems = [
    ...datasetProblems(given),
    ...steps.flatMap((one, i) => stepProblems(one, i, config.storage_roots)),
  ];
  if (steps.length === 0) problems.push({ field: 'steps', rule: 'must be one at least' });
  refuse(problems);
  const uids = given.map(asUuid);
  assertReadable(db, uids, steps[0]?.storage_url === undefined);
  return { name, datasets: uids, steps: steps.map(stepOf), concurrency };
}

function refuse([first, ...others]: readonly FieldProblem[]): void {
  if (first !== undefined) throw new InvalidFieldError(first.field, first.rule, others);
}

function datasetProblems(given: readonly string[]): FieldProblem[] {
  if (given.length === 0) return [{ field: 'datasets', rule: 'must be one at least' }];
  const known = new Map<string, number>();
  return given.flatMap((text, i) => {
    const field = `datasets.${i}`;
    const read = isUid.safeParse(text);
    if (!read.success) return [{ field, rule: read.error.issues[0]?.message ?? 'must be a UUID' }];
    const uid = asUuid(text);
    const before = known.get(uid);
    known.set(uid, before ?? i);
    return before === undefined ? [] : [{ field, rule: `must be given once; it is datasets.${before} too` }];
  });
}

function stepProblems(step: Template, index: number, roots: readonly string[]): FieldProblem[] {
  const files = step.files_per_job ?? USUAL_FILES[step.mode];
  const found = problemsIn(step, files, roots);
  if (index > 0 && step.storage_url !== undefined)
    found.push({ field: 'storage_url', rule: 'must be left out: it reads what the step before it writes' });
  return found.map(({ field, rule }) => ({ field: `steps.${index}.${field}`, rule }));
}

function stepOf({ mode, ...step }: Template): SeriesStep {
  const { executable, device_type, data_out_url, args, storage_url, timeout_seconds, memory_mib, name } =
    step;
  return {
    ...{ executable, device_type, mode, data_out_url },
    ...{ rank: step.rank ?? 0, retries: step.retries ?? USUAL_RETRIES },
    files_per_job: step.files_per_job ?? USUAL_FILES[mode],
    ...{ max_failed_jobs: step.max_failed_jobs ?? 0, until_one: step.until_one ?? false },
    require_complete: step.require_complete ?? true,
    ...(args === undefined ? {} : { args }),
    ...(storage_url === undefined ? {} : { storage_url }),
    ...(timeout_seconds === undefined ? {} : { timeout_seconds }),
    ...(memory_mib === undefined ? {} : { memory_mib }),
    ...(name === undefined ? {} : { name }),
  };
}

/** @param placed whether each has to say where its files lie */
function assertReadable(db: Database, uids: readonly string[], placed: boolean): void {
  const select = db.prepare('SELECT name, status, storage_url FROM dsm_datasets WHERE uid = ?');
  const rows = uids.map((uid, i): [field: string, uid: string, row: SqlRow | undefined] => [
    ...([`datasets.${i}`, uid] as const),
    select.get(uid),
  ]);
  const unknown = rows.filter(([, , row]) => row === undefined);
  if (unknown.length > 0)
    throw new OwlError('not_found', `there is no dataset ${named(unknown)}`, { reason: 'dataset_not_found' });
  const gone = rows.filter(([, , row]) => row?.['status'] === 'aborted' || row?.['status'] === 'cancelling');
  if (gone.length > 0)
    throw new OwlError('refused', `cancelled was dataset ${named(gone)}`, { reason: 'transition_refused' });
  if (placed)
    refuse(
      rows.flatMap(([field, , row]) =>
        typeof row?.['storage_url'] === 'string'
          ? []
          : [{ field, rule: 'does not say where its files lie; give steps.0.storage_url' }],
      ),
    );
}

function named(rows: readonly (readonly [field: string, uid: string, ...unknown[]])[]): string {
  const some = rows.slice(0, MOST_NAMED).map(([field, uid]) => `${uid} (${field})`);
  const more = rows.length - some.length;
  return `${some.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
