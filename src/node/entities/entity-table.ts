/**
 * What people and programs name an entity by: its uid, which may be a name, its running number, a beginning of its uid that no other
 * has, and, where its system says so, a name beside these.
 */

import { OwlError } from '../../base/errors.js';
import type { Database, SqlRow } from '../../base/sql.js';

/** Where the rows of one kind of entity are. */
export interface EntityTable {
  readonly table: string;
  /** The column of its running number. */
  readonly number: string;
  /** The column of its uid. */
  readonly uid: string;
  /** `task` */
  readonly noun: string;
  /** Which rows have a `name` that no other of them has. */
  readonly named?: string;
  /** Where that is not the noun and an s. */
  readonly plural?: string;
}

/** A beginning of a uid may be as short as this. */
const SHORTEST_PREFIX = 4;
const NEIGHBOURS = 3;

/**
 * The number goes before the name, and the name before a beginning.
 * @throws OwlError kind `not_found`, with a reason `task_not_found`; `invalid` where several begin with it
 */
export function findEntity(db: Database, entity: EntityTable, id: string): SqlRow {
  const { table, number, uid, noun, named, plural = `${noun}s` } = entity;
  const select = (where: string, value: string | number) =>
    db.prepare(`SELECT * FROM ${table} WHERE ${where} = ?`).get(value);
  const exact =
    select(uid, id) ??
    select(uid, id.toLowerCase()) ??
    (/^[0-9]{1,15}$/.test(id) ? select(number, Number(id)) : undefined) ??
    (named === undefined ? undefined : select(`${named} AND name`, id));
  if (exact !== undefined) return exact;
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
    throw new OwlError('invalid', `id: several ${plural} begin with ${id} (${some}); give more of it`);
  }
  throw new OwlError('not_found', `there is no ${noun} ${id}; ${neighbours(db, entity)}`, {
    reason: `${noun}_not_found`,
  });
}

/** Those that were made last, as they can be named: of those that have names the named ones. */
export function neighbours(db: Database, { table, number, named }: EntityTable): string {
  const name = named === undefined ? 'NULL' : 'name';
  const rows = db
    .prepare(
      `SELECT ${number} AS number, ${name} AS name FROM ${table} ${named === undefined ? '' : `WHERE ${named}`}
       ORDER BY ${number} DESC LIMIT ${NEIGHBOURS}`,
    )
    .all();
  if (rows.length === 0) return 'none is there yet';
  const some = rows.map(({ number: of, name: called }) =>
    called === null ? `${of}` : `${of} (${String(called)})`,
  );
  return `the newest ${rows.length === 1 ? 'is' : 'are'} ${some.join(', ')}`;
}
