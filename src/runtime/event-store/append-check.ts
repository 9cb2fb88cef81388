/**
 * What every adapter refuses before it writes, and how events become JSON. Guarantees that whatever passes can be stored:
 * names are printable, ids are UUIDs, data is a JSON object of a bearable size and depth. Whether the fields are the right ones is
 * the schema check's business (schema-checked-store.ts).
 */

import { messageOf, OwlError } from '../../base/errors.js';
import {
  type EventMetadata,
  type ExpectedRevision,
  isJsonObject,
  type ProposedEvent,
  type StreamName,
} from './event-store.js';
import { isUuid } from './ids.js';
import { isTooDeep, MOST_LEVELS } from './json-levels.js';

/** Length of an event's JSON in UTF-16 units. EventStoreDB takes 16 MiB for an append, and histories move both ways. */
export const LARGEST_EVENT = 16 * 1024 * 1024;

/** Category, dash, id: no control characters, no halves of surrogate pairs. */
const STREAM_NAME = /^[A-Za-z0-9_]+-[^\p{Cc}\p{Cs}]+$/u;

/** @throws OwlError kind `invalid` */
export function checkStreamName(stream: StreamName): void {
  if (!isOwlStream(stream)) {
    throw new OwlError(
      'invalid',
      `${JSON.stringify(stream)} is no stream name: it takes letters, digits and _, a dash, and an id of printable characters`,
    );
  }
}

export function isOwlStream(stream: StreamName): boolean {
  return STREAM_NAME.test(stream);
}

/** @throws OwlError kind `invalid` */
export function checkAppend(
  stream: StreamName,
  expected: ExpectedRevision,
  events: readonly ProposedEvent[],
): void {
  checkStreamName(stream);
  if (typeof expected === 'number' && !(Number.isSafeInteger(expected) && expected >= 0)) {
    throw new OwlError(
      'invalid',
      `${stream} can't be expected at revision ${expected}: revisions count from 0, an empty stream is noStream`,
    );
  }
  if (events.length === 0) throw new OwlError('invalid', `an append to ${stream} needs at least one event`);
  for (const event of events) checkEvent(stream, event);
  if (events.length > 1 && new Set(events.map(({ id }) => id)).size < events.length) {
    throw new OwlError('invalid', `an append to ${stream} has the same event id twice`);
  }
}

/** An event with its JSON. */
export interface EncodedEvent {
  readonly event: ProposedEvent;
  readonly data: string;
  readonly metadata: string;
}

/**
 * @throws OwlError kind `invalid` when there is no JSON for it, or when it is larger than LARGEST_EVENT or deeper than MOST_LEVELS
 */
export function encodeEvent(stream: StreamName, event: ProposedEvent): EncodedEvent {
  const data = encodeObject(stream, event, 'data');
  const metadata = encodeObject(stream, event, 'metadata');
  if (data.length + metadata.length > LARGEST_EVENT) {
    throw new OwlError(
      'invalid',
      `event ${event.type} for ${stream} is ${data.length + metadata.length} characters of JSON, more than ${LARGEST_EVENT}; store what is large elsewhere and refer to it`,
    );
  }
  return { event, data, metadata };
}

/** What is wrong with an event's metadata, as the end of a sentence; undefined when nothing is. */
export function metadataProblem(value: unknown): string | undefined {
  if (!isJsonObject(value)) return 'its metadata is no JSON object';
  if (typeof value['time'] !== 'number') return 'its metadata has no time';
  for (const name of ['$correlationId', '$causationId']) {
    if (typeof value[name] !== 'string') return `its metadata has no ${name}`;
  }
  for (const name of ['commandId', 'asked', 'by']) {
    if (value[name] !== undefined && typeof value[name] !== 'string')
      return `its metadata has no text in ${name}`;
  }
  if (value['answer'] !== undefined && !isJsonObject(value['answer']))
    return 'its metadata has no JSON object in answer';
  return undefined;
}

export function isMetadata(value: unknown): value is EventMetadata {
  return metadataProblem(value) === undefined;
}

function checkEvent(stream: StreamName, { id, type, version }: ProposedEvent): void {
  if (!isUuid(id)) {
    throw new OwlError(
      'invalid',
      `event ${type} for ${stream} has the id ${JSON.stringify(id)}, which is no UUID in lower case`,
    );
  }
  if (type === '') throw new OwlError('invalid', `event ${id} for ${stream} has no type`);
  if (!Number.isSafeInteger(version) || version < 1) {
    throw new OwlError(
      'invalid',
      `event ${type} for ${stream} has version ${version}; versions count from 1`,
    );
  }
}

function encodeObject(stream: StreamName, event: ProposedEvent, part: 'data' | 'metadata'): string {
  const value: unknown = event[part];
  if (!isJsonObject(value)) {
    throw new OwlError('invalid', `${part} of event ${event.type} for ${stream} must be an object`);
  }
  if (isTooDeep(value)) {
    throw new OwlError(
      'invalid',
      `${part} of event ${event.type} for ${stream} is deeper than ${MOST_LEVELS} levels; make it flatter`,
    );
  }
  try {
    return JSON.stringify(value);
  } catch (error) {
    throw new OwlError(
      'invalid',
      `${part} of event ${event.type} for ${stream} has no JSON form: ${messageOf(error)}`,
      { cause: error },
    );
  }
}
