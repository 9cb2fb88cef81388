/**
 * Events as EventStoreDB stores them. Data is JSON; the event's metadata goes into the record's metadata as it is, with two
 * fields more that the port has elsewhere or not at all: `$version` (the schema's version) and `$append` (see Appender).
 *
 * Guarantees: what owl wrote comes back as it was. What others wrote never stops a reader: metadata that is missing is
 * filled in, and data that is no JSON object comes as `{ base64 }`. Records of the server itself ($…) are no events.
 */

import { encodeEvent, isJsonObject } from '../append-check.js';
import type {
  EventMetadata,
  Json,
  JsonObject,
  ProposedEvent,
  RecordedEvent,
  StreamName,
} from '../event-store.js';
import type { WireEvent } from './append-messages.js';
import { CallError } from './call-error.js';
import { positionOf } from './positions.js';
import type { RecordMessage } from './protocol.js';

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
  const metadata = { ...event.metadata, $version: event.version, $append: append };
  const json = encodeEvent(stream, { ...event, metadata });
  const data = Buffer.from(json.data, 'utf8');
  const metadataBytes = Buffer.from(json.metadata, 'utf8');
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
  const position = positionOf(record);
  const id = record.getId()?.getString();
  if (position === undefined || id === undefined) {
    throw new CallError('unexpected', 'the server told an event without its id or position');
  }
  const { $version, $append, ...metadata } = objectIn(record.getCustomMetadata_asU8()) ?? {};
  return {
    append: typeof $append === 'string' ? $append : undefined,
    event: {
      position,
      stream: streamOf(record),
      revision: Number(record.getStreamRevision()),
      id,
      type: typeOf(record),
      version: typeof $version === 'number' ? $version : 1,
      data: objectIn(record.getData_asU8()) ?? { base64: record.getData_asB64() },
      metadata: complete(metadata, id, record),
    },
  };
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

function objectIn(bytes: Uint8Array): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'),
    );
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function streamOf(record: RecordMessage): StreamName {
  return Buffer.from(record.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString('utf8');
}

function typeOf(record: RecordMessage): string {
  return record.getMetadataMap().get('type') ?? '';
}
