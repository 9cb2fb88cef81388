/**
 * What attempts that do not count have left beside the files of a task is removed: of refused ones, and of machines that were lost.
 *
 * Guarantee: a file that a dataset of the task has is never removed, nor anything while a job of it could still be told to have written
 * it: its datasets have ended, and none of their files waits to be written.
 */

import { lstat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, OwlError } from '../../../../base/errors.js';
import type { Database } from '../../../../base/sql.js';
import { systemErrorCode } from '../../../../base/system-error.js';
import type { WorkloadContext } from '../workload-context.js';
import { DatasetRefusedError } from './dataset-commands.js';
import { AS_LIST, datasetRow } from './dataset-rows.js';
import { StorageDirectory } from './storage-directory.js';

const NAMES_AT_ONCE = 5_000;

/** @throws OwlError kind `refused` while it may not be done yet */
export async function collect(
  { db, config, readYourWrites }: WorkloadContext,
  { uid }: { readonly uid: string },
  signal: AbortSignal,
) {
  await readYourWrites();
  const row = datasetRow(db, uid);
  const task = row['producer_task'];
  if (typeof task !== 'string')
    throw new DatasetRefusedError(
      'transition_refused',
      `dataset ${uid} is written by no task: what lies beside its files is somebody else's`,
    );
  assertEnded(db, uid, task);
  const directory = await outputsOf(await StorageDirectory.of(row, config.storage_roots), task);
  let [removed, bytes] = [0, 0];
  for (let after = ''; directory !== undefined; ) {
    const entries = await directory.namesBehind(after, NAMES_AT_ONCE);
    const [last] = entries.slice(-1);
    if (last === undefined) break;
    after = last.name;
    const kept = keptOf(
      db,
      task,
      entries.map(({ name }) => `${task}/${name}`),
    );
    for (const { name, isFile } of entries) {
      if (!isFile || kept.has(`${task}/${name}`)) continue;
      signal.throwIfAborted();
      const size = await remove(join(directory.path, name));
      if (size === undefined) continue;
      bytes += size;
      removed += 1;
    }
  }
  return { removed, bytes };
}

function assertEnded(db: Database, uid: string, task: string): void {
  const open = db
    .prepare(
      `SELECT uid, status FROM dsm_datasets WHERE producer_task = ? AND status NOT IN ('closed', 'aborted') LIMIT 1`,
    )
    .get(task);
  if (open !== undefined)
    throw new DatasetRefusedError(
      'dataset_not_settled',
      `dataset ${String(open['uid'])} of task ${task} is ${String(open['status'])}: jobs may still write`,
    );
  const waiting = db
    .prepare(
      `SELECT file_name FROM dsm_files WHERE status IN ('registering', 'declared') AND dataset_uid IN
       (SELECT uid FROM dsm_datasets WHERE producer_task = ?) LIMIT 1`,
    )
    .get(task);
  if (waiting !== undefined)
    throw new DatasetRefusedError(
      'dataset_not_settled',
      `dataset ${uid}: file ${String(waiting['file_name'])} of task ${task} may still be written`,
    );
}

/** Undefined where none of its jobs has written anything. */
async function outputsOf(storage: StorageDirectory, task: string): Promise<StorageDirectory | undefined> {
  try {
    return await storage.below(task);
  } catch (error) {
    if (error instanceof Error && systemErrorCode(error.cause) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Of these paths those that a file of the task's datasets has. */
function keptOf(db: Database, task: string, paths: readonly string[]): ReadonlySet<string> {
  const rows = db
    .prepare(
      `SELECT path FROM dsm_files WHERE path IN ${AS_LIST} AND status IN ('available', 'missing', 'corrupt') AND dataset_uid IN
       (SELECT uid FROM dsm_datasets WHERE producer_task = ?)`,
    )
    .all(JSON.stringify(paths), task);
  return new Set(rows.map(({ path }) => String(path)));
}

/** Its bytes; undefined where somebody else was faster. @throws OwlError kind `unavailable` */
async function remove(path: string): Promise<number | undefined> {
  try {
    const { size } = await lstat(path);
    await unlink(path);
    return size;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw new OwlError('unavailable', `a file can not be removed: ${messageOf(error)}`, { cause: error });
  }
}
