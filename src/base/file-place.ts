/**
 * A path, and the file that was found there. Guarantee: a file that was deleted, moved away or replaced since is noticed,
 * also while it is held open and everything written to it seems to work.
 */

import { type Stats, statSync, stat as statWithCallback } from 'node:fs';
import { promisify } from 'node:util';
import { systemErrorCode } from './system-error.js';

const stat = promisify(statWithCallback);

export class FilePlace {
  readonly path: string;
  private readonly device: number;
  private readonly inode: number;

  /** Throws what the file system throws, `ENOENT` for one. */
  constructor(path: string) {
    const { dev, ino } = statSync(path);
    this.path = path;
    this.device = dev;
    this.inode = ino;
  }

  /** The same as `isKept`, blocking: a tenth of its price, for who has just written there anyway. */
  isKeptNow(): boolean {
    try {
      return this.is(statSync(this.path));
    } catch (error) {
      return assertMissing(error);
    }
  }

  /** Whether the path still leads to that file. Rejects with what the file system throws, unless nothing is there. */
  async isKept(): Promise<boolean> {
    try {
      return this.is(await stat(this.path));
    } catch (error) {
      return assertMissing(error);
    }
  }

  private is({ dev, ino }: Stats): boolean {
    return dev === this.device && ino === this.inode;
  }
}

/** Nothing is there. Throws any other reason. */
function assertMissing(error: unknown): false {
  const code = systemErrorCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') return false;
  throw error;
}
