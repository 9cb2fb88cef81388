/**
 * Events as EventStoreDB stores them. Data is JSON; the event's metadata goes into the record's metadata as it is, with three
 * fields more that the port has elsewhere or not at all: `$version` (the schema's version), `$append` (see Appender) and
 * `$checksum`, of the event's content (canonical.ts).
 *
 * Guarantees: what owl wrote comes back as it was, or with `damage`: the content of each event that is read is compared with
 * its checksum. Events of before have none and are read as they are. What others wrote never stops a reader: metadata that is missing is
 * filled in; data that is no JSON object, and metadata that is something else, come as bytes in base64, with `damage`. Records
 * of the server itself ($…) are no events; those that delete a stream of owl's or cut it off come as `CUT_OFF` to who asks.
 */

import { encodeEvent, isMetadata, metadataProblem } from '../../append-check.js';
import { type ContentHead, canonicalJson, checksumOf, contentOf } from '../../canonical.js';
import {
  CUT_OFF,
  type EventMetadata,
  isJsonObject,
  type Json,
  type JsonObject,
  type ProposedEvent,
  type RecordedEvent,
  type StreamName,
} from '../../event-store.js';
import { parseJson } from '../../json-levels.js';
import type { SentEvent } from '../appends/append-messages.js';
import { CallError } from '../connection/call-error.js';
import type { RecordMessage } from '../connection/record-message.js';

export interface StoredEvent {
  readonly event: RecordedEvent;
  /** Which append wrote it; undefined when owl did not. */
  readonly append: string | undefined;
}

/** 100 ns each: the unit in which the server says when it stored an event. */
const TICKS_PER_MILLISECOND = 10_000n;

/** What the metadata of a record holds beside that of the event. */
const OWN_FIELDS = ['$version', '$append', '$checksum'] as const;

/**
 * @param append marks which append writes it
 * @throws OwlError kind `invalid` when there is no JSON for it
 */
export function encode(stream: StreamName, event: ProposedEvent, append: string): SentEvent {
  const { id, type, version } = event;
  const json = encodeEvent(stream, event);
  const data = parsed(json.data);
  const metadata = parsed(json.metadata);
  // Metadata that was read by a node of before holds fields of the record.
  const isBare = OWN_FIELDS.every((name) => metadata[name] === undefined);
  if (!isBare) for (const name of OWN_FIELDS) delete metadata[name];
  const bare = isBare ? json.metadata : JSON.stringify(metadata);
  const content = contentOf({ id, type, version, stream }, canonicalJson(data), canonicalJson(metadata));
  const own = `"$version":${version},"$append":${JSON.stringify(append)},"$checksum":${checksumOf(content)}}`;
  const written = bare === '{}' ? `{${own}` : `${bare.slice(0, -1)},${own}`;
  const dataBytes = Buffer.from(json.data, 'utf8');
  const metadataBytes = Buffer.from(written, 'utf8');
  const size = dataBytes.length + metadataBytes.length + type.length + 200;
  const wire = { id, type, data: dataBytes, metadata: metadataBytes, size };
  return { stream, version, data, metadata: isMetadata(metadata) ? metadata : undefined, wire };
}

function parsed(json: string): JsonObject {
  const value: unknown = JSON.parse(json);
  if (!isJsonObject(value)) throw new TypeError('data and metadata are objects');
  return value;
}

/** True for records of the server: tombstones, links, stream metadata, statistics. */
export function isSystemRecord(record: RecordMessage): boolean {
  return record.type.startsWith('$') || record.stream.startsWith('$');
}

