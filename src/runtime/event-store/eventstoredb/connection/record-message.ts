/** What the server sends of a read: ReadResp of the protocol's `streams.proto`, of which there is one for each record. */

import type { Position } from '../../event-store.js';
import { positionAt, positionIn, ZERO } from '../reads/positions.js';
import { FieldReader } from './protobuf.js';

export interface RecordMessage {
  /** In lower case. */
  readonly id: string | undefined;
  readonly stream: string;
  readonly revision: number;
  /** Undefined where the server tells none. */
  readonly position: Position | undefined;
  readonly type: string;
  /** In ticks of 100 ns since the Unix epoch. */
  readonly created: string;
  readonly data: Buffer;
  readonly metadata: Buffer;
}

export type ReadMessage =
  | { readonly kind: 'record'; readonly record: RecordMessage }
  | { readonly kind: 'checkpoint'; readonly position: Position | undefined }
  | { readonly kind: 'notFound' | 'caughtUp' | 'fellBehind' | 'other' };

const NOTHING: Buffer = Buffer.alloc(0);
const KINDS: ReadonlyMap<number, ReadMessage> = new Map([
  [4, { kind: 'notFound' }],
  [8, { kind: 'caughtUp' }],
  [9, { kind: 'fellBehind' }],
] as const);
const OTHER: ReadMessage = { kind: 'other' };

/** @throws RangeError when it is none */
export function readMessageOf(bytes: Buffer): ReadMessage {
  const fields = new FieldReader(bytes);
  let message = OTHER;
  for (let field = fields.next(); field > 0; field = fields.next()) {
    if (field === 1) message = eventIn(fields.message);
    else if (field === 3) message = { kind: 'checkpoint', position: positionIn(fields.message) };
    else message = KINDS.get(field) ?? message;
  }
  return message;
}

/** Where links are resolved there is a second record, which owl never asks for. */
function eventIn(fields: FieldReader): ReadMessage {
  let message = OTHER;
  for (let field = fields.next(); field > 0; field = fields.next()) {
    if (field === 1) message = { kind: 'record', record: recordIn(fields.message) };
  }
  return message;
}

function recordIn(fields: FieldReader): RecordMessage {
  let id: string | undefined;
  let stream = '';
  let revision = 0;
  let prepare = ZERO;
  let commit = ZERO;
  let type = '';
  let created = '0';
  let metadata: Buffer = NOTHING;
  let data: Buffer = NOTHING;
  for (let field = fields.next(); field > 0; field = fields.next()) {
    if (field === 1) id = uuidIn(fields.message);
    else if (field === 2) stream = streamIn(fields.message);
    else if (field === 3) revision = fields.number;
    else if (field === 4) prepare = fields.hex;
    else if (field === 5) commit = fields.hex;
    else if (field === 6) {
      const [key, value] = entryIn(fields.message);
      if (key === 'type') type = value;
      else if (key === 'created') created = value;
    } else if (field === 7) metadata = fields.content;
    else if (field === 8) data = fields.content;
  }
  return { id, stream, revision, position: positionAt(commit, prepare), type, created, data, metadata };
}

/** In both of its forms, as text. */
export function uuidIn(fields: FieldReader): string | undefined {
  let id: string | undefined;
  for (let field = fields.next(); field > 0; field = fields.next()) {
    if (field === 2) id = fields.text;
    else if (field === 1) id = structuredIn(fields.message);
  }
  return id;
}

function structuredIn(fields: FieldReader): string {
  let [most, least] = [ZERO, ZERO];
  for (let field = fields.next(); field > 0; field = fields.next()) {
    if (field === 1) most = fields.hex;
    else if (field === 2) least = fields.hex;
  }
  return `${most.slice(0, 8)}-${most.slice(8, 12)}-${most.slice(12)}-${least.slice(0, 4)}-${least.slice(4)}`;
}

function streamIn(fields: FieldReader): string {
  let stream = '';
  for (let field = fields.next(); field > 0; field = fields.next()) if (field === 3) stream = fields.text;
  return stream;
}

function entryIn(fields: FieldReader): readonly [key: string, value: string] {
  let [key, value] = ['', ''];
  for (let field = fields.next(); field > 0; field = fields.next()) {
    if (field === 1) key = fields.text;
    else if (field === 2) value = fields.text;
  }
  return [key, value];
}
