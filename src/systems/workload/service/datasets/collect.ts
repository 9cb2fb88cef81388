/**
 * What attempts that do not count have left beside the files of a task is removed: of refused ones, and of machines that were lost.
 *
 * Guarantees: a file that a dataset of the task has is never removed, nor a log, nor what no attempt of its jobs has written; nothing is
 * while a job of it could still be told to have written it: its datasets have ended, and none of their files waits to be written.
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
const WITH_CONTENT: ReadonlySet<string> = new Set(['available', 'missing', 'corrupt']);

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
    const names = entries.flatMap(({ name, isFile }) => (isFile ? [name] : []));
    for (const name of leftOf(db, task, names)) {
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
      `dataset ${String(open['uid'])} of task ${task} is ${String(open['status'])}: jobs may still write; a task that has failed is finished as it is, or cancelled, first`,
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

/** The name of an attempt's file, and what a dataset calls it: see wire/attempt-names.ts. */
const OF_AN_ATTEMPT = /^(.+)\.a\d+(\.[^.]*)?$/;

/** Of these names those that an attempt at a job has left and no dataset has. Logs are kept: they say why it does not count. */
function leftOf(db: Database, task: string, names: readonly string[]): string[] {
  const written = names.flatMap((name) => {
    const [, stem, ending = ''] = OF_AN_ATTEMPT.exec(name) ?? [];
    return stem === undefined ? [] : [{ name, called: `${stem}${ending}`, path: `${task}/${name}` }];
  });
  const files = db
    .prepare(
      `SELECT file_name, status, path FROM dsm_files WHERE file_name IN ${AS_LIST} AND dataset_uid IN
       (SELECT uid FROM dsm_datasets WHERE producer_task = ? AND produces IS NOT 'log')`,
    )
    .all(JSON.stringify(written.map(({ called }) => called)), task);
  const called = new Set(files.map(({ file_name }) => String(file_name)));
  const kept = new Set(
    files.flatMap(({ status, path }) => (WITH_CONTENT.has(String(status)) ? [String(path)] : [])),
  );
  return written.filter((one) => called.has(one.called) && !kept.has(one.path)).map(({ name }) => name);
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
