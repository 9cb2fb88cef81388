/** Statements by their text, prepared when they are first needed: the tables are the projectors' to make. */

import type { Database, Statement } from '../../src/base/sql.js';

/** Filters come in so many shapes that not all of them are kept. */
const MOST_KEPT = 64;

export class KeptStatements {
  private readonly db: Pick<Database, 'prepare'>;
  private readonly kept = new Map<string, Statement>();

  constructor(db: Pick<Database, 'prepare'>) {
    this.db = db;
  }

  of(sql: string): Statement {
    const known = this.kept.get(sql);
    if (known !== undefined) return known;
    if (this.kept.size >= MOST_KEPT) this.kept.clear();
    const statement = this.db.prepare(sql);
    this.kept.set(sql, statement);
    return statement;
  }
}
