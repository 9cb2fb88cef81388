/**
 * Follows one growing log. Guarantees: every line from the given byte offset on comes exactly once and in order, also when
 * the file does not exist yet, grows while it is read, or a change notice gets lost (NFS gives none); a file that was cut
 * or put in another's place is an error and never mixed with what was read before.
 */

import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import type { Clock } from '../../base/clock.js';
import { messageOf, OwlError } from '../../base/errors.js';
import { LineReader, type LogLine } from './line-reader.js';

const CHUNK_BYTES = 65_536;
const DEFAULT_POLL_MS = 1_000;

export interface LogBatch {
  /** At least one. */
  readonly lines: readonly LogLine[];
  /** Just past the last of these lines: go on from here. */
  readonly offset: number;
}

export interface FollowOptions {
  readonly path: string;
  readonly clock: Clock;
  /** Byte to begin with, the begin of a line. Default 0. */
  readonly from?: number;
  /** Ends the iteration without an error. */
  readonly signal?: AbortSignal;
  /** How long a change may go unnoticed when no notice comes. Default 1 s. */
  readonly pollMs?: number;
  /** False: do not ask the system for notices of change, only poll. Default true. */
  readonly watch?: boolean;
}

/** The log was cut, or its name now belongs to another file. `offset` is how far it had been read. */
export class LogChangedError extends OwlError {
  override readonly name = 'LogChangedError';
  readonly path: string;
  readonly change: 'truncated' | 'replaced';
  readonly offset: number;

  constructor(path: string, change: 'truncated' | 'replaced', offset: number) {
    super(
      'conflict',
      `log ${path} was ${change} after ${offset} bytes of it had been read; what was reported stands, and to read what is there now follow it from byte 0 with a new parser`,
    );
    this.path = path;
    this.change = change;
    this.offset = offset;
  }
}

/** Nobody can read it at the moment. */
export class LogUnreadableError extends OwlError {
  override readonly name = 'LogUnreadableError';

  constructor(path: string, cause: unknown) {
    const why = `log ${path} can't be read: ${messageOf(cause)}; follow it again once it can be`;
    super('unavailable', why, { cause });
  }
}

/** To be iterated once. Leaving the loop early releases everything. */
export class LogFollower implements AsyncIterable<LogBatch> {
  readonly #options: FollowOptions;
  #finishing = false;
  /** A reason to look again that came while nobody slept. */
  #woken = false;
  #wakeSleeper: (() => void) | undefined;

  constructor(options: FollowOptions) {
    this.#options = options;
  }

  /** Nobody writes any more: what is there is read to its end, a last line without an end included, and that is all. */
  finish(): void {
    this.#finishing = true;
    this.#wake();
  }

  /**
   * @throws LogChangedError
   * @throws LogUnreadableError
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<LogBatch, void, undefined> {
    const { signal } = this.#options;
    const wake = () => this.#wake();
    signal?.addEventListener('abort', wake);
    let file: FileHandle | undefined;
    let watcher: FSWatcher | undefined;
    try {
      file = await this.#openWhenThere();
      if (!file) return;
      watcher = this.#watch();
      yield* this.#readOn(file);
    } finally {
      signal?.removeEventListener('abort', wake);
      watcher?.close();
      await file?.close();
    }
  }

  /** Undefined when the following ended before there was a file. */
  async #openWhenThere(): Promise<FileHandle | undefined> {
    while (!this.#options.signal?.aborted) {
      const finishing = this.#finishing;
      try {
        return await open(this.#options.path, 'r');
      } catch (error) {
        if (!isMissing(error)) throw this.#unreadable(error);
      }
      if (finishing) return undefined;
      await this.#sleep();
    }
    return undefined;
  }

  async *#readOn(file: FileHandle): AsyncGenerator<LogBatch, void, undefined> {
    let position = this.#options.from ?? 0;
    const reader = new LineReader({ offset: position });
    const chunk = Buffer.alloc(CHUNK_BYTES);
    while (!this.#options.signal?.aborted) {
      // Asked before the read: what was written until then is what has to be read.
      const finishing = this.#finishing;
      const bytesRead = await this.#read(file, chunk, position);
      position += bytesRead;
      const lines = reader.push(chunk.subarray(0, bytesRead));
      const last = lines.at(-1);
      if (last) yield { lines, offset: last.offset };
      if (bytesRead > 0) continue;
      await this.#checkFile(file, position);
      if (finishing) {
        const rest = reader.end();
        if (rest) yield { lines: [rest], offset: rest.offset };
        return;
      }
      await this.#sleep();
    }
  }

  async #read(file: FileHandle, chunk: Buffer, position: number): Promise<number> {
    try {
      const { bytesRead } = await file.read(chunk, 0, chunk.length, position);
      return bytesRead;
    } catch (error) {
      throw this.#unreadable(error);
    }
  }

  async #checkFile(file: FileHandle, position: number): Promise<void> {
    const { path } = this.#options;
    const opened = await file.stat();
    if (opened.size < position) throw new LogChangedError(path, 'truncated', position);
    try {
      const named = await stat(path);
      if (named.ino !== opened.ino || named.dev !== opened.dev)
        throw new LogChangedError(path, 'replaced', position);
    } catch (error) {
      // A log whose name is gone still grows for whoever has it open.
      if (!isMissing(error)) throw error instanceof OwlError ? error : this.#unreadable(error);
    }
  }

  #watch(): FSWatcher | undefined {
    if (this.#options.watch === false) return undefined;
    try {
      const watcher = watch(this.#options.path, () => this.#wake());
      // Out of watches, or a file system that has none: polling goes on.
      watcher.on('error', () => watcher.close());
      return watcher;
    } catch {
      return undefined;
    }
  }

  #wake(): void {
    this.#woken = true;
    this.#wakeSleeper?.();
  }

  /** Until woken, or until it is time to look without having been. */
  async #sleep(): Promise<void> {
    if (!this.#woken) {
      await new Promise<void>((resolve) => {
        const cancel = this.#options.clock.after(this.#options.pollMs ?? DEFAULT_POLL_MS, resolve);
        this.#wakeSleeper = () => {
          cancel();
          resolve();
        };
      });
      this.#wakeSleeper = undefined;
    }
    this.#woken = false;
  }

  #unreadable(error: unknown): LogUnreadableError {
    return new LogUnreadableError(this.#options.path, error);
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
