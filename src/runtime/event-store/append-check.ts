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

/** An event that has JSON, which is made where somebody asks for it: a row holds what is flat in another form. */
export class EncodedEvent {
  readonly event: ProposedEvent;
  /** About the characters of its JSON. */
  readonly size: number;
  private dataJson: string | undefined;
  private metadataJson: string | undefined;

  constructor(event: ProposedEvent, size: number, dataJson?: string, metadataJson?: string) {
    this.event = event;
    this.size = size;
    this.dataJson = dataJson;
    this.metadataJson = metadataJson;
  }

  get data(): string {
    this.dataJson ??= JSON.stringify(this.event.data);
    return this.dataJson;
  }

  get metadata(): string {
    this.metadataJson ??= JSON.stringify(this.event.metadata);
    return this.metadataJson;
  }
}

/**
 * @throws OwlError kind `invalid` when there is no JSON for it, or when it is larger than LARGEST_EVENT or deeper than MOST_LEVELS
 */
export function encodeEvent(stream: StreamName, event: ProposedEvent): EncodedEvent {
  const flatSize = flatSizeOf(event.data) + flatSizeOf(event.metadata);
  if (flatSize * MOST_FOR_ONE <= LARGEST_EVENT) return new EncodedEvent(event, flatSize);
  const data = encodeObject(stream, event, 'data');
  const metadata = encodeObject(stream, event, 'metadata');
  if (data.length + metadata.length > LARGEST_EVENT) {
    throw new OwlError(
      'invalid',
      `event ${event.type} for ${stream} is ${data.length + metadata.length} characters of JSON, more than ${LARGEST_EVENT}; store what is large elsewhere and refer to it`,
    );
  }
  return new EncodedEvent(event, data.length + metadata.length, data, metadata);
}

/** Characters of JSON that one of a text may take: `\u0000`. */
const MOST_FOR_ONE = 6;
/** Of a number. */
const LONGEST_NUMBER = 25;

/** About the characters of its JSON, if there is nothing that it could fail at: plain, and of texts, numbers and truths alone. Else NaN. */
function flatSizeOf(value: unknown): number {
  if (!isJsonObject(value) || !isPlain(value)) return Number.NaN;
  let size = 2;
  for (const name in value) {
    const item: unknown = value[name];
    size += name.length + 4;
    if (typeof item === 'string') size += item.length;
    else if (typeof item === 'number' || typeof item === 'boolean' || item === null) size += LONGEST_NUMBER;
    else if (item !== undefined) return Number.NaN;
  }
  return size;
}

/** Of a class it may have a JSON of its own. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
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
