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
import { type EncodedEvent, isJsonObject, isMetadata, metadataProblem } from '../append-check.js';
import { canonicalJson, checksumOf, contentOf } from '../canonical.js';
import type { EventMetadata, Json, JsonObject, RecordedEvent, StreamName } from '../event-store.js';
import { decodeOlder } from './older-rows.js';
import { RowMetadata } from './row-metadata.js';
import { type Shape, Shapes } from './row-shapes.js';
import { base64Of, bytesOf, NO_ID, parsed, placeOf, textOr, unknownMetadata } from './row-values.js';

/** Integers that a damaged row may hold and JavaScript can't. A good one is below. */
const whole = (column: string) => `${column} % 9007199254740992 AS ${column.slice(2)}`;

/** What `decode` wants of events `e` joined with their streams `s`. */
export const EVENT_COLUMNS = `e.position, s.name AS stream, e.id, e.type, e.data, e.metadata, e.cause,
  ${['e.revision', 'e.version', 'e.shape', 'e.time', 'e.source', 'e.checksum'].map(whole).join(', ')}`;

/** The columns that `encode` gives values for, in their order. */
export const ROW_COLUMNS = 'id, type, version, data, metadata, shape, time, cause, source, checksum';

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

/** What stands in the columns of before in today's rows. */
const [NO_TYPE, NO_VERSION] = ['', 1];

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
    const { time, cause, source, metadata } = this.metadata.encode(event.metadata);
    const content = contentOf(
      { stream, id: event.id, type: event.type, version: event.version },
      shape === undefined ? canonicalText(encoded.data) : shape.canonicalData(values),
      metadata === '' ? canonicalJson(event.metadata) : canonicalText(encoded.metadata),
    );
    return [
      bytesOf(event.id),
      NO_TYPE,
      NO_VERSION,
      shape === undefined ? encoded.data : `[${values.join(',')}]`,
      metadata,
      no,
      time,
      cause,
      source,
      atPlace(checksumOf(content), place),
    ];
  }

  decode(row: SqlRow): RecordedEvent {
    if (row['shape'] === null && row['checksum'] === null) return decodeOlder(row);
    const { id, number, place } = placeOf(row);
    const shape = typeof row['shape'] === 'number' ? this.shapes.get(row['shape']) : undefined;
    const data = shape && decodeData(shape, row['data']);
    const metadata = this.metadata.decode(row);
    const event = {
      ...place,
      stream: textOr('unreadable', row['stream']),
      id: id ?? NO_ID,
      type: shape?.type ?? 'unreadable',
      version: shape?.version ?? 1,
    };
    if (id === undefined) return damaged(event, row, data?.value, metadata, 'its id is none');
    if (shape === undefined) return damaged(event, row, undefined, metadata, 'its shape is not in the file');
    if (data === undefined)
      return damaged(event, row, undefined, metadata, 'its data does not fit its shape');
    if (!isMetadata(metadata))
      return damaged(event, row, data.value, metadata, metadataProblem(metadata) ?? 'its metadata is none');
    const checksum = checksumOf(contentOf(event, data.canonical, canonicalJson(metadata)));
    if (row['checksum'] !== atPlace(checksum, { ...place, position: number }))
      return damaged(event, row, data.value, metadata, 'its checksum is not that of what is stored');
    return { ...event, data: data.value, metadata };
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
function atPlace(checksum: number, { position, revision }: RowPlace): number {
  const [low, high] = [position >>> 0, Math.floor(position / 2 ** 32)];
  return (
    checksum ^ (Math.imul(low, 0x9e3779b1) + Math.imul(revision, 0x85ebca6b) + Math.imul(high, 0xc2b2ae35))
  );
}

function canonicalText(json: string): string {
  return canonicalJson(JSON.parse(json));
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
  metadata: JsonObject | undefined,
  damage: string,
): RecordedEvent {
  const known: EventMetadata | undefined = isMetadata(metadata) ? metadata : undefined;
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
