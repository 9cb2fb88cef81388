/**
 * How an event becomes a row of `events`, and a row an event (docs/decisions/0032-one-row-format.md).
 *
 * - `shape` names type, version and fields (row-shapes.ts);
 * - `data` is the list of the fields' values, or, where the shape has no fields, the whole object;
 * - `time` is the metadata's time; `source` names the text of `by`;
 * - `cause` holds 16 bytes of `$causationId`; then 16 of `$correlationId`, if that is another; then one more byte, 1, if
 *   `commandId` is the `$causationId`;
 * - `metadata` is empty, or an object of what has no place in the other columns;
 * - `checksum` is the content's (canonical.ts), mixed with position and revision.
 *
 * Guarantees: every row that is read is compared with its checksum, so what gives another content than was written, or stands
 * elsewhere, comes with `damage`. Rows of before (older-rows.ts) have no checksum. Whatever a row holds, decoding it throws
 * nothing and keeps nobody from the rows beside it.
 */

import { numberIn, type SqlRow, type SqlValue } from '../../../base/sql.js';
import type { SqliteDatabase } from '../../../base/sqlite.js';
import type { EncodedEvent } from '../append-check.js';
import { canonicalJson, canonicalJsonOf, checksumOf, contentOf } from '../canonical.js';
import {
  type EventMetadata,
  isJsonObject,
  type Json,
  type JsonObject,
  type RecordedEvent,
  type StreamName,
} from '../event-store.js';
import { decodeOlder } from './older-rows.js';
import { formatPosition } from './positions.js';
import { type DecodedMetadata, RowMetadata } from './row-metadata.js';
import { type Shape, Shapes } from './row-shapes.js';
import { base64Of, NO_ID, parsed, placeOf, textOr, unknownMetadata } from './row-values.js';

/** Integers that a damaged row may hold and JavaScript can't. A good one is below. */
const whole = (column: string) => `${column} % 9007199254740992 AS ${column.slice(2)}`;

/**
 * What `decode` wants of events `e` joined with their streams `s`. Each column costs time that matters, and a blob most: ids come as
 * hex, and what only rows of before have comes as one.
 */
export const EVENT_COLUMNS = `e.position, s.name AS stream, ${whole('e.revision')}, lower(hex(e.id)) AS id,
  iif(e.shape IS NULL, json_array(e.type, e.version), NULL) AS older, e.data, e.metadata,
  ${whole('e.shape')}, ${whole('e.time')}, lower(hex(e.cause)) AS cause, ${whole('e.source')}, ${whole('e.checksum')}`;

/** What SQLite makes bytes of: digits of UUIDs. It does so in a fraction of the time that JavaScript takes. */
const BYTES = "unhex(?, '-')";

/** What a row is written with. Where there is a `?`, `encode` gives a value, in this order. */
export const ROW_COLUMNS: readonly (readonly [name: string, value: string])[] = [
  ...([
    ['id', BYTES],
    ['data', '?'],
    ['metadata', '?'],
    ['shape', '?'],
    ['time', '?'],
    ['cause', BYTES],
  ] as const),
  ...([
    ['source', '?'],
    ['checksum', '?'],
  ] as const),
  // What only rows of before say in these.
  ...([
    ['type', "''"],
    ['version', '1'],
  ] as const),
];

/** Where a row stands: what no content says. */
export interface RowPlace {
  readonly position: number;
  readonly revision: number;
}

export interface DecodedBatch {
  readonly events: RecordedEvent[];
  /** It stopped with more to come, perhaps. */
  readonly cut: boolean;
  readonly lastPosition: number;
}

/** A batch ends early after so many characters of JSON, so that large events don't pile up in memory. */
const BATCH_SIZE = 4 * 1024 * 1024;

export class RowFormat {
  private readonly shapes: Shapes;
  private readonly metadata: RowMetadata;

  constructor(db: SqliteDatabase) {
    this.shapes = new Shapes(db);
    this.metadata = new RowMetadata(db);
  }

  /** Inside a transaction; `committed` or `rolledBack` has to follow it. */
  encode(stream: StreamName, encoded: EncodedEvent, place: RowPlace): SqlValue[] {
    const { event } = encoded;
    const { no, shape, values } = this.shapes.shape(event);
    const { time, cause, source, metadata, canonical } = this.metadata.encode(event.metadata);
    const content = contentOf(
      { stream, id: event.id, type: event.type, version: event.version },
      shape === undefined ? canonicalJsonOf(event.data, encoded.data) : shape.canonicalData(values),
      canonical ?? canonicalJsonOf(event.metadata, encoded.metadata),
    );
    return [
      event.id,
      shape === undefined ? encoded.data : `[${values.join(',')}]`,
      metadata,
      no,
      time,
      cause,
      source,
      atPlace(checksumOf(content), place.position, place.revision),
    ];
  }