/** @throws CallError when the server doesn't tell the event's position */
export function decode(record: RecordMessage): StoredEvent {
  const { position, id } = placeOf(record);
  const data = objectIn(record.data);
  const found = record.metadata.length === 0 ? {} : objectIn(record.metadata);
  const { $version, $append, $checksum, ...given } = found ?? {};
  const metadata = complete(given, id, createdAt(record));
  const problem = found === undefined ? 'its metadata is no JSON object' : metadataProblem(metadata);
  const event = {
    position,
    stream: record.stream,
    revision: record.revision,
    id,
    type: record.type,
    version: typeof $version === 'number' ? $version : 1,
  };
  const damage =
    data === undefined ? 'its data is no JSON object' : (problem ?? changed(event, data, given, $checksum));
  return {
    append: typeof $append === 'string' ? $append : undefined,
    event:
      damage === undefined && data !== undefined
        ? { ...event, data, metadata }
        : {
            ...event,
            data: {
              base64: record.data.toString('base64'),
              ...(problem === undefined ? {} : { metadata_base64: record.metadata.toString('base64') }),
            },
            metadata: problem === undefined ? metadata : complete({}, id, createdAt(record)),
            damage: damage ?? 'it is damaged',
          },
  };
}

/** Why the content is not what was written; undefined where it is, or where nobody can tell. */
function changed(
  head: ContentHead,
  data: JsonObject,
  metadata: JsonObject,
  checksum: Json | undefined,
): string | undefined {
  if (checksum === undefined) return undefined;
  const is = checksumOf(contentOf(head, canonicalJson(data), canonicalJson(metadata)));
  return checksum === is ? undefined : 'its checksum is not that of what is stored';
}

/**
 * What a record of the server says that deletes a stream or cuts it off: a tombstone, or stream metadata with a limit.
 * Whether the stream still is cut off is another question. Undefined for any other record.
 * @throws CallError when the server doesn't tell its position
 */
export function decodeCutOff(record: RecordMessage): RecordedEvent | undefined {
  const stream = limitedStream(record);
  if (stream === undefined) return undefined;
  const { position, id } = placeOf(record);
  const metadata = complete({}, id, createdAt(record));
  return {
    position,
    stream,
    revision: 0,
    id,
    type: CUT_OFF,
    version: 1,
    data: {},
    metadata,
    damage: CUT_OFF,
  };
}

/** True when stream metadata lets a reader see only a part of the stream, or none. */
export function limits(metadata: JsonObject): boolean {
  return LIMITS.some(
    (name) => metadata[name] !== undefined && metadata[name] !== null && metadata[name] !== 0,
  );
}

/** Truncate before, and the most events and seconds that are kept. */
const LIMITS = ['$tb', '$maxCount', '$maxAge'] as const;

export function metadataStreamOf(stream: StreamName): StreamName {
  return `${METADATA_OF}${stream}`;
}

const METADATA_OF = '$$';

function limitedStream(record: RecordMessage): StreamName | undefined {
  const { type, stream } = record;
  if (type === '$streamDeleted') return stream.startsWith('$') ? undefined : stream;
  if (type !== '$metadata' || !stream.startsWith(METADATA_OF)) return undefined;
  const metadata = objectIn(record.data);
  return metadata !== undefined && limits(metadata) ? stream.slice(METADATA_OF.length) : undefined;
}

function placeOf({ position, id }: RecordMessage) {
  if (position === undefined || id === undefined) {
    throw new CallError('unexpected', 'the server told an event without its id or position');
  }
  return { position, id };
}

/** @param created milliseconds since the Unix epoch */
function complete(metadata: JsonObject, id: string, created: number): EventMetadata {
  const { time, $correlationId, $causationId, ...rest } = metadata;
  return {
    ...rest,
    time: typeof time === 'number' ? time : created,
    $correlationId: textOr(id, $correlationId),
    $causationId: textOr(id, $causationId),
  };
}

function createdAt(record: RecordMessage): number {
  const ticks = record.created;
  return /^\d+$/.test(ticks) ? Number(BigInt(ticks) / TICKS_PER_MILLISECOND) : 0;
}

function textOr(otherwise: string, value: Json | undefined): string {
  return typeof value === 'string' ? value : otherwise;
}

export function objectIn(bytes: Buffer): JsonObject | undefined {
  const value = parseJson(bytes.toString('utf8'));
  return isJsonObject(value) ? value : undefined;
}
