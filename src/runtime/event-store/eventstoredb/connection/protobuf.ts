/**
 * Protocol buffers as bytes: fields one after another, for the messages of which there is one for each event. The generated
 * classes take five times as long for them, see docs/decisions/0042-events-are-encoded-once.md.
 *
 * Guarantee: unknown fields are passed over, as the format wants it; bytes that are no message are an error and nothing else.
 */

/** A message of which one field after another is read. The bytes of a field are those of the message, not copied. */
export class FieldReader {
  private readonly bytes: Buffer;
  private readonly end: number;
  private at: number;
  private low = 0;
  private high = 0;
  private from = 0;
  private type = 0;

  constructor(bytes: Buffer, from = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = from;
    this.end = end;
  }

  /**
   * Goes to the next field and gives its number, 0 at the end.
   * @throws RangeError when it is none
   */
  next(): number {
    if (this.at >= this.end) return 0;
    this.readVarint();
    const tag = this.low;
    this.type = tag & 7;
    if (this.type === VARINT) this.readVarint();
    else if (this.type === BYTES) {
      this.readVarint();
      this.take(this.number);
    } else if (this.type === FIXED_64) this.take(8);
    else if (this.type === FIXED_32) this.take(4);
    else throw malformed();
    return tag >>> 3;
  }

  /** The field as a number; above 2^53 it is not exact. */
  get number(): number {
    return this.high * 0x1_0000_0000 + this.low;
  }

  /** The field as 16 hexadecimal digits. */
  get hex(): string {
    return hex32(this.high) + hex32(this.low);
  }

  get content(): Buffer {
    return this.bytes.subarray(this.from, this.at);
  }

  get text(): string {
    return this.bytes.toString('utf8', this.from, this.at);
  }

  /** The field as a message of its own. */
  get message(): FieldReader {
    return new FieldReader(this.bytes, this.from, this.at);
  }

  private take(length: number): void {
    if (length > this.end - this.at) throw malformed();
    this.from = this.at;
    this.at += length;
  }

  private readVarint(): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= this.end) throw malformed();
      const byte = this.bytes[this.at++] ?? 0;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) {
        this.low = low >>> 0;
        this.high = high >>> 0;
        return;
      }
    }
    throw malformed();
  }
}

/** Writes a message whose size is known. Fields have numbers below 16. */
export class FieldWriter {
  readonly bytes: Buffer;
  private at = 0;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafe(size);
  }

  number(field: number, value: number): void {
    this.bytes[this.at++] = field << 3;
    this.varint(value);
  }

  text(field: number, value: string, length: number): void {
    this.message(field, length);
    this.at += this.bytes.write(value, this.at, length, 'utf8');
  }

  content(field: number, value: Uint8Array): void {
    this.message(field, value.length);
    this.raw(value);
  }

  /** Fields that are written already. */
  raw(fields: Uint8Array): void {
    this.bytes.set(fields, this.at);
    this.at += fields.length;
  }

  /** The beginning of a message; its fields follow. */
  message(field: number, length: number): void {
    this.bytes[this.at++] = (field << 3) | BYTES;
    this.varint(length);
  }

  private varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.bytes[this.at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.bytes[this.at++] = rest;
  }
}

/** Bytes of a field that holds so many. */
export function sizeOfBytes(length: number): number {
  return 1 + sizeOfVarint(length) + length;
}

export function sizeOfNumber(value: number): number {
  return 1 + sizeOfVarint(value);
}

function sizeOfVarint(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1;
  return size;
}

const VARINT = 0;
const FIXED_64 = 1;
const BYTES = 2;
const FIXED_32 = 5;

function hex32(bits: number): string {
  return bits.toString(16).padStart(8, '0');
}

function malformed(): RangeError {
  return new RangeError('these bytes are no message of EventStoreDB');
}
