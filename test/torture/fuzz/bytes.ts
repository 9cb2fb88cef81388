/** Bytes as protobuf has them, made field by field, also such as no encoder makes: for who wants to send what nobody expects. */

import type { Dice } from '../dice.js';

export function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let left = BigInt.asUintN(64, value);
  do {
    const seven = Number(left & 0x7fn);
    left >>= 7n;
    bytes.push(left === 0n ? seven : seven | 0x80);
  } while (left > 0n);
  return Buffer.from(bytes);
}

export function integerField(number: number, value: bigint): Buffer {
  return Buffer.concat([tag(number, 0), varint(value)]);
}

export function doubleField(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([tag(number, 1), bytes]);
}

export function floatField(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([tag(number, 5), bytes]);
}

export function bytesField(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([tag(number, 2), varint(BigInt(bytes.length)), bytes]);
}

/** What is no message, or one that breaks off, or one with what no version knows. */
export function spoil(dice: Dice, message: Buffer): Buffer {
  switch (dice.whole(0, 6)) {
    case 0:
      return noise(dice, dice.whole(1, 200));
    case 1:
      return message.subarray(0, dice.whole(0, message.length));
    case 2:
      return Buffer.concat([message, bytesField(dice.whole(1, 2 ** 29 - 1), noise(dice, dice.whole(0, 50)))]);
    case 3:
      // A length that nothing follows.
      return Buffer.concat([message, tag(dice.whole(1, 120), 2), varint(BigInt(dice.whole(1_000, 2 ** 31)))]);
    case 4:
      // A field of another wire type.
      return Buffer.concat([
        message,
        tag(dice.whole(1, 15), dice.whole(0, 7)),
        noise(dice, dice.whole(0, 12)),
      ]);
    case 5:
      return flipped(dice, message);
    default:
      // A number that never ends.
      return Buffer.concat([message, tag(dice.whole(1, 15), 0), Buffer.alloc(dice.whole(10, 30), 0xff)]);
  }
}

export function noise(dice: Dice, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => dice.whole(0, 255)));
}

function flipped(dice: Dice, message: Buffer): Buffer {
  const bytes = Buffer.from(message);
  if (bytes.length > 0) bytes.writeUInt8(dice.whole(0, 255), dice.whole(0, bytes.length - 1));
  return bytes;
}

function tag(number: number, wireType: number): Buffer {
  return varint((BigInt(number) << 3n) | BigInt(wireType));
}
