/** What people and programs name an entity by: its uid, the beginning of one that no other has, or its running number. */

import { OwlError } from '../../../../base/errors.js';
import type { Database, SqlRow } from '../../../../base/sql.js';

export interface EntityTable {
  readonly table: string;
  /** The column of its running number. */
  readonly number: string;
  /** The column of its uid. */
  readonly uid: string;
  /** `task` */
  readonly noun: string;
}

export const DATASET: EntityTable = {
  ...{ table: 'dsm_datasets', number: 'dataset_id', uid: 'uid', noun: 'dataset' },
};
export const TASK: EntityTable = { table: 'task_dat', number: 'task_id', uid: 'uid', noun: 'task' };
export const JOB: EntityTable = { table: 'job_dat', number: 'job_id', uid: 'id', noun: 'job' };

/** A beginning of a uid may be as short as this. */
const SHORTEST_PREFIX = 4;

/** @throws OwlError kind `not_found`, with a reason `task_not_found`; `invalid` where several begin with it */
export function findEntity(db: Database, { table, number, uid, noun }: EntityTable, id: string): SqlRow {
  const exact = db.prepare(`SELECT * FROM ${table} WHERE ${uid} = ?`).get(id.toLowerCase());
  if (exact !== undefined) return exact;
  if (/^[0-9]{1,15}$/.test(id)) {
    const numbered = db.prepare(`SELECT * FROM ${table} WHERE ${number} = ?`).get(Number(id));
    if (numbered !== undefined) return numbered;
  }
  const prefix = /^[0-9a-f-]+$/i.test(id) && id.length >= SHORTEST_PREFIX ? id.toLowerCase() : undefined;
  const found =
    prefix === undefined
      ? []
      : db
          .prepare(`SELECT * FROM ${table} WHERE ${uid} >= ? AND ${uid} < ? ORDER BY ${uid} LIMIT 3`)
          .all(prefix, `${prefix}~`);
  const [first, ...others] = found;
  if (first !== undefined && others.length === 0) return first;
  if (first !== undefined) {
    const some = found.map((row) => String(row[uid])).join(', ');
    throw new OwlError('invalid', `id: several ${noun}s begin with ${id} (${some}); give more of it`);
  }
  throw new OwlError('not_found', `there is no ${noun} ${id}`, { reason: `${noun}_not_found` });
}
