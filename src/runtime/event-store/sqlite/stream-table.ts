/**
 * The streams of a file: their numbers, and the revisions of their last events.
 *
 * Guarantees: a stream's revision moves only from the one that is expected, whoever else writes to the file. A stream's number
 * never changes, so the numbers of those written or looked for last are kept in memory: moving such a stream on, or looking for it
 * again, needs no search by its name.
 */

import { numberIn, type Statement } from '../../../base/sql.js';
import type { SqliteDatabase } from '../../../base/sqlite.js';
import { categoryOf, type StreamName } from '../event-store.js';

export interface Stream {
  readonly no: number;
  readonly revision: number;
  /** The position of the last event of all streams, as it was then. */
  readonly head: number;
}

const WHAT =
  'SELECT no, revision, (SELECT coalesce(max(position), 0) FROM events) AS head FROM streams WHERE';

/** So many numbers are kept. */
const MOST_KNOWN = 16_384;

export class StreamTable {
  private readonly select: Statement;
  private readonly selectKnown: Statement;
  private readonly insert: Statement;
  private readonly move: Statement;
  private readonly known = new Map<StreamName, number>();

  constructor(db: SqliteDatabase) {
    this.select = db.prepare(`${WHAT} name = ?`);
    this.selectKnown = db.prepare(`${WHAT} no = ? AND name = ?`);
    this.insert = db.prepare(
      'INSERT INTO streams (name, category, revision) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING',
    );
    this.move = db.prepare('UPDATE streams SET revision = ? WHERE no = ? AND revision = ?');
  }

  find(stream: StreamName): Stream | undefined {
    const known = this.known.get(stream);
    // Somebody may have mended the file by hand: then it is looked for by its name.
    const row = (known !== undefined && this.selectKnown.get(known, stream)) || this.select.get(stream);
    if (row === undefined) return undefined;
    const found = {
      no: numberIn(row, 'no'),
      revision: numberIn(row, 'revision'),
      head: numberIn(row, 'head'),
    };
    this.know(stream, found.no);
    return found;
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
    if (this.known.get(stream) === no) return;
    if (this.known.size >= MOST_KNOWN) this.known.clear();
    this.known.set(stream, no);
  }
}
