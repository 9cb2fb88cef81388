/** What is asked of the tables of datasets and files, and how a row of them is told. */

import type { Database, SqlRow } from '../../../../base/sql.js';
import { type Place, selectEntities } from '../../../../node/entities/entity-lists.js';
import { fileIdOf } from '../ids.js';
import { noDataset } from './dataset-commands.js';

/** @throws OwlError kind `not_found` */
export function datasetRow(db: Database, uid: string): SqlRow {
  const row = db.prepare('SELECT * FROM dsm_datasets WHERE uid = ?').get(uid);
  if (row === undefined) throw noDataset(uid);
  return row;
}

/** Datasets of the catalogue that the read model holds. */
export function enteredIn(db: Database): number {
  return Number(db.prepare('SELECT coalesce(max(entry), -1) + 1 AS n FROM dsm_datasets').get()?.['n'] ?? 0);
}

/** In the order in which they were entered. */
export function enteredRows(db: Database, first: number, count: number): SqlRow[] {
  return db
    .prepare('SELECT * FROM dsm_datasets WHERE entry >= ? AND entry < ? ORDER BY entry')
    .all(first, first + count);
}

/** Values of a list as the parameters of one statement. */
export const AS_LIST = '(SELECT value FROM json_each(?))';

/** Undefined where there is none of them. @param column `name` or `uid` */
export function takenDataset(
  db: Database,
  column: 'name' | 'uid',
  values: readonly string[],
): SqlRow | undefined {
  const fromOutside = column === 'name' ? 'AND producer_task IS NULL' : '';
  return db
    .prepare(`SELECT name, uid FROM dsm_datasets WHERE ${column} IN ${AS_LIST} ${fromOutside} LIMIT 1`)
    .get(JSON.stringify(values));
}

/** Files of a dataset with one of these names. */
export function namedFiles(db: Database, dataset: string, names: readonly string[]): SqlRow[] {
  return db
    .prepare(
      `SELECT file_name, idx FROM dsm_files WHERE dataset_uid = ? AND file_name IN ${AS_LIST} ORDER BY idx`,
    )
    .all(dataset, JSON.stringify(names));
}

/** In the order of the dataset. @param status any of these; all where there is none */
export function fileRows(
  db: Database,
  dataset: string,
  status: readonly string[],
  place: Omit<Place, 'newestFirst'>,
): SqlRow[] {
  const filter = { dataset_uid: [dataset], status };
  return selectEntities(db, { table: 'dsm_files', number: 'idx' }, filter, { ...place, newestFirst: false });
}

/** How many are in one of these states. */
export function filesIn(db: Database, dataset: string, status: readonly string[]): number {
  const row = db
    .prepare(`SELECT count(*) AS files FROM dsm_files WHERE dataset_uid = ? AND status IN ${AS_LIST}`)
    .get(dataset, JSON.stringify(status));
  return Number(row?.['files'] ?? 0);
}

export function showDataset(row: SqlRow) {
  return {
    ...{ dataset_id: Number(row['dataset_id']), uid: String(row['uid']), name: String(row['name']) },
    status: String(row['status']),
    ...texts(row, 'storage_url', 'producer_task', 'remarks', 'series_uid'),
    ...numbers(row, 'expected_files', 'closed_time', 'series_index'),
    ...numbers(row, 'files', 'files_available', 'files_failed', 'bytes', 'create_time', 'update_time'),
    ...(row['complete'] === null ? {} : { complete: row['complete'] === 1 }),
    revision: Math.max(0, Number(row['revision'])),
  };
}

export function showFile(row: SqlRow) {
  return {
    ...{ dataset_uid: String(row['dataset_uid']), idx: Number(row['idx']), status: String(row['status']) },
    // What is still to be written has none in its row.
    uid: fileIdOf(String(row['dataset_uid']), Number(row['idx'])),
    ...texts(row, 'file_name', 'path', 'check_sum', 'sha256', 'producer_job', 'remarks'),
    ...numbers(row, 'size', 'create_time', 'update_time'),
    revision: Math.max(0, Number(row['revision'])),
  };
}

function texts(row: SqlRow, ...names: string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = row[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}

function numbers(row: SqlRow, ...names: string[]): Record<string, number> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = row[name];
      return typeof value === 'number' ? [[name, value]] : [];
    }),
  );
}
