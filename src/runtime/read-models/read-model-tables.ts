/**
 * The tables of read models and what belongs to them: checkpoint and parked events. Each function is one transaction,
 * so a crash leaves either what was there before or what is there afterwards.
 */

import type { Database } from '../../base/sql.js';
import { type Position, START } from '../event-store/event-store.js';
import { type Checkpoints, LOST, takenUpTo } from '../readers/checkpoints.js';
import type { ParkedEvents } from '../readers/parked-events.js';
import { type Projection, tablesOf } from './projection.js';

export interface ReadModelDatabase {
  readonly db: Database;
  readonly checkpoints: Checkpoints;
  readonly parked: ParkedEvents;
}

/** Where a rebuild fills its tables, under a reader's name of its own. */
export function shadowOf(projection: Projection): {
  readonly reader: string;
  readonly tables: readonly string[];
} {
  const tables = tablesOf(projection).map(({ table }) => shadowTable(table));
  return { reader: `${projection.name}#rebuild`, tables };
}

/**
 * Creates tables and checkpoint where they are not all there yet. `outdated`: what is there was made by another version, and a
 * table which that did not have is empty; `lost`: from events that the store no longer holds.
 */
export function openTable(at: ReadModelDatabase, projection: Projection): 'ready' | 'outdated' | 'lost' {
  const { db, checkpoints, parked } = at;
  const { name, version } = projection;
  const tables = tablesOf(projection);
  return db.transaction(() => {
    const missing = tables.filter(({ table }) => !tableExists(db, table));
    const isOfVersion = checkpoints.read(name)?.version === version;
    if (missing.length === 0 && isOfVersion) return 'ready';
    if (missing.length < tables.length && !isOfVersion) {
      // Their indexes come with the swap: until then the names may be those of older tables' indexes.
      for (const each of missing) db.exec(each.createTable(each.table));
      return isLost(at, name) ? 'lost' : 'outdated';
    }
    // What is left of this version is of no use without the others, which its checkpoint passes over.
    for (const { table } of tables) db.exec(`DROP TABLE IF EXISTS ${table}`);
    for (const each of tables) db.exec(each.createTable(each.table));
    for (const { indexes } of tables) for (const index of indexes) db.exec(index);
    checkpoints.put(name, { version, position: START, last: 'none' });
    parked.clear(name);
    dropShadow(at, projection);
    return 'ready';
  });
}

/** The store no longer holds what the reader's table was built from. */
export function isLost({ checkpoints }: ReadModelDatabase, reader: string): boolean {
  return checkpoints.read(reader)?.version === LOST;
}

/** A rebuild of this version was interrupted: its shadows can be filled further. */
export function hasShadow({ db, checkpoints }: ReadModelDatabase, projection: Projection): boolean {
  const shadow = shadowOf(projection);
  const isOfVersion = checkpoints.read(shadow.reader)?.version === projection.version;
  return isOfVersion && shadow.tables.every((table) => tableExists(db, table));
}

/** Makes empty shadow tables, unless an interrupted rebuild of this version left them to go on with. */
export function openShadow(at: ReadModelDatabase, projection: Projection): void {
  const shadow = shadowOf(projection);
  at.db.transaction(() => {
    if (hasShadow(at, projection)) return;
    dropShadow(at, projection);
    for (const each of tablesOf(projection)) at.db.exec(each.createTable(shadowTable(each.table)));
    at.checkpoints.put(shadow.reader, { version: projection.version, position: START, last: 'none' });
  });
}

/**
 * Puts the shadows in the place of the live tables, if they hold everything the live ones do: tables, indexes, checkpoint
 * and parked events at once.
 * @param filled where this process has filled the shadows to
 * @param reached everything up to here is in the shadows or of no interest to them
 * @returns `behind` when the live tables are ahead; `gone` when another process has swapped the shadows already
 */
export function swapShadow(
  at: ReadModelDatabase,
  projection: Projection,
  filled: Position,
  reached: Position,
): 'swapped' | 'behind' | 'gone' {
  const { db, checkpoints, parked } = at;
  const { name, version } = projection;
  const tables = tablesOf(projection);
  const shadow = shadowOf(projection);
  return db.transaction(() => {
    const live = checkpoints.read(name);
    const saved = checkpoints.read(shadow.reader);
    if (saved === undefined) return 'gone';
    if (saved.version !== version || saved.position !== filled) return 'behind';
    if (live?.version === version && takenUpTo(live) > reached) return 'behind';
    for (const { table } of tables) {
      db.exec(`DROP TABLE IF EXISTS ${table}`);
      db.exec(`ALTER TABLE ${shadowTable(table)} RENAME TO ${table}`);
    }
    for (const { indexes } of tables) for (const index of indexes) db.exec(index);
    checkpoints.put(name, { version, position: reached, last: saved.last });
    checkpoints.remove(shadow.reader);
    parked.replace(name, shadow.reader);
    return 'swapped';
  });
}

function dropShadow({ db, checkpoints, parked }: ReadModelDatabase, projection: Projection): void {
  const shadow = shadowOf(projection);
  for (const table of shadow.tables) db.exec(`DROP TABLE IF EXISTS ${table}`);
  checkpoints.remove(shadow.reader);
  parked.clear(shadow.reader);
}

function shadowTable(table: string): string {
  return `${table}__rebuild`;
}

function tableExists(db: Database, table: string): boolean {
  return db.prepare(`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?`).get(table) !== undefined;
}
