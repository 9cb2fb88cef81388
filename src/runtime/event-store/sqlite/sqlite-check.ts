/**
 * A SQLite file as `checkStore` reads it: on a connection of its own, while a node may write to the file.
 *
 * Guarantees: what SQLite can't read ends nothing: the next positions are tried one by one. The file stays as it is, one of the
 * version before included, which is not brought to today's tables for it. Positions without an event are told, for
 * this store makes none.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { DamagedStreamError, messageOf, OwlError, StoreUnavailableError } from '../../../base/errors.js';
import { numberIn, type SqlRow, type Statement, textIn } from '../../../base/sql.js';
import type { SqliteDatabase } from '../../../base/sqlite.js';
import type { CheckedStore, StoreProblem, Unreadable } from '../check-store.js';
import type { ReadStreamOptions, RecordedEvent, StreamName } from '../event-store.js';
import { formatPosition } from './positions.js';
import { EVENT_COLUMNS, RowFormat } from './row-format.js';
import { TABLES_VERSION, tablesVersionOf } from './tables.js';

const BATCH = 256;
/** What SQLite finds wrong with its file is told so many times at the most. */
const MOST_FINDINGS = 100;
const TABLES = ['streams', 'events', 'event_shapes', 'event_sources'];

export class SqliteCheck implements CheckedStore {
  private readonly db: SqliteDatabase;
  private readonly format: RowFormat;
  private readonly version: number;
  private readonly selectEvents: Statement;
  private readonly selectStream: Statement;
  private readonly selectForwards: Statement;
  private readonly selectBackwards: Statement;
  /** Events in rows of before, which have no checksum. */
  unchecked = 0;

  /** @throws OwlError kind `refused` for a file without events' tables, `invalid` for one of a newer owl */
  constructor(db: SqliteDatabase) {
    this.db = db;
    this.version = tablesVersionOf(db);
    if (this.version === 0) throw new OwlError('refused', `${db.path} holds no events of owl`);
    if (this.version > TABLES_VERSION) {
      throw new OwlError('invalid', `${db.path} was made by a newer version of owl; update owl`);
    }
    if (this.version < TABLES_VERSION) db.exec(AS_TODAY);
    this.format = new RowFormat(db);
    const events = `SELECT ${EVENT_COLUMNS} FROM events AS e`;
    this.selectEvents = db.prepare(
      `${events} LEFT JOIN streams AS s ON s.no = e.stream_no WHERE e.position BETWEEN ? AND ?
       ORDER BY e.position LIMIT ?`,
    );
    const ofStream = `${events} CROSS JOIN streams AS s ON s.no = e.stream_no
       WHERE e.stream_no = (SELECT no FROM streams WHERE name = ?) AND e.revision BETWEEN ? AND ? ORDER BY e.revision`;
    this.selectStream = db.prepare(ofStream);
    this.selectForwards = db.prepare(`${ofStream} LIMIT ${BATCH}`);
    this.selectBackwards = db.prepare(`${ofStream} DESC LIMIT ${BATCH}`);
  }

  async *readAll(): AsyncGenerator<RecordedEvent | Unreadable> {
    const found = this.attempt(() => this.db.prepare('SELECT max(position) AS head FROM events').all());
    if (typeof found === 'string') {
      yield { unreadable: { problem: `the table of events can't be read: ${found}` } };
      return;
    }
    const head = Number(found[0]?.['head'] ?? 0);
    for (let next = 1; next <= head; ) {
      const rows = this.attempt(() => this.selectEvents.all(next, head, BATCH));
      next =
        typeof rows === 'string' ? yield* this.oneByOne(next, head) : yield* this.inOrder(rows, next, head);
      await nextTurn();
    }
  }

  async *readStream(stream: StreamName, limit: number): AsyncGenerator<RecordedEvent> {
    for (let revision = 0; revision < limit; revision += BATCH) {
      const last = Math.min(limit, revision + BATCH) - 1;
      const rows = this.attempt(() => this.selectStream.all(stream, revision, last));
      if (typeof rows === 'string') throw new DamagedStreamError(stream, revision, rows);
      for (const row of rows) yield this.format.decode(row);
      await nextTurn();
    }
  }

  /** What SQLite can't read is told in its place, and the next revisions are tried one by one. */
  async *readPart(
    stream: StreamName,
    { direction, from, limit = Number.MAX_SAFE_INTEGER }: ReadStreamOptions = {},
  ): AsyncGenerator<RecordedEvent | Unreadable> {
    const last = this.lastRevisionOf(stream);
    const isBack = direction === 'backwards';
    const [step, end] = isBack ? [-1, 0] : [1, last];
    const select = isBack ? this.selectBackwards : this.selectForwards;
    let next = isBack ? Math.min(from ?? last, last) : (from ?? 0);
    let left = limit;
    for (let alone = 0; left > 0 && (end - next) * step >= 0; ) {
      const until = alone > 0 ? next : end;
      const rows = this.attempt(() => select.all(stream, Math.min(next, until), Math.max(next, until)));
      if (typeof rows === 'string' && alone === 0) {
        alone = BATCH;
        continue;
      }
      const items =
        typeof rows === 'string'
          ? [{ unreadable: { stream, revision: next, problem: rows } }]
          : rows.slice(0, left).map((row) => this.format.decode(row));
      yield* items;
      left -= items.length;
      if (alone > 0) alone--;
      else if (items.length < BATCH) return;
      const reached = items.flatMap((item) => ('unreadable' in item ? [] : [item.revision * step]));
      // In a damaged index rows may come out of order, and none of them lead on.
      next = step * (Math.max(next * step, ...(until === next ? [] : reached)) + 1);
      await nextTurn();
    }
  }

