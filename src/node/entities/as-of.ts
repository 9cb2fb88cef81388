/**
 * One entity as it was at a time: its own stream, replayed up to then by the very projection that fills the tables.
 *
 * Guarantees: what is shown is what the read model showed once it had taken those events; running numbers are those that it has now,
 * which never change. What a row has from other streams is left out, counts of them for instance. It costs the reading of that one
 * stream, and keeps nothing.
 */

import type { AnyStateMachine } from 'xstate';
import { OwlError } from '../../base/errors.js';
import type { Database, SqlRow } from '../../base/sql.js';
import { openDatabase } from '../../base/sqlite.js';
import type { ActorType } from '../../runtime/actors/actor-type.js';
import { streamName } from '../../runtime/event-store/event-store.js';
import { type Projection, tablesOf } from '../../runtime/read-models/projection.js';
import type { EntityStreams } from './entity-rows.js';
import type { EntityTable } from './entity-table.js';

export interface AsOf<M extends AnyStateMachine> {
  /** That fills its table. */
  readonly projection: Projection;
  readonly type: ActorType<M>;
  readonly table: EntityTable;
  /** Columns that are taken as they are now: they never change. */
  readonly numbers: readonly string[];
  /** Rows of other streams that its own events name: of which table, and which. */
  readonly names?: { readonly table: string; readonly row: SqlRow | undefined };
}

/**
 * @param now its row as it is now
 * @param at Unix seconds, inclusive
 * @throws OwlError kind `not_found` where it was not there yet; DamagedStreamError
 */
export async function rowAsOf<M extends AnyStateMachine>(
  { runtime: { store } }: EntityStreams,
  { projection, type, table: { table, uid: key, noun }, numbers, names }: AsOf<M>,
  now: SqlRow,
  at: number,
): Promise<SqlRow> {
  const uid = String(now[key]);
  const scratch = openDatabase(':memory:');
  try {
    const tables = tablesOf(projection);
    for (const one of tables) scratch.exec(one.createTable(one.table));
    if (names?.row !== undefined) insert(scratch, names.table, names.row);
    const [first = '', ...others] = tables.map((one) => one.table);
    const writer = projection.writer(scratch, first, ...others);
    for await (const event of store.readStream(streamName(type.category, uid))) {
      if (event.metadata.time / 1000 > at) break;
      writer.apply([event]);
    }
    const row = scratch.prepare(`SELECT * FROM ${table} WHERE ${key} = ?`).get(uid);
    if (row === undefined)
      throw new OwlError(
        'not_found',
        `there was no ${noun} ${uid} at ${new Date(at * 1000).toISOString()} yet`,
        { reason: `${noun}_not_found` },
      );
    return { ...row, ...Object.fromEntries(numbers.map((name) => [name, now[name] ?? null])) };
  } finally {
    scratch.close();
  }
}

function insert(db: Database, table: string, row: SqlRow): void {
  const columns = Object.keys(row);
  db.prepare(
    `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
  ).run(...Object.values(row));
}
