/**
 * The streams of a file: their numbers, and the revisions of their last events.
 *
 * Guarantees: a stream's revision moves only from the one that is expected, whoever else writes to the file. A stream's number
 * never changes, so the numbers of those written last are kept in memory: moving such a stream on needs no search by its name.
 */

import { numberIn, type Statement } from '../../../base/sql.js';
import type { SqliteDatabase } from '../../../base/sqlite.js';
import { categoryOf, type StreamName } from '../event-store.js';

export interface Stream {
  readonly no: number;
  readonly revision: number;
}

/** So many numbers are kept. */
const MOST_KNOWN = 16_384;

export class StreamTable {
  private readonly select: Statement;
  private readonly insert: Statement;
  private readonly move: Statement;
  private readonly known = new Map<StreamName, number>();

  constructor(db: SqliteDatabase) {
    this.select = db.prepare('SELECT no, revision FROM streams WHERE name = ?');
    this.insert = db.prepare(
      'INSERT INTO streams (name, category, revision) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING',
    );
    this.move = db.prepare('UPDATE streams SET revision = ? WHERE no = ? AND revision = ?');
  }

  find(stream: StreamName): Stream | undefined {
    const row = this.select.get(stream);
    return row && { no: numberIn(row, 'no'), revision: numberIn(row, 'revision') };
  }

  /**
   * Moves the stream on by `count` events if it is at `before` (-1: if there is none), and answers its number. Inside a
   * transaction; `rolledBack` has to follow where that is not stored.
   */
  claim(stream: StreamName, before: number, count: number): number | undefined {
    if (before < 0) {
      const { changes, lastInsertRowid } = this.insert.run(stream, categoryOf(stream), count - 1);
      if (changes === 0) return undefined;
      const no = Number(lastInsertRowid);
      this.know(stream, no);
      return no;
    }
    const no = this.known.get(stream) ?? this.find(stream)?.no;
    if (no === undefined || this.move.run(before + count, no, before).changes === 0) return undefined;
    this.know(stream, no);
    return no;
  }

  /** Streams of the transaction may be none. */
  rolledBack(): void {
    this.known.clear();
  }

  private know(stream: StreamName, no: number): void {
    if (this.known.has(stream)) return;
    if (this.known.size >= MOST_KNOWN) this.known.clear();
    this.known.set(stream, no);
  }
}
