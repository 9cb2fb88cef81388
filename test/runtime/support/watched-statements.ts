/** A database that tells of each statement before it runs, and of each transaction, so that tests count what is asked of it. */

import type { Database } from '../../../src/base/sql.js';

export const TRANSACTION = 'BEGIN';

/** @param ran called with the text of a statement, or `TRANSACTION` */
export function watched(db: Database, ran: (sql: string) => void): Database {
  return {
    exec: (sql) => {
      ran(sql);
      db.exec(sql);
    },
    prepare: (sql) => {
      const statement = db.prepare(sql);
      return {
        run: (...parameters) => {
          ran(sql);
          return statement.run(...parameters);
        },
        get: (...parameters) => {
          ran(sql);
          return statement.get(...parameters);
        },
        all: (...parameters) => {
          ran(sql);
          return statement.all(...parameters);
        },
        iterate: (...parameters) => {
          ran(sql);
          return statement.iterate(...parameters);
        },
      };
    },
    transaction: (work) => {
      ran(TRANSACTION);
      return db.transaction(work);
    },
  };
}
