/** How many rows are read of a database, by whom does not matter. */

import type { Database, SqlRow, Statement } from '../../src/base/sql.js';

export interface CountedRows {
  rows: number;
  /** By text, those that gave rows. */
  readonly statements: Map<string, number>;
}

/** From now on, of what is prepared from now on. @param db whose `prepare` is replaced */
export function countRows(db: Database): CountedRows {
  const counted: CountedRows = { rows: 0, statements: new Map() };
  const prepare = db.prepare.bind(db);
  const count = (sql: string, rows: number) => {
    counted.rows += rows;
    counted.statements.set(sql, (counted.statements.get(sql) ?? 0) + rows);
  };
  const counting = (sql: string): Statement => {
    const statement = prepare(sql);
    return {
      run: (...parameters) => statement.run(...parameters),
      get(...parameters) {
        const row = statement.get(...parameters);
        if (row !== undefined) count(sql, 1);
        return row;
      },
      all(...parameters) {
        const rows = statement.all(...parameters);
        count(sql, rows.length);
        return rows;
      },
      *iterate(...parameters): IterableIterator<SqlRow> {
        for (const row of statement.iterate(...parameters)) {
          count(sql, 1);
          yield row;
        }
      },
    };
  };
  Object.assign(db, { prepare: counting });
  return counted;
}
