/**
 * Closes datasets: those that are sealed and have no unsettled file, and what a task writes once the task is finished. Of those
 * that were aborted with their task it discards what is there.
 *
 * Guarantees: decided by counts that move exactly once with the read model, and by the dataset's own state: so it is closed once,
 * whichever nodes come upon it, and nothing that was stored before a kill is forgotten; no output of a cancelled task stays available,
 * also where the end of its job was stored first, or is carried on later; what can't be read of one keeps no other from its end.
 * Logs stay: they say what happened.
 */

import { workload } from '../../../../../projections/workload/workload.js';
import { messageOf } from '../../../../base/errors.js';
import { isRefusal } from '../../../../base/failure-kinds.js';
import type { SqlRow } from '../../../../base/sql.js';
import type { Loop } from '../../../../runtime/loops/loop.js';
import { LeftOut } from '../left-out.js';
import type { WorkloadContext } from '../workload-context.js';
import { close } from './dataset-commands.js';
import { dataset, file } from './dataset-types.js';
import { discard } from './file-commands.js';

/** Rows that are held at a time. */
const ROWS_AT_ONCE = 100;
/** Files that are discarded at a time. */
const FILES_AT_ONCE = 500;
const NAME = 'workload-dataset-closer';
const BY = `loop:${NAME}`;

/** By the index of settled ones. A failed task leaves its datasets sealed. */
const CLOSABLE = `
  SELECT dataset_id, uid, files, files_available, files_failed, bytes FROM dsm_datasets
  WHERE status = 'sealed' AND files = files_available + files_failed
    AND (producer_task IS NULL
      OR EXISTS (SELECT 1 FROM task_dat WHERE task_dat.uid = producer_task AND state = 'finished'))`;

/** Events that may leave a dataset with nothing unsettled. */
const REASONS: ReadonlySet<string> = new Set([
  ...['DatasetSealed', 'FileRegistered', 'FileAvailable', 'FileFailed', 'FileDiscarded'],
  ...['TaskFinished', 'DatasetAborted'],
]);

export function closesDatasets(context: WorkloadContext): Loop {
  const { system, db, logger } = context;
  const leftOut = new LeftOut(logger, NAME);
  return {
    name: NAME,
    readModels: [workload.name],
    begin: async () => leftOut.forgetAll(),
    applied: (events) => events.some(({ type }) => REASONS.has(type)),
    async round({ signal }) {
      await discardUnwanted(context, leftOut);
      for (let after = 0; ; ) {
        const rows = db
          .prepare(`${CLOSABLE} AND dataset_id > ? ORDER BY dataset_id LIMIT ?`)
          .all(after, ROWS_AT_ONCE);
        const [last] = rows.slice(-1);
        if (last === undefined) return { why: 'all that is settled is closed' };
        after = Number(last['dataset_id']);
        for (const row of rows) {
          signal.throwIfAborted();
          await closeRow(system, row).catch((error: unknown) => {
            // One that can't be closed keeps no other from it.
            if (!isRefusal(error)) throw error;
            logger.warn({ dataset: row['uid'], reason: messageOf(error) }, 'a dataset can not be closed');
          });
        }
      }
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
  await system.execute(dataset, String(row['uid']), {
    by: BY,
    decide: close(counts),
  });
}

/** A batch; what is done of it brings the next round. */
async function discardUnwanted({ system, db }: WorkloadContext, leftOut: LeftOut): Promise<void> {
  const rows = db
    .prepare(
      `SELECT file.uid, file.revision, dataset.remarks FROM dsm_datasets AS dataset INDEXED BY dsm_datasets_unwanted
       CROSS JOIN dsm_files AS file ON file.dataset_uid = dataset.uid
       WHERE dataset.status = 'aborted' AND dataset.files_available > 0 AND dataset.produces IN ('output', 'levels')
         AND file.status = 'available' LIMIT ${FILES_AT_ONCE} + ?`,
    )
    .all(leftOut.size);
  const files = rows.map(({ uid, revision, remarks }) => ({
    ...{ uid: String(uid), revision: Number(revision) },
    decide: discard(String(remarks ?? 'its task was cancelled')),
  }));
  await Promise.all(
    leftOut
      .without(files, FILES_AT_ONCE)
      .map((one) => leftOut.tell(one, () => system.execute(file, one.uid, { by: BY, decide: one.decide }))),
  );
}
