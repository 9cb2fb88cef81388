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

import { encodeEvent, isJsonObject, metadataProblem } from '../../append-check.js';
import { type ContentHead, canonicalJson, checksumOf, contentOf } from '../../canonical.js';
import {
  CUT_OFF,
  type EventMetadata,
  type Json,
  type JsonObject,
  type ProposedEvent,
  type RecordedEvent,
  type StreamName,
} from '../../event-store.js';
import { parseJson } from '../../json-levels.js';
import type { WireEvent } from '../appends/append-messages.js';
import { CallError } from '../connection/call-error.js';
import type { RecordMessage } from '../connection/protocol.js';
import { positionOf } from './positions.js';

export interface StoredEvent {
  readonly event: RecordedEvent;
  /** Which append wrote it; undefined when owl did not. */
  readonly append: string | undefined;
}

/** 100 ns each: the unit in which the server says when it stored an event. */
const TICKS_PER_MILLISECOND = 10_000n;

/**
 * @param append marks which append writes it
 * @throws OwlError kind `invalid` when there is no JSON for it
 */
export function encode(stream: StreamName, event: ProposedEvent, append: string): WireEvent {
  // Metadata that was read by a node of before holds fields of the record.
  const { $version: _version, $append: _append, $checksum: _checksum, ...own } = fieldsOf(event.metadata);
  const json = encodeEvent(stream, event);
  const content = contentOf(
    { ...event, stream },
    canonicalJson(JSON.parse(json.data)),
    canonicalJson(JSON.parse(JSON.stringify(own))),
  );
  const metadata = { ...own, $version: event.version, $append: append, $checksum: checksumOf(content) };
  const data = Buffer.from(json.data, 'utf8');
  const metadataBytes = Buffer.from(JSON.stringify(metadata), 'utf8');
  return {
    id: event.id,
    type: event.type,
    data,
    metadata: metadataBytes,
    size: data.length + metadataBytes.length + event.type.length + 200,
  };
}

/** True for records of the server: tombstones, links, stream metadata, statistics. */
export function isSystemRecord(record: RecordMessage): boolean {
  return typeOf(record).startsWith('$') || streamOf(record).startsWith('$');
}

/** @throws CallError when the server doesn't tell the event's position */
export function decode(record: RecordMessage): StoredEvent {
  const { position, id } = placeOf(record);
  const data = objectIn(record.getData_asU8());
  const metadataBytes = record.getCustomMetadata_asU8();
  const found = metadataBytes.length === 0 ? {} : objectIn(metadataBytes);
  const { $version, $append, $checksum, ...given } = found ?? {};
  const metadata = complete(given, id, record);
  const problem = found === undefined ? 'its metadata is no JSON object' : metadataProblem(metadata);
  const event = {
    position,
    stream: streamOf(record),
    revision: Number(record.getStreamRevision()),
    id,
    type: typeOf(record),
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
              base64: record.getData_asB64(),
              ...(problem === undefined ? {} : { metadata_base64: record.getCustomMetadata_asB64() }),
            },
            metadata: problem === undefined ? metadata : complete({}, id, record),
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

function fieldsOf(metadata: EventMetadata): JsonObject {
  const fields: JsonObject = {};
  for (const [name, value] of Object.entries(metadata)) if (value !== undefined) fields[name] = value;
  return fields;
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
  const metadata = complete({}, id, record);
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
  const [type, stream] = [typeOf(record), streamOf(record)];
  if (type === '$streamDeleted') return stream.startsWith('$') ? undefined : stream;
  if (type !== '$metadata' || !stream.startsWith(METADATA_OF)) return undefined;
  const metadata = objectIn(record.getData_asU8());
  return metadata !== undefined && limits(metadata) ? stream.slice(METADATA_OF.length) : undefined;
}

function placeOf(record: RecordMessage) {
  const position = positionOf(record);
  const id = record.getId()?.getString();
  if (position === undefined || id === undefined) {
    throw new CallError('unexpected', 'the server told an event without its id or position');
  }
  return { position, id };
}

function complete(metadata: JsonObject, id: string, record: RecordMessage): EventMetadata {
  const { time, $correlationId, $causationId, ...rest } = metadata;
  return {
    ...rest,
    time: typeof time === 'number' ? time : createdAt(record),
    $correlationId: textOr(id, $correlationId),
    $causationId: textOr(id, $causationId),
  };
}

function createdAt(record: RecordMessage): number {
  const ticks = record.getMetadataMap().get('created') ?? '0';
  return /^\d+$/.test(ticks) ? Number(BigInt(ticks) / TICKS_PER_MILLISECOND) : 0;
}

function textOr(otherwise: string, value: Json | undefined): string {
  return typeof value === 'string' ? value : otherwise;
}

export function objectIn(bytes: Uint8Array): JsonObject | undefined {
  const value = parseJson(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'));
  return isJsonObject(value) ? value : undefined;
}

function streamOf(record: RecordMessage): StreamName {
  return Buffer.from(record.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString('utf8');
}

function typeOf(record: RecordMessage): string {
  return record.getMetadataMap().get('type') ?? '';
}
