/**
 * Marks in the embedded store: one row for each name (see `Marks`).
 *
 * Guarantees: a row survives only what all that was stored before it survives, since a file loses nothing but its newest
 * transactions. The table is made with the first mark, so a file without any is as it was before.
 */

import { numberIn, textIn } from '../../../base/sql.js';
import type { SqliteDatabase } from '../../../base/sqlite.js';
import { isJsonObject, type JsonObject, type Mark, type Marks } from '../event-store.js';
import { parseJson } from '../json-levels.js';

export class SqliteMarks implements Marks {
  private readonly db: SqliteDatabase;
  private readonly checkOpen: () => void;

  /** @param checkOpen throws when the store is closed */
  constructor(db: SqliteDatabase, checkOpen: () => void) {
    this.db = db;
    this.checkOpen = checkOpen;
  }

  async read(name: string): Promise<Mark | undefined> {
    this.checkOpen();
    return this.find(name);
  }

  async write(name: string, value: JsonObject, instead: Mark | undefined): Promise<boolean> {
    this.checkOpen();
    const revision = (instead?.revision ?? -1) + 1;
    return this.db.transaction(() => {
      this.db.exec(
        `CREATE TABLE IF NOT EXISTS marks (
           name TEXT PRIMARY KEY,
           revision INTEGER NOT NULL,
           value TEXT NOT NULL
         ) STRICT, WITHOUT ROWID`,
      );
      if (this.find(name)?.revision !== instead?.revision) return false;
      this.db
        .prepare('INSERT OR REPLACE INTO marks (name, revision, value) VALUES (?, ?, ?)')
        .run(name, revision, JSON.stringify(value));
      return true;
    });
  }

  private find(name: string): Mark | undefined {
    const isThere = this.db
      .prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'marks'")
      .get();
    if (isThere === undefined) return undefined;
    const row = this.db.prepare('SELECT revision, value FROM marks WHERE name = ?').get(name);
    return row && { revision: numberIn(row, 'revision'), value: valueIn(textIn(row, 'value')) };
  }
}

function valueIn(text: string): JsonObject | undefined {
  const value = parseJson(text);
  return isJsonObject(value) ? value : undefined;
}
