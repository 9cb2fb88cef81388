/**
 * Rewrites rows of before in today's format, while nodes work on the file.
 *
 * Guarantees: positions, revisions, ids and all that an event says stay; each rewritten row is decoded again in the same
 * transaction, and one that says anything else ends the work with nothing of its transaction stored. A row that can't be read
 * stays as it is. Transactions are short, and between two of them others have at least as much time; whenever it
 * is ended, or killed, what is rewritten stays, and the next run goes on with what is left.
 */

import { isDeepStrictEqual } from 'node:util';
import { wait } from '../../../base/backoff.js';
import type { Clock } from '../../../base/clock.js';
import { OwlError } from '../../../base/errors.js';
import { numberIn, type SqlRow, type Statement } from '../../../base/sql.js';
import type { SqliteDatabase } from '../../../base/sqlite.js';
import { encodeEvent } from '../append-check.js';
import type { RecordedEvent } from '../event-store.js';
import { EVENT_COLUMNS, ROW_COLUMNS, RowFormat } from './row-format.js';
import { TABLES_VERSION, tablesVersionOf } from './tables.js';

export interface CompactionOptions {
  readonly clock: Clock;
  /** Ends it after the transaction under way. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: CompactionProgress) => void;
}

export interface CompactionProgress {
  /** Rewritten or left. */
  readonly events: number;
  /** Rows of before, when it began. */
  readonly total: number;
}

export interface Compacted {
  readonly rewritten: number;
  /** Rows of before that can't be read, and so stay as they are. */
  readonly left: number;
  /** In the file, for what is stored next. */
  readonly freeBytes: number;
}

/** A transaction of so many rows holds the write lock for some 10 ms. */
const ROWS_AT_ONCE = 128;
const SHORTEST_PAUSE_MS = 5;

/**
 * @throws OwlError kind `refused` for a file that no node of this version has opened yet, or that a newer one has;
 * StoreUnavailableError; what the signal was aborted with
 */
export async function compact(db: SqliteDatabase, options: CompactionOptions): Promise<Compacted> {
  if (tablesVersionOf(db) !== TABLES_VERSION) {
    throw new OwlError(
      'refused',
      `${db.path} has no tables of this version of owl; start its node with this version first`,
    );
  }
  return await new Compaction(db, options).run();
}

class Compaction {
  private readonly db: SqliteDatabase;
  private readonly options: CompactionOptions;
  private readonly format: RowFormat;
  private readonly selectOlder: Statement;
  private readonly selectRow: Statement;
  private readonly update: Statement;
  private rewritten = 0;
  private left = 0;

  constructor(db: SqliteDatabase, options: CompactionOptions) {
    this.db = db;
    this.options = options;
    this.format = new RowFormat(db);
    const rows = `SELECT ${EVENT_COLUMNS} FROM events AS e LEFT JOIN streams AS s ON s.no = e.stream_no`;
    this.selectOlder = db.prepare(
      `${rows} WHERE e.position > ? AND e.shape IS NULL ORDER BY e.position LIMIT ${ROWS_AT_ONCE}`,
    );
    this.selectRow = db.prepare(`${rows} WHERE e.position = ?`);
    const columns = ROW_COLUMNS.map(([name, value]) => `${name} = ${value}`);
    this.update = db.prepare(`UPDATE events SET ${columns.join(', ')} WHERE position = ? AND shape IS NULL`);
  }

  async run(): Promise<Compacted> {
    const { clock, signal, onProgress } = this.options;
    const total = this.count('SELECT count(*) AS n FROM events WHERE shape IS NULL');
    onProgress({ events: 0, total });
    for (let after: number | undefined = 0; after !== undefined; ) {
      signal.throwIfAborted();
      const begun = clock.monotonic();
      after = this.rewriteBatch(after);
      onProgress({ events: this.rewritten + this.left, total });
      await wait(clock, Math.max(SHORTEST_PAUSE_MS, clock.monotonic() - begun), signal);
    }
    await this.db.sync();
    const freeBytes =
      this.count('SELECT freelist_count AS n FROM pragma_freelist_count') *
      this.count('SELECT page_size AS n FROM pragma_page_size');
    return { rewritten: this.rewritten, left: this.left, freeBytes };
  }

  /** @returns the position it came to; undefined when there is nothing more */
  private rewriteBatch(after: number): number | undefined {
    // What another process does at the same time is done, or waits: the transaction has the write lock.
    try {
      const done = this.db.transaction(() => {
        const rows = this.selectOlder.all(after);
        const rewritten = rows.filter((row) => this.rewrite(row)).length;
        return { rewritten, left: rows.length - rewritten, last: rows.at(-1) };
      });
      this.format.committed();
      this.rewritten += done.rewritten;
      this.left += done.left;
      return done.last && numberIn(done.last, 'position');
    } catch (error) {
      this.format.rolledBack();
      throw error;
    }
  }

  private rewrite(row: SqlRow): boolean {
    const event = this.format.decode(row);
    if (event.damage !== undefined || row['checksum'] !== null) return false;
    const position = numberIn(row, 'position');
    const values = this.format.encode(event.stream, encodeEvent(event.stream, event), {
      position,
      revision: event.revision,
    });
    this.update.run(...values, position);
    const again = this.selectRow.get(position);
    if (again === undefined || !isSame(this.format.decode(again), event)) {
      throw new OwlError(
        'refused',
        `revision ${event.revision} of stream ${event.stream} (position ${position}) would read differently; it stays as it was`,
      );
    }
    return true;
  }

  private count(sql: string): number {
    const row = this.db.prepare(sql).get();
    return row === undefined ? 0 : numberIn(row, 'n');
  }
}

function isSame(one: RecordedEvent, other: RecordedEvent): boolean {
  return isDeepStrictEqual(one, other);
}