  /** Of all streams. */
  names(): string[] {
    const found = this.attempt(() => this.db.prepare('SELECT name FROM streams').all());
    return typeof found === 'string' ? [] : found.map(({ name }) => String(name));
  }

  /** -1 where there is no such stream. @throws DamagedStreamError */
  private lastRevisionOf(stream: StreamName): number {
    const found = this.attempt(() =>
      this.db
        .prepare(
          `SELECT max(s.revision, coalesce((SELECT max(revision) FROM events AS e WHERE e.stream_no = s.no), 0)) AS last
           FROM streams AS s WHERE s.name = ?`,
        )
        .all(stream),
    );
    if (typeof found === 'string') throw new DamagedStreamError(stream, 0, found);
    return Number(found[0]?.['last'] ?? -1);
  }

  async *others(): AsyncGenerator<StoreProblem> {
    const ends = this.attempt(() =>
      this.db
        .prepare(
          `SELECT name, revision, (SELECT max(revision) FROM events AS e WHERE e.stream_no = s.no) AS last
           FROM streams AS s WHERE revision IS NOT last LIMIT ${MOST_FINDINGS}`,
        )
        .all(),
    );
    if (typeof ends === 'string') yield { problem: `the table of streams can't be read: ${ends}` };
    else
      for (const row of ends) {
        const problem = `it should end at revision ${row['revision']}, and ends at ${row['last'] ?? 'none'}`;
        yield { stream: String(row['name']), problem };
      }
    for (const table of TABLES) {
      if (this.version < TABLES_VERSION && table.startsWith('event_')) continue;
      await nextTurn();
      const findings = this.attempt(() => this.db.prepare(`PRAGMA main.integrity_check('${table}')`).all());
      if (typeof findings === 'string') yield { problem: `table ${table} can't be read: ${findings}` };
      else
        for (const row of findings) {
          const finding = textIn(row, 'integrity_check');
          if (finding !== 'ok') yield { problem: `SQLite says of table ${table}: ${finding}` };
        }
    }
  }

  /** So that one row that can't be read keeps nobody from the others. @returns the position to go on from */
  private *oneByOne(first: number, head: number): Generator<RecordedEvent | Unreadable, number> {
    const last = Math.min(head, first + BATCH - 1);
    for (let position = first; position <= last; position++) {
      const rows = this.attempt(() => this.selectEvents.all(position, position, 1));
      if (typeof rows !== 'string') yield* this.inOrder(rows, position, position);
      else yield { unreadable: { position: formatPosition(position), problem: rows } };
    }
    return last + 1;
  }

  /** @returns the position to go on from */
  private *inOrder(
    rows: readonly SqlRow[],
    first: number,
    last: number,
  ): Generator<RecordedEvent | Unreadable, number> {
    if (rows.length === 0) {
      yield hole(first, last);
      return last + 1;
    }
    let next = first;
    for (const row of rows) {
      const position = numberIn(row, 'position');
      if (position > next) yield hole(next, position - 1);
      next = Math.max(next, position + 1);
      if (row['shape'] === null) this.unchecked++;
      yield this.format.decode(row);
    }
    // In a damaged table rows may come out of order, and none of them lead on.
    return Math.max(next, first + 1);
  }

  /** What SQLite can't read is told as a text. Once the file is broken, nothing is read any more. */
  private attempt(read: () => SqlRow[]): SqlRow[] | string {
    try {
      return read();
    } catch (error) {
      // The driver refuses a number that JavaScript can't hold.
      const isOfFile =
        error instanceof StoreUnavailableError ||
        error instanceof RangeError ||
        (error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR');
      if (!isOfFile || this.db.file.isBroken) throw error;
      return messageOf(error instanceof StoreUnavailableError ? (error.cause ?? error) : error);
    }
  }
}

/** Tables of the version before, as today's: for this connection alone. */
const AS_TODAY = `
  CREATE TEMP TABLE event_shapes (no INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
  CREATE TEMP TABLE event_sources (no INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
  CREATE TEMP VIEW events AS SELECT *, NULL AS shape, NULL AS time, NULL AS cause, NULL AS source, NULL AS checksum
    FROM main.events;`;

function hole(first: number, last: number): Unreadable {
  const problem = first === last ? 'there is no event' : `there are no events up to position ${last}`;
  return { unreadable: { position: formatPosition(first), problem } };
}