  decode(row: SqlRow): RecordedEvent {
    if (row['shape'] === null && row['checksum'] === null) return decodeOlder(row);
    const { id, position, revision } = placeOf(row);
    const shape = typeof row['shape'] === 'number' ? this.shapes.get(row['shape']) : undefined;
    const data = shape && decodeData(shape, row['data']);
    const metadata = this.metadata.decode(row);
    const stream = textOr('unreadable', row['stream']);
    if (id !== undefined && shape !== undefined && data !== undefined && metadata?.good !== undefined) {
      const { type, version } = shape;
      const content = contentOf({ stream, id, type, version }, data.canonical, metadata.canonical);
      if (row['checksum'] === atPlace(checksumOf(content), position, revision)) {
        return {
          position: formatPosition(position),
          stream,
          revision,
          id,
          type,
          version,
          data: data.value,
          metadata: metadata.good,
        };
      }
    }
    const event = {
      ...{ position: formatPosition(position), stream, revision, id: id ?? NO_ID },
      ...{ type: shape?.type ?? 'unreadable', version: shape?.version ?? 1 },
    };
    const damage = this.damageIn(id, shape, data, metadata);
    return damaged(event, row, data?.value, metadata?.good, damage);
  }

  /** Decodes rows until the limit or the batch size is reached; `cut` says that it stopped with more to come, perhaps. */
  decodeBatch(rows: Iterable<SqlRow>, limit: number): DecodedBatch {
    const events: RecordedEvent[] = [];
    let size = 0;
    let lastPosition = 0;
    for (const row of rows) {
      const event = this.decode(row);
      events.push(event);
      lastPosition = numberIn(row, 'position');
      size += textOr('', row['data']).length + textOr('', row['metadata']).length;
      if (size >= BATCH_SIZE || events.length >= limit) return { events, cut: true, lastPosition };
    }
    return { events, cut: false, lastPosition };
  }

  private damageIn(
    id: string | undefined,
    shape: Shape | undefined,
    data: DecodedData | undefined,
    metadata: DecodedMetadata | undefined,
  ): string {
    if (id === undefined) return 'its id is none';
    if (shape === undefined) return 'its shape is not in the file';
    if (data === undefined) return 'its data does not fit its shape';
    if (metadata === undefined) return 'its metadata is no JSON object';
    return metadata.problem ?? 'its checksum is not that of what is stored';
  }

  /** The transaction is stored. */
  committed(): void {
    this.shapes.committed();
    this.metadata.committed();
  }

  /** The transaction is not. */
  rolledBack(): void {
    this.shapes.rolledBack();
    this.metadata.rolledBack();
  }
}

/** A row that moved is another one. Both factors are odd, so that a change of either place changes the sum. */
function atPlace(checksum: number, position: number, revision: number): number {
  const [low, high] = [position >>> 0, Math.floor(position / 2 ** 32)];
  return (
    checksum ^ (Math.imul(low, 0x9e3779b1) + Math.imul(revision, 0x85ebca6b) + Math.imul(high, 0xc2b2ae35))
  );
}

interface DecodedData {
  readonly value: JsonObject;
  readonly canonical: string;
}

function decodeData(shape: Shape, text: SqlValue | undefined): DecodedData | undefined {
  const found = parsed(text);
  if (Array.isArray(found)) {
    if (found.length !== shape.fields.length) return undefined;
    const values: Json[] = found;
    return { value: shape.dataOf(values), canonical: shape.canonicalData(values.map(canonicalJson)) };
  }
  if (!isJsonObject(found) || shape.fields.length > 0) return undefined;
  return { value: found, canonical: canonicalJson(found) };
}

/** What is left of the event, for people, and so that a copy loses nothing. */
function damaged(
  event: Omit<RecordedEvent, 'data' | 'metadata'>,
  row: SqlRow,
  data: JsonObject | undefined,
  known: EventMetadata | undefined,
  damage: string,
): RecordedEvent {
  return {
    ...event,
    data: {
      base64: base64Of(data === undefined ? row['data'] : JSON.stringify(data)),
      ...(known === undefined && { metadata_base64: base64Of(row['metadata']) }),
    },
    metadata: known ?? unknownMetadata(event.id),
    damage,
  };
}
