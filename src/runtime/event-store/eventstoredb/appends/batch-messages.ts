/** The messages of a stream of appends: BatchAppendReq and BatchAppendResp of the protocol's `streams.proto`. */

import type { ExpectedRevision, Position } from '../../event-store.js';
import { batchErrorOf, CallError, callErrorOf } from '../connection/call-error.js';
import { FieldReader, FieldWriter, sizeOfBytes, sizeOfNumber } from '../connection/protobuf.js';
import { shared, streams } from '../connection/protocol.js';
import { uuidIn } from '../connection/record-message.js';
import { positionIn } from '../reads/positions.js';
import type { EncodedAppend, WireEvent, WriteAnswer } from './append-messages.js';

/** An append of more goes in several messages. A single event may still be larger; then see `fits`. */
const LARGEST_REQUEST = 1024 * 1024;

/** What the server answers to one append. */
export interface BatchAnswer {
  /** Of the append. */
  readonly id: string;
  readonly answer: WriteAnswer | CallError;
}

/** Whether every server takes its messages. One that doesn't would end the stream, and with it the appends of others. */
export function fits({ events }: EncodedAppend): boolean {
  return events.every(({ size }) => size <= LARGEST_REQUEST);
}

/** @param id a UUID */
export function batchRequests(id: string, append: EncodedAppend): Buffer[] {
  const requests: Buffer[] = [];
  let events: WireEvent[] = [];
  let size = 0;
  for (const event of append.events) {
    if (size > 0 && size + event.size > LARGEST_REQUEST) {
      requests.push(request(id, requests.length === 0 ? append : undefined, events, false));
      events = [];
      size = 0;
    }
    events.push(event);
    size += event.size;
  }
  requests.push(request(id, requests.length === 0 ? append : undefined, events, true));
  return requests;
}

const UUID_LENGTH = 36;
const UUID_SIZE = sizeOfBytes(UUID_LENGTH);
const CONTENT_TYPE = Buffer.from(
  '\u0012\u0020\u000a\u000ccontent-type\u0012\u0010application/json',
  'latin1',
);
const TYPE_KEY_SIZE = sizeOfBytes('type'.length);
const EXPECTED_FIELDS = { noStream: 3, any: 4, streamExists: 5 } as const;

/** @param append whose options stand in its first message */
function request(
  id: string,
  append: EncodedAppend | undefined,
  events: readonly WireEvent[],
  isFinal: boolean,
): Buffer {
  const streamLength = append === undefined ? 0 : Buffer.byteLength(append.stream, 'utf8');
  const optionsLength =
    append === undefined
      ? 0
      : sizeOfBytes(sizeOfBytes(streamLength)) +
        (typeof append.expected === 'number' ? sizeOfNumber(append.expected) : 2);
  const lengths = events.map(({ type, metadata, data }) => {
    const typeLength = Buffer.byteLength(type, 'utf8');
    const entry = TYPE_KEY_SIZE + sizeOfBytes(typeLength);
    const contents = sizeOfBytes(metadata.length) + sizeOfBytes(data.length);
    const all = sizeOfBytes(UUID_SIZE) + sizeOfBytes(entry) + CONTENT_TYPE.length + contents;
    return { typeLength, entry, all };
  });
  let size =
    sizeOfBytes(UUID_SIZE) + (append === undefined ? 0 : sizeOfBytes(optionsLength)) + (isFinal ? 2 : 0);
  for (const { all } of lengths) size += sizeOfBytes(all);
  const writer = new FieldWriter(size);
  writeUuid(writer, id);
  if (append !== undefined) {
    writer.message(2, optionsLength);
    writer.message(1, sizeOfBytes(streamLength));
    writer.text(3, append.stream, streamLength);
    writeExpected(writer, append.expected);
  }
  events.forEach((event, index) => {
    const { typeLength = 0, entry = 0, all = 0 } = lengths[index] ?? {};
    writer.message(3, all);
    writeUuid(writer, event.id);
    writer.message(2, entry);
    writer.text(1, 'type', 4);
    writer.text(2, event.type, typeLength);
    writer.raw(CONTENT_TYPE);
    writer.content(3, event.metadata);
    writer.content(4, event.data);
  });
  if (isFinal) writer.number(4, 1);
  return writer.bytes;
}

function writeUuid(writer: FieldWriter, id: string): void {
  writer.message(1, UUID_SIZE);
  writer.text(2, id, UUID_LENGTH);
}

function writeExpected(writer: FieldWriter, expected: ExpectedRevision): void {
  if (typeof expected === 'number') writer.number(2, expected);
  else writer.message(EXPECTED_FIELDS[expected], 0);
}

/** @throws RangeError when it is none */
export function batchAnswerOf(bytes: Buffer): BatchAnswer {
  const fields = new FieldReader(bytes);
  let id: string | undefined;
  let answer: WriteAnswer | CallError | undefined;
  for (let field = fields.next(); field > 0; field = fields.next()) {
    if (field === 1) id = uuidIn(fields.message);
    else if (field === 2) answer = failureOf(bytes);
    else if (field === 3) answer = successOf(fields.message);
  }
  answer ??= new CallError('unexpected', 'the server answered an append with nothing');
  return { id: id ?? '', answer };
}

function successOf(fields: FieldReader): WriteAnswer {
  let revision = Number.NaN;
  let position: Position | undefined;
  for (let field = fields.next(); field > 0; field = fields.next()) {
    if (field === 1) revision = fields.number;
    else if (field === 3) position = positionIn(fields.message);
  }
  return { stored: true, revision, position };
}

/** Seldom, and in many forms: the generated classes know them. */
function failureOf(bytes: Buffer): WriteAnswer | CallError {
  try {
    const error = streams.BatchAppendResp.deserializeBinary(bytes).getError();
    const details = error?.getDetails();
    if (error === undefined)
      return new CallError('unexpected', 'the server says of an append that it failed');
    if (details?.getTypeName() !== 'event_store.client.WrongExpectedVersion') return batchErrorOf(error);
    const conflict = shared.WrongExpectedVersion.deserializeBinary(details.getValue_asU8());
    return {
      stored: false,
      actual: conflict.hasCurrentStreamRevision() ? Number(conflict.getCurrentStreamRevision()) : null,
    };
  } catch (error) {
    return callErrorOf(error);
  }
}
