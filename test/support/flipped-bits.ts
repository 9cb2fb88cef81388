/** Single bits of a SQLite file, turned over. */

import { readFileSync } from 'node:fs';
import { DatabaseSync } from '@photostructure/sqlite';

export function flip(file: Uint8Array, byte: number, bit: number): Uint8Array {
  const flipped = Uint8Array.from(file);
  flipped[byte] = (flipped[byte] ?? 0) ^ (1 << bit);
  return flipped;
}

/** The bytes of all rows of a table, each row from the header of its record to its end. The file must be closed. */
export function bytesOfRows(path: string, table: string): number[] {
  const file = readFileSync(path);
  const bytes: number[] = [];
  for (const { start, size } of pagesOf(path, table)) {
    // A leaf of a table; the first page of the file begins with the file's own header.
    const head = start === 0 ? 100 : start;
    if (file[head] !== 13) continue;
    for (let cell = 0; cell < file.readUInt16BE(head + 3); cell++) {
      const at = start + file.readUInt16BE(head + 8 + 2 * cell);
      const [length, afterLength] = varint(file, at);
      const [, afterRowid] = varint(file, afterLength);
      if (length > size - 35) throw new RangeError('the row does not fit its page');
      for (let byte = afterRowid; byte < afterRowid + length; byte++) bytes.push(byte);
    }
  }
  return bytes;
}

/** Where the pages of a table or an index lie in the file. */
export function pagesOf(path: string, name: string): { readonly start: number; readonly size: number }[] {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    return db
      .prepare('SELECT pageno, pgsize FROM dbstat WHERE name = ?')
      .all(name)
      .map(({ pageno, pgsize }) => ({ start: (Number(pageno) - 1) * Number(pgsize), size: Number(pgsize) }));
  } finally {
    db.close();
  }
}

function varint(file: Buffer, at: number): [value: number, next: number] {
  let value = 0;
  for (let i = 0; i < 8; i++) {
    const byte = file.readUInt8(at + i);
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return [value, at + i + 1];
  }
  throw new RangeError('no number of a row is so large');
}
