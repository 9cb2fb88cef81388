/**
 * A small file that the kernel writes anew for each reading, as `/proc/uptime`.
 *
 * It stays open, for opening it costs several times what reading it does. What was open before the file system behind it was replaced,
 * which may be a program's own, is opened anew.
 */

import { closeSync, openSync, readSync } from 'node:fs';

const LONGEST_BYTES = 256;

export class KernelFile {
  private readonly path: string;
  private readonly content = Buffer.allocUnsafeSlow(LONGEST_BYTES);
  private file: number | undefined;

  /** @param path absolute */
  constructor(path: string) {
    this.path = path;
  }

  /** As it is now. Throws what the file system throws. */
  read(): string {
    const wasOpen = this.file !== undefined;
    try {
      return this.readOpen();
    } catch (error) {
      this.close();
      if (wasOpen) return this.readOpen();
      throw error;
    }
  }

  private readOpen(): string {
    this.file ??= openSync(this.path, 'r');
    const bytes = readSync(this.file, this.content, 0, LONGEST_BYTES, 0);
    return this.content.toString('latin1', 0, bytes);
  }

  private close(): void {
    if (this.file !== undefined) closeSync(this.file);
    this.file = undefined;
  }
}
