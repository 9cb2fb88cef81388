/**
 * Closes datasets: those that are sealed and have no unsettled file, and what a task writes once the task is finished.
 *
 * Guarantee: decided by counts that move exactly once with the read model, and by the dataset's own state: so it is closed once,
 * whichever nodes come upon it, and nothing that was stored before a kill is forgotten.
 */

import { workload } from '../../../../../projections/workload/workload.js';
import type { SqlRow } from '../../../../base/sql.js';
import type { Loop } from '../../../../runtime/loops/loop.js';
import type { WorkloadContext } from '../workload-context.js';
import { close } from './dataset-commands.js';
import { dataset } from './dataset-types.js';

const A_ROUND = 100;

/** By the index of settled ones. A failed task leaves its datasets sealed. */
const CLOSABLE = `
  SELECT uid, files, files_available, files_failed, bytes FROM dsm_datasets
  WHERE status = 'sealed' AND files_available + files_failed = files
    AND (producer_task IS NULL
      OR EXISTS (SELECT 1 FROM task_dat WHERE task_dat.uid = producer_task AND state = 'finished'))`;

/** Events that may leave a dataset with nothing unsettled. */
const REASONS: ReadonlySet<string> = new Set([
  ...['DatasetSealed', 'FileRegistered', 'FileAvailable', 'FileFailed', 'FileDiscarded'],
  ...['TaskFinished'],
]);

export function closesDatasets({ system, db }: WorkloadContext): Loop {
  return {
    name: 'closes-datasets',
    readModels: [workload.name],
    applied: (events) => events.some(({ type }) => REASONS.has(type)),
    async round({ now, signal }) {
      const rows = db.prepare(`${CLOSABLE} ORDER BY dataset_id LIMIT ?`).all(A_ROUND);
      for (const row of rows) {
        signal.throwIfAborted();
        await closeRow(system, row);
      }
      return rows.length < A_ROUND ? { why: 'all that is settled is closed' } : { until: now };
    },
  };
}

/** The same for one, at once. Nothing where it can't be closed yet. */
export async function closeIfSettled(
  { system, db, readYourWrites }: WorkloadContext,
  uid: string,
): Promise<void> {
  await readYourWrites();
  const row = db.prepare(`${CLOSABLE} AND uid = ?`).get(uid);
  if (row === undefined) return;
  await closeRow(system, row);
  await readYourWrites();
}

async function closeRow(system: WorkloadContext['system'], row: SqlRow): Promise<void> {
  const counts = {
    files: Number(row['files']),
    available: Number(row['files_available']),
    failed: Number(row['files_failed']),
    bytes: Number(row['bytes']),
  };
  await system.execute(dataset, String(row['uid']), { by: 'loop:closes-datasets', decide: close(counts) });
}
