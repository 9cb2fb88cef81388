/**
 * Texts that many rows repeat, each kept once in a table of the same file and named by its number in the rows.
 *
 * Guarantees: a number never changes its text, and a text that was added in a transaction which was rolled back is forgotten.
 * Several processes may add to one table: what another one has added is found when a row names it.
 */

import { numberIn, type Statement } from '../../../base/sql.js';
import type { SqliteDatabase } from '../../../base/sqlite.js';

export class Dictionary {
  private readonly numbers = new Map<string, number>();
  private readonly texts = new Map<number, string>();
  /** Added by a transaction that may still be rolled back. */
  private uncommitted: string[] = [];
  private readonly insert: Statement;
  private readonly selectNumber: Statement;
  private readonly selectText: Statement;

  /** @param table has the columns `no` and `text` */
  constructor(db: SqliteDatabase, table: string) {
    this.insert = db.prepare(`INSERT INTO ${table} (text) VALUES (?) ON CONFLICT (text) DO NOTHING`);
    this.selectNumber = db.prepare(`SELECT no FROM ${table} WHERE text = ?`);
    this.selectText = db.prepare(`SELECT text FROM ${table} WHERE no = ?`);
    // What is no text any more is as good as gone: rows that name it are damaged, and that is told of them.
    for (const { no, text } of db.prepare(`SELECT no, text FROM ${table}`).all())
      if (typeof no === 'number' && typeof text === 'string') this.keep(no, text);
  }

  get size(): number {
    return this.numbers.size;
  }

  /** Undefined where there is none yet, as far as this process knows. */
  numberOf(text: string): number | undefined {
    return this.numbers.get(text);
  }

  /** Inside a transaction; `committed` or `rolledBack` has to follow. */
  add(text: string): number {
    const known = this.numbers.get(text);
    if (known !== undefined) return known;
    this.insert.run(text);
    const row = this.selectNumber.get(text);
    if (row === undefined) throw new TypeError(`${text} was not added`);
    const no = numberIn(row, 'no');
    this.uncommitted.push(text);
    this.keep(no, text);
    return no;
  }

  committed(): void {
    if (this.uncommitted.length > 0) this.uncommitted = [];
  }

  /** Whether anything was forgotten. */
  rolledBack(): boolean {
    const forgets = this.uncommitted.length > 0;
    for (const text of this.uncommitted) {
      const no = this.numbers.get(text);
      this.numbers.delete(text);
      if (no !== undefined) this.texts.delete(no);
    }
    this.uncommitted = [];
    return forgets;
  }

  /** Undefined for a number that is not in the table. */
  textOf(no: number): string | undefined {
    const known = this.texts.get(no);
    if (known !== undefined) return known;
    const text = this.selectText.get(no)?.['text'];
    if (typeof text !== 'string') return undefined;
    this.keep(no, text);
    return text;
  }

  private keep(no: number, text: string): void {
    this.numbers.set(text, no);
    this.texts.set(no, text);
  }
}
