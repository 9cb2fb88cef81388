/** Check sums of files, read once for all of them. */

import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

const CHUNK_BYTES = 1024 * 1024;

export interface Summed {
  /** As many as were read. */
  readonly size: number;
  /** MD5 in the form of a UUID, lower case. */
  readonly check_sum: string;
  /** 64 hex digits. */
  readonly sha256: string;
}

/** An MD5 of any spelling, as it is compared and shown. */
export function asUuid(md5: string): string {
  const hex = md5.replaceAll('-', '').toLowerCase();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** Reads a file from where it stands to its end. @param copy gets what was read @throws the signal's reason */
export async function sumsOf(source: FileHandle, signal: AbortSignal, copy?: FileHandle): Promise<Summed> {
  const [md5, sha256]: readonly [Hash, Hash] = [createHash('md5'), createHash('sha256')];
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let size = 0;
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await source.read(buffer, 0, buffer.length);
    if (bytesRead === 0) break;
    const chunk = buffer.subarray(0, bytesRead);
    md5.update(chunk);
    sha256.update(chunk);
    if (copy !== undefined) await writeAll(copy, chunk);
    size += bytesRead;
  }
  return { size, check_sum: asUuid(md5.digest('hex')), sha256: sha256.digest('hex') };
}

async function writeAll(file: FileHandle, chunk: Buffer): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    const { bytesWritten } = await file.write(chunk, done, chunk.length - done);
    done += bytesWritten;
  }
}
