/**
 * The event store's tables in a SQLite file, and how those of the version before become today's.
 *
 * A row of `events` is of today's format when it has a `shape`; then `type`, `version` and, mostly, `metadata` say nothing
 * (row-format.ts). Rows of before stay as they are until somebody compacts them; no table is copied for either.
 * The view `stored_events` shows both in the same plain text, for whoever opens the file with the `sqlite3` shell.
 */

import { OwlError } from '../../../base/errors.js';
import { numberIn } from '../../../base/sql.js';
import type { SqliteDatabase } from '../../../base/sqlite.js';

/** Raise it when the tables change, and bring older files along. */
export const TABLES_VERSION = 2;

const TABLES_1 = `
  CREATE TABLE streams (
    no INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    category TEXT NOT NULL,
    revision INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    stream_no INTEGER NOT NULL REFERENCES streams (no),
    revision INTEGER NOT NULL,
    id BLOB NOT NULL,
    type TEXT NOT NULL,
    version INTEGER NOT NULL,
    data TEXT NOT NULL,
    metadata TEXT NOT NULL,
    UNIQUE (stream_no, revision)
  ) STRICT;`;

/** Columns that are added cost nothing for the rows that are there. */
const TABLES_2 = `
  CREATE TABLE event_shapes (no INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE event_sources (no INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
  ALTER TABLE events ADD COLUMN shape INTEGER;
  ALTER TABLE events ADD COLUMN time INTEGER;
  ALTER TABLE events ADD COLUMN cause BLOB;
  ALTER TABLE events ADD COLUMN source INTEGER;
  ALTER TABLE events ADD COLUMN checksum INTEGER;`;

/** A UUID of 16 bytes in a blob, as text. */
const uuid = (blob: string, from: number) => {
  const part = (begin: number, length: number) =>
    `substr(lower(hex(${blob})), ${2 * from + begin}, ${length})`;
  return [part(1, 8), part(9, 4), part(13, 4), part(17, 4), part(21, 12)].join(" || '-' || ");
};

/** Understood by every `sqlite3` from 3.38 on. What a blob in `cause` holds: row-format.ts. */
const VIEW = `
  CREATE VIEW stored_events AS
  SELECT e.position, s.name AS stream, e.revision,
    iif(e.shape IS NULL, e.type, h.text ->> 0) AS type,
    iif(e.shape IS NULL, e.version, h.text ->> 1) AS version,
    strftime('%Y-%m-%dT%H:%M:%fZ', coalesce(e.time, e.metadata ->> 'time') / 1000.0, 'unixepoch') AS time,
    CASE WHEN e.shape IS NULL OR json_type(e.data) = 'object' THEN e.data ELSE (
      SELECT json_group_object(n.value, CASE v.type WHEN 'true' THEN json('true') WHEN 'false' THEN json('false') ELSE v.value END)
      FROM json_each(h.text) AS n JOIN json_each(e.data) AS v ON v.key = n.key - 2 WHERE n.key > 1) END AS data,
    ${uuid('e.id', 0)} AS id,
    iif(e.cause IS NULL, e.metadata ->> '$."$causationId"', ${uuid('e.cause', 0)}) AS caused_by,
    coalesce(b.text, e.metadata ->> 'by') AS told_by,
    iif(e.metadata = '', NULL, e.metadata) AS metadata,
    e.checksum
  FROM events AS e JOIN streams AS s ON s.no = e.stream_no
  LEFT JOIN event_shapes AS h ON h.no = e.shape LEFT JOIN event_sources AS b ON b.no = e.source;`;

/**
 * @param mayBeNew tables are made where there are none
 * @throws OwlError kind `invalid` when the file was made by a newer version of owl, `refused` when it lacks tables
 */
export function prepareTables(db: SqliteDatabase, mayBeNew: boolean): void {
  db.transaction(() => {
    const found = tablesVersionOf(db);
    if (found > TABLES_VERSION) {
      throw new OwlError(
        'invalid',
        `${db.path} was made by a newer version of owl (tables ${found}, this one knows ${TABLES_VERSION}); update owl`,
      );
    }
    if (found === 0 && !mayBeNew) throw new OwlError('refused', `${db.path} holds no events of owl`);
    if (found < 1) db.exec(TABLES_1);
    if (found < 2) db.exec(`${TABLES_2}${VIEW}`);
    if (found < TABLES_VERSION) db.exec(`PRAGMA user_version = ${TABLES_VERSION}`);
  });
}

/** 0 for a file without the tables. */
export function tablesVersionOf(db: SqliteDatabase): number {
  const row = db.prepare('PRAGMA user_version').get();
  return row === undefined ? 0 : numberIn(row, 'user_version');
}
