/**
 * A file of a job: in the pilot's own directory, or in the storage, which may be a server that does not answer.
 *
 * What may not answer is asked on another thread. Each such detour costs the processor ten times as much as most calls, and a handle of
 * Node's several times as much again: so files are numbers here, and one that is near is opened, and read and written as long as it is
 * small, without a detour. Flushes wait for the disk, and are for another thread always.
 *
 * Guarantee: nothing waits here for a file that is not near, nor for long for one that is.
 */

import {
  close,
  closeSync,
  fstat,
  fstatSync,
  fsync,
  open,
  openSync,
  read,
  readSync,
  type Stats,
  write,
  writeSync,
} from 'node:fs';

/** As many are read and written at once. */
const SMALL_BYTES = 65_536;

export interface OpenedFile {
  readonly file: JobFile;
  readonly stat: Stats;
}

export interface FilePlacing {
  /** It is on the file system of the pilot's own directory, which answers or stops the pilot anyway. */
  readonly isNear: boolean;
}

export class JobFile {
  private readonly file: number;
  private readonly isNear: boolean;
  /** Bytes that may still be read or written at once. */
  private atOnce: number;
  /** Its number may be another file's by then. */
  private isClosed = false;

  private constructor(file: number, isNear: boolean, bytes: number) {
    this.file = file;
    this.isNear = isNear;
    // One more than it has says that it has no more.
    this.atOnce = isNear && bytes <= SMALL_BYTES ? bytes + 1 : 0;
  }

  /** Throws what the file system throws. */
  static async open(path: string, flags: number, { isNear }: FilePlacing): Promise<OpenedFile> {
    const opened = isNear ? openSync(path, flags) : await later<number>((done) => open(path, flags, done));
    try {
      const stat = isNear ? fstatSync(opened) : await later<Stats>((done) => fstat(opened, done));
      return { file: new JobFile(opened, isNear, stat.size), stat };
    } catch (error) {
      await closed(opened, isNear);
      throw error;
    }
  }

  /** Where nothing is. @param bytes that it is going to have. Throws what the file system throws */
  static async create(path: string, mode: number, bytes: number, { isNear }: FilePlacing): Promise<JobFile> {
    const made = isNear
      ? openSync(path, 'wx', mode)
      : await later<number>((done) => open(path, 'wx', mode, done));
    return new JobFile(made, isNear, bytes);
  }

  async read(buffer: Buffer, offset: number, length: number): Promise<{ readonly bytesRead: number }> {
    const bytesRead =
      this.atOnce > 0
        ? readSync(this.file, buffer, offset, length, null)
        : await later<number>((done) => read(this.file, buffer, offset, length, null, done));
    this.atOnce -= bytesRead;
    return { bytesRead };
  }

  async write(buffer: Buffer, offset: number, length: number): Promise<{ readonly bytesWritten: number }> {
    const bytesWritten =
      this.atOnce > 0
        ? writeSync(this.file, buffer, offset, length)
        : await later<number>((done) => write(this.file, buffer, offset, length, null, done));
    this.atOnce -= bytesWritten;
    return { bytesWritten };
  }

  /** Resolves when the disk has it. Throws what the file system throws. */
  async flush(): Promise<void> {
    await flushed(this.file);
  }

  /** Again changes nothing. Throws what the file system throws: closed it is all the same. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await closed(this.file, this.isNear);
  }
}

/** Has the names in a directory reach the disk. Throws what the file system throws. */
export async function flushDirectory(path: string): Promise<void> {
  const directory = await later<number>((done) => open(path, 'r', done));
  try {
    await flushed(directory);
  } finally {
    await closed(directory, false);
  }
}

async function flushed(file: number): Promise<void> {
  await later<void>((done) => fsync(file, (error) => done(error)));
}

async function closed(file: number, isNear: boolean): Promise<void> {
  if (isNear) closeSync(file);
  else await later<void>((done) => close(file, (error) => done(error)));
}

type Done<T> = (error: Error | null | undefined, result: T) => void;

/** What a call of the file system on another thread comes to. */
function later<T>(call: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, result) => {
      if (error) reject(error);
      else resolve(result);
    });
  });
}
