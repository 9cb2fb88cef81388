/** Check sums of files, read once for all of them. */

import { createHash, type Hash } from 'node:crypto';
import { asUuid } from './uuid.js';

const CHUNK_BYTES = 1024 * 1024;

export interface Summed {
  /** As many as were read. */
  readonly size: number;
  /** MD5 in the form of a UUID, lower case. */
  readonly check_sum: string;
  /** 64 hex digits. */
  readonly sha256: string;
}

export interface Readable {
  read(buffer: Buffer, offset: number, length: number): Promise<{ readonly bytesRead: number }>;
}

export interface Writable {
  write(buffer: Buffer, offset: number, length: number): Promise<{ readonly bytesWritten: number }>;
}

export interface SumOptions {
  /** Gets what was read. */
  readonly copy?: Writable;
  /** Most files are small, and need little room. It may be another by now. Default: not known. */
  readonly expectedBytes?: number;
}

/** Reads a file from where it stands to its end. @throws the signal's reason */
export async function sumsOf(
  source: Readable,
  signal: AbortSignal,
  { copy, expectedBytes }: SumOptions = {},
): Promise<Summed> {
  const [md5, sha256]: readonly [Hash, Hash] = [createHash('md5'), createHash('sha256')];
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, (expectedBytes ?? CHUNK_BYTES) + 1));
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
    // There was room for more than it was to have, and no more came.
    if (bytesRead < buffer.length && size === expectedBytes) break;
  }
  return { size, check_sum: asUuid(md5.digest('hex')), sha256: sha256.digest('hex') };
}

async function writeAll(file: Writable, chunk: Buffer): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    const { bytesWritten } = await file.write(chunk, done, chunk.length - done);
    done += bytesWritten;
  }
}
