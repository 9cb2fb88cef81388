/**
 * Protobuf and gRPC without any proto file: messages are made and read by field number and wire type, from shapes that a
 * test writes down itself.
 *
 * Guarantees: what is written is plain proto3, without zeros and empty texts; what is read names the numbers that the shape
 * does not know, and refuses a known one that has another wire type.
 */

import { Client, type ClientOptions, credentials } from '@grpc/grpc-js';

export interface FieldShape {
  readonly number: number;
  /** A scalar, or the name of a message. */
  readonly type: string;
  readonly repeated: boolean;
}

export type MessageShape = Readonly<Record<string, FieldShape>>;
export type Shapes = Readonly<Record<string, MessageShape>>;

export type WireValue = string | number | boolean | WireMessage | readonly WireMessage[];
export interface WireMessage {
  readonly [field: string]: WireValue | undefined;
}

/** Reads `stage string = 1 · time float = 2 · tasks repeated PlotTaskStatus = 1`, as the wire page writes it. */
export function shapeOf(text: string): MessageShape {
  const fields = text.split('·').flatMap((field) => {
    const words = /^\s*(\w+)\s+(repeated\s+)?([\w.]+)\s*=\s*(\d+)\s*$/.exec(field);
    if (words === null) throw new Error(`"${field}" is no field`);
    const [, name = '', repeated, type = '', number] = words;
    return [[name, { number: Number(number), type, repeated: repeated !== undefined }] as const];
  });
  return Object.fromEntries(fields);
}

export function isList(value: WireValue | undefined): value is readonly WireMessage[] {
  return Array.isArray(value);
}

export function isMessage(value: WireValue | undefined): value is WireMessage {
  return typeof value === 'object' && !isList(value);
}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/** The bytes of a message: fields that are missing, zero or empty are left out, as proto3 does. */
export function bytesOf(shapes: Shapes, name: string, message: WireMessage): Buffer {
  const shape = shapeNamed(shapes, name);
  const parts = Object.entries(message).flatMap(([field, value]) => {
    const known = shape[field];
    if (known === undefined) throw new Error(`${name} has no field ${field}`);
    if (value === undefined) return [];
    return (isList(value) ? value : [value]).map((one) => fieldBytes(shapes, known, one));
  });
  return Buffer.concat(parts);
}

function fieldBytes(shapes: Shapes, { number, type }: FieldShape, value: WireValue): Buffer {
  switch (type) {
    case 'string':
      return value === '' ? Buffer.alloc(0) : delimited(number, Buffer.from(String(value)));
    case 'bool':
      return value === true ? Buffer.concat([tag(number, VARINT), varint(1n)]) : Buffer.alloc(0);
    case 'int32':
    case 'int64':
      return Number(value) === 0 ? Buffer.alloc(0) : integer(number, BigInt(Number(value)));
    case 'float':
      return Object.is(value, 0) ? Buffer.alloc(0) : float(number, Number(value));
    case 'double':
      return Object.is(value, 0) ? Buffer.alloc(0) : double(number, Number(value));
    default:
      if (!isMessage(value)) throw new Error(`${type} must be a message`);
      return delimited(number, bytesOf(shapes, type, value));
  }
}

export function integer(number: number, value: bigint): Buffer {
  return Buffer.concat([tag(number, VARINT), varint(BigInt.asUintN(64, value))]);
}

export function float(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([tag(number, FIXED32), bytes]);
}

export function double(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([tag(number, FIXED64), bytes]);
}

export function delimited(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([tag(number, LENGTH_DELIMITED), varint(BigInt(bytes.length)), bytes]);
}

function tag(number: number, wireType: number): Buffer {
  return varint((BigInt(number) << 3n) | BigInt(wireType));
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left > 0x7fn; left >>= 7n) bytes.push(Number(left & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(left)]);
}

/** What a message holds. A field comes out as the shape has it; numbers that the shape does not know are in `unknown`. */
export interface DecodedMessage {
  readonly fields: { readonly [field: string]: WireValue };
  readonly unknown: readonly number[];
}

