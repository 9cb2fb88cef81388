/**
 * Messages that are encoded already: what many are told, or what stays the same from one answer to the next, is encoded once.
 * A method whose answer is one of these sends its bytes as they are.
 */

import type { ServiceDefinition } from '@grpc/grpc-js';

export class EncodedMessage {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

/** The same service, whose methods also answer with encoded messages. */
export function withEncoded(definition: ServiceDefinition): ServiceDefinition {
  const methods = Object.entries(definition).map(([name, method]) => {
    const { responseSerialize: encode } = method;
    const either = (value: unknown) => (value instanceof EncodedMessage ? value.bytes : encode(value));
    return [name, { ...method, responseSerialize: either }];
  });
  return Object.fromEntries(methods);
}

const VARINT = 0;
const LENGTH_DELIMITED = 2;

/** A field that holds a message, or one of many such in a repeated field. */
export function messageField(field: number, message: Buffer): readonly Buffer[] {
  return [Buffer.concat([varint((field << 3) | LENGTH_DELIMITED), varint(message.length)]), message];
}

/** A field that holds a whole number below 2^31, an enum or a boolean. As in proto3, zero is not there. */
export function numberField(field: number, value: number): readonly Buffer[] {
  return value === 0 ? [] : [varint((field << 3) | VARINT), varint(value)];
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left > 0x7f; left >>>= 7) bytes.push((left & 0x7f) | 0x80);
  bytes.push(left);
  return Buffer.from(bytes);
}
