/**
 * Has names of new files reach the disk.
 *
 * Guarantee: a flush that is waited for has begun after it was asked for, so it holds whatever was in its directory then. Who asks
 * before it has begun shares it: attempts that store at one moment cost a flush, and not each its own.
 */

import { flushDirectory } from './job-file.js';

export class DirectoryFlushes {
  /** By directory: those that have not begun. */
  private readonly waiting = new Map<string, Promise<void>>();
  private readonly running = new Map<string, Promise<void>>();

  /** Throws what the file system throws. */
  flush(directory: string): Promise<void> {
    const shared = this.waiting.get(directory);
    if (shared !== undefined) return shared;
    const before = this.running.get(directory) ?? Promise.resolve();
    const next = before
      .catch(() => undefined)
      .then(() => {
        this.waiting.delete(directory);
        return this.begin(directory);
      });
    this.waiting.set(directory, next);
    return next;
  }

  private begin(directory: string): Promise<void> {
    const flush = flushDirectory(directory).finally(() => {
      if (this.running.get(directory) === flush) this.running.delete(directory);
    });
    this.running.set(directory, flush);
    return flush;
  }
}
