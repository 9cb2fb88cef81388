/**
 * The tables of read models and what belongs to them: checkpoint and parked events. Each function is one transaction,
 * so a crash leaves either what was there before or what is there afterwards.
 */

import type { Database } from '../../base/sql.js';
import { type Position, START } from '../event-store/event-store.js';
import { type Checkpoints, LOST, takenUpTo } from '../readers/checkpoints.js';
import type { ParkedEvents } from '../readers/parked-events.js';
import type { Projection } from './projection.js';

export interface ReadModelDatabase {
  readonly db: Database;
  readonly checkpoints: Checkpoints;
  readonly parked: ParkedEvents;
}

/** Where a rebuild fills its table, under a reader's name of its own. */
export function shadowOf(projection: Projection): { readonly reader: string; readonly table: string } {
  return { reader: `${projection.name}#rebuild`, table: `${projection.table}__rebuild` };
}

/**
 * Creates table and checkpoint where there is no table yet. `outdated`: what is there was made by another version; `lost`:
 * from events that the store no longer holds.
 */
export function openTable(at: ReadModelDatabase, projection: Projection): 'ready' | 'outdated' | 'lost' {
  const { db, checkpoints, parked } = at;
  const { name, table, version } = projection;
  return db.transaction(() => {
    if (tableExists(db, table)) {
      if (isLost(at, name)) return 'lost';
      return checkpoints.read(name)?.version === version ? 'ready' : 'outdated';
    }
    db.exec(projection.createTable(table));
    for (const index of projection.indexes) db.exec(index);
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

/** A rebuild of this version was interrupted: its shadow can be filled further. */
export function hasShadow({ db, checkpoints }: ReadModelDatabase, projection: Projection): boolean {
  const shadow = shadowOf(projection);
  return checkpoints.read(shadow.reader)?.version === projection.version && tableExists(db, shadow.table);
}

/** Makes an empty shadow table, unless an interrupted rebuild of this version left one to go on with. */
export function openShadow(at: ReadModelDatabase, projection: Projection): void {
  const shadow = shadowOf(projection);
  at.db.transaction(() => {
    if (hasShadow(at, projection)) return;
    dropShadow(at, projection);
    at.db.exec(projection.createTable(shadow.table));
    at.checkpoints.put(shadow.reader, { version: projection.version, position: START, last: 'none' });
  });
}

/**
 * Puts the shadow in the place of the live table, if it holds everything the live one does: table, indexes, checkpoint
 * and parked events at once.
 * @param filled where this process has filled the shadow to
 * @param reached everything up to here is in the shadow or of no interest to it
 * @returns `behind` when the live table is ahead; `gone` when another process has swapped the shadow already
 */
export function swapShadow(
  at: ReadModelDatabase,
  projection: Projection,
  filled: Position,
  reached: Position,
): 'swapped' | 'behind' | 'gone' {
  const { db, checkpoints, parked } = at;
  const { name, table, version } = projection;
  const shadow = shadowOf(projection);
  return db.transaction(() => {
    const live = checkpoints.read(name);
    const saved = checkpoints.read(shadow.reader);
    if (saved === undefined) return 'gone';
    if (saved.version !== version || saved.position !== filled) return 'behind';
    if (live?.version === version && takenUpTo(live) > reached) return 'behind';
    db.exec(`DROP TABLE IF EXISTS ${table}`);
    db.exec(`ALTER TABLE ${shadow.table} RENAME TO ${table}`);
    for (const index of projection.indexes) db.exec(index);
    checkpoints.put(name, { version, position: reached, last: saved.last });
    checkpoints.remove(shadow.reader);
    parked.replace(name, shadow.reader);
    return 'swapped';
  });
}

function dropShadow({ db, checkpoints, parked }: ReadModelDatabase, projection: Projection): void {
  const shadow = shadowOf(projection);
  db.exec(`DROP TABLE IF EXISTS ${shadow.table}`);
  checkpoints.remove(shadow.reader);
  parked.clear(shadow.reader);
}

function tableExists(db: Database, table: string): boolean {
  return db.prepare(`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?`).get(table) !== undefined;
}
