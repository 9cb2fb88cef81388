/**
 * A file of the pilot's own directory: what a payload reads, and what it has written.
 *
 * A small one is read and written at once, without the detour over another thread that a storage is worth which may not answer: a job
 * has several of them, and each detour costs more than the reading.
 */

import { closeSync, fstatSync, openSync, read, readSync, type Stats, write, writeSync } from 'node:fs';
import { promisify } from 'node:util';

const SMALL_BYTES = 65_536;

const readLater = promisify(read);
const writeLater = promisify(write);

export class LocalFile {
  private readonly file: number;
  private readonly isSmall: boolean;

  private constructor(file: number, isSmall: boolean) {
    this.file = file;
    this.isSmall = isSmall;
  }

  /** Throws what the file system throws. */
  static open(path: string, flags: number): { readonly file: LocalFile; readonly stat: Stats } {
    const opened = openSync(path, flags);
    try {
      const stat = fstatSync(opened);
      return { file: new LocalFile(opened, stat.size <= SMALL_BYTES), stat };
    } catch (error) {
      closeSync(opened);
      throw error;
    }
  }

  /** Where nothing is. @param bytes that it is going to have. Throws what the file system throws */
  static create(path: string, mode: number, bytes: number): LocalFile {
    return new LocalFile(openSync(path, 'wx', mode), bytes <= SMALL_BYTES);
  }

  async read(buffer: Buffer, offset: number, length: number): Promise<{ readonly bytesRead: number }> {
    if (this.isSmall) return { bytesRead: readSync(this.file, buffer, offset, length, null) };
    return await readLater(this.file, buffer, offset, length, null);
  }

  async write(buffer: Buffer, offset: number, length: number): Promise<{ readonly bytesWritten: number }> {
    if (this.isSmall) return { bytesWritten: writeSync(this.file, buffer, offset, length) };
    return await writeLater(this.file, buffer, offset, length, null);
  }

  close(): void {
    closeSync(this.file);
  }
}