export function messageIn(shapes: Shapes, name: string, bytes: Buffer): DecodedMessage {
  const byNumber = new Map(
    Object.entries(shapeNamed(shapes, name)).map(([field, shape]) => [shape.number, { field, ...shape }]),
  );
  const fields: { [field: string]: WireValue } = {};
  const unknown: number[] = [];
  for (const { number, wireType, value } of fieldsIn(bytes)) {
    const known = byNumber.get(number);
    if (known === undefined) {
      unknown.push(number);
      continue;
    }
    if (wireType !== wireTypeOf(known.type)) {
      throw new Error(`${name}.${known.field} (${known.type}) came with wire type ${wireType}`);
    }
    const read = readValue(shapes, known.type, value);
    const before = fields[known.field];
    if (!known.repeated) fields[known.field] = merged(before, read);
    else if (isMessage(read)) fields[known.field] = [...(isList(before) ? before : []), read];
  }
  return { fields, unknown };
}

/** A message that comes twice is one, as proto3 has it. */
function merged(before: WireValue | undefined, read: WireValue): WireValue {
  if (!isMessage(before) || !isMessage(read)) return read;
  const inner = Object.entries(read).map(([field, value]) => [
    field,
    value === undefined ? value : merged(before[field], value),
  ]);
  return { ...before, ...Object.fromEntries(inner) };
}

function readValue(shapes: Shapes, type: string, value: Buffer): WireValue {
  switch (type) {
    case 'string':
      return value.toString('utf8');
    case 'bool':
      return readVarint(value, 0).value !== 0n;
    case 'int32':
      // An int32 peer keeps the lower half of what it reads.
      return Number(BigInt.asIntN(32, readVarint(value, 0).value));
    case 'int64':
      return Number(BigInt.asIntN(64, readVarint(value, 0).value));
    case 'float':
      return value.readFloatLE();
    case 'double':
      return value.readDoubleLE();
    default:
      return messageIn(shapes, type, value).fields;
  }
}

function wireTypeOf(type: string): number {
  if (type === 'bool' || type === 'int32' || type === 'int64') return VARINT;
  if (type === 'float') return FIXED32;
  return type === 'double' ? FIXED64 : LENGTH_DELIMITED;
}

function* fieldsIn(bytes: Buffer): Generator<{ number: number; wireType: number; value: Buffer }> {
  for (let at = 0; at < bytes.length; ) {
    const head = readVarint(bytes, at);
    const wireType = Number(head.value & 7n);
    const { start, end } = extent(bytes, head.end, wireType);
    if (end > bytes.length) throw new Error(`field ${head.value >> 3n} ends behind its message`);
    yield { number: Number(head.value >> 3n), wireType, value: bytes.subarray(start, end) };
    at = end;
  }
}

function extent(bytes: Buffer, at: number, wireType: number): { start: number; end: number } {
  if (wireType === VARINT) return { start: at, end: readVarint(bytes, at).end };
  if (wireType === FIXED64) return { start: at, end: at + 8 };
  if (wireType === FIXED32) return { start: at, end: at + 4 };
  if (wireType !== LENGTH_DELIMITED) throw new Error(`wire type ${wireType} is none of proto3`);
  const length = readVarint(bytes, at);
  return { start: length.end, end: length.end + Number(length.value) };
}

function readVarint(bytes: Buffer, from: number): { value: bigint; end: number } {
  let value = 0n;
  for (let at = from; ; at++) {
    const byte = bytes[at];
    if (byte === undefined) throw new Error('a number ends behind its message');
    value |= BigInt(byte & 0x7f) << BigInt(7 * (at - from));
    if (byte < 0x80) return { value, end: at + 1 };
  }
}

function shapeNamed(shapes: Shapes, name: string): MessageShape {
  const shape = shapes[name];
  if (shape === undefined) throw new Error(`no shape for the message ${name}`);
  return shape;
}

/** One call on a channel of its own, bytes to bytes. Rejects with grpc-js' ServiceError. */
export async function callWithBytes(address: string, path: string, request: Buffer): Promise<Buffer> {
  const options: ClientOptions = { 'grpc.enable_http_proxy': 0, 'grpc.use_local_subchannel_pool': 1 };
  const client = new Client(address, credentials.createInsecure(), options);
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        (bytes: Buffer) => bytes,
        (bytes) => bytes,
        request,
        { deadline: Date.now() + 30_000 },
        (error, answer) => (error === null ? resolve(answer ?? Buffer.alloc(0)) : reject(error)),
      );
    });
  } finally {
    client.close();
  }
}
