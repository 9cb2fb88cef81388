/**
 * How the event store's rows read as events. Guarantees that a row gives the event that was appended; that one which holds
 * something else gives that as bytes, with `damage`, and keeps nobody from the rows beside it; and that positions sort as strings.
 */

import { OwlError } from '../../../base/errors.js';
import { numberIn, type SqlRow, textIn } from '../../../base/sql.js';
import { isJsonObject, isMetadata, metadataProblem } from '../append-check.js';
import { type EventMetadata, type Position, type RecordedEvent, START } from '../event-store.js';

/** What decodeEvent wants of events `e` joined with their streams `s`. */
export const EVENT_COLUMNS =
  'e.position, s.name AS stream, e.revision, lower(hex(e.id)) AS id, e.type, e.version, e.data, e.metadata';

/** A batch ends early after so many characters of JSON, so that large events don't pile up in memory. */
const BATCH_SIZE = 4 * 1024 * 1024;

/** Fixed width, so that positions sort as strings do; 16 digits hold every safe integer. 0 is before every event. */
export function formatPosition(position: number): Position {
  return position === 0 ? START : String(position).padStart(16, '0');
}

/** @throws OwlError kind `invalid` when it isn't a position of this kind of store */
export function parsePosition(position: Position): number {
  const found = numberOf(position);
  if (found === undefined) {
    throw new OwlError(
      'invalid',
      `${JSON.stringify(position)} is no position of a SQLite event store; positions of another store mean nothing here`,
    );
  }
  return found;
}

/** Positions have no holes, so this is also the share of the events. See `EventStore.shareOf`. */
export function shareOf(position: Position, end: Position): number | undefined {
  const [part, whole] = [numberOf(position), numberOf(end)];
  if (part === undefined || whole === undefined) return undefined;
  return part < whole ? part / whole : 1;
}

/** Decodes rows until the limit or the batch size is reached; `cut` says that it stopped with more to come, perhaps. */
export function decodeEvents(rows: Iterable<SqlRow>, limit: number) {
  const events: RecordedEvent[] = [];
  let size = 0;
  let lastPosition = 0;
  for (const row of rows) {
    events.push(decodeEvent(row));
    lastPosition = numberIn(row, 'position');
    size += textIn(row, 'data').length + textIn(row, 'metadata').length;
    if (size >= BATCH_SIZE || events.length >= limit) return { events, cut: true, lastPosition };
  }
  return { events, cut: false, lastPosition };
}

export function decodeEvent(row: SqlRow): RecordedEvent {
  const [dataText, metadataText] = [textIn(row, 'data'), textIn(row, 'metadata')];
  const [data, metadata] = [parsed(dataText), parsed(metadataText)];
  const place = {
    position: formatPosition(numberIn(row, 'position')),
    stream: textIn(row, 'stream'),
    revision: numberIn(row, 'revision'),
    id: uuidOf(textIn(row, 'id')),
    type: textIn(row, 'type'),
    version: numberIn(row, 'version'),
  };
  if (isJsonObject(data) && isMetadata(metadata)) return { ...place, data, metadata };
  return {
    ...place,
    ...(isMetadata(metadata)
      ? { data: { base64: base64Of(dataText) }, metadata }
      : {
          data: { base64: base64Of(dataText), metadata_base64: base64Of(metadataText) },
          metadata: unknownMetadata(place.id),
        }),
    damage: isJsonObject(data) ? String(metadataProblem(metadata)) : 'its data is no JSON object',
  };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function base64Of(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

function unknownMetadata(id: string): EventMetadata {
  return { time: 0, $correlationId: id, $causationId: id };
}

/** Undefined for what is no position of this kind of store. */
export function numberOf(position: Position): number | undefined {
  if (position === START) return 0;
  return /^\d{16}$/.test(position) ? Number(position) : undefined;
}

export function bytesOf(uuid: string): Uint8Array {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

function uuidOf(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
