/**
 * Directories that work needs, looked at for real: are they there, which file systems are they on, how much is free.
 *
 * Guarantees: a file system that does not answer (a dead NFS server blocks whoever asks, and Node has few threads that may
 * be blocked) is a reason to wait and stops nobody else: nothing more is asked of it until it answers. What may pass by
 * itself is a reason to wait too, and so is a path that led to a disk before and leads to another place now (places.ts).
 */

import { constants } from 'node:fs';
import { access, realpath, stat, statfs } from 'node:fs/promises';
import { wait } from '../base/backoff.js';
import type { Clock } from '../base/clock.js';
import { messageOf, OwlError } from '../base/errors.js';
import { systemErrorCode } from '../base/system-error.js';
import { KnownPlaces, mountPointOf, type PlacesFile } from './places.js';

const ANSWERS_WITHIN_MS = 5_000;
/** Node has four threads for files and names. One is left for what is not looked at here. */
const MOST_SILENT = 3;

export interface DirectoryState {
  /** Equal for the same directory under different paths. */
  readonly id: string;
  /** Equal numbers: the same file system. */
  readonly fileSystem: number;
  /** Bytes that this user can still write. */
  readonly free: number;
  /** Bytes that this user could write if the file system were empty. */
  readonly size: number;
  /** Where the file system is mounted; missing where that is not known. */
  readonly mountPoint?: string;
}

/** How a directory is looked at. Injected, so that tests have disks of any size. */
export type LookAtDirectory = (path: string) => Promise<DirectoryState>;

export const lookAtDirectory: LookAtDirectory = async (path) => {
  const directory = await stat(path, { bigint: true });
  if (!directory.isDirectory()) throw new OwlError('invalid', 'is no directory');
  await access(path, constants.W_OK | constants.X_OK);
  const { bavail, bfree, blocks, bsize } = await statfs(path);
  return {
    id: `${directory.dev}:${directory.ino}`,
    fileSystem: Number(directory.dev),
    free: bavail * bsize,
    size: (blocks - bfree + bavail) * bsize,
    mountPoint: await mountPointOf(await realpath(path), directory.dev),
  };
};

export interface DirectoriesOptions {
  readonly lookAtDirectory: LookAtDirectory;
  /** Who has to write there, as those call it who read why a directory can't be used. */
  readonly writer: string;
  readonly clock: Clock;
  /** Ends all waiting. */
  readonly signal: AbortSignal;
  /** Where it is kept which disks paths led to. Default: nowhere, so that it is forgotten with this process. */
  readonly places?: PlacesFile;
}

export class Directories {
  private readonly options: DirectoriesOptions;
  private readonly lastSeen = new Map<string, DirectoryState>();
  private readonly silent = new Set<string>();
  private readonly places: KnownPlaces;
  private looks = new Map<string, Promise<DirectoryState>>();

  constructor(options: DirectoriesOptions) {
    this.options = options;
    this.places = new KnownPlaces(options.places);
  }

  /** Writes down which disks paths led to, where that is new: whoever looks after this process knows them then. */
  keepPlaces(): void {
    this.places.keep();
  }

  /** Begins another round: each directory is looked at once a round. What the last one did not ask for is forgotten. */
  lookAnew(): void {
    for (const path of this.lastSeen.keys()) {
      if (!this.looks.has(path)) this.lastSeen.delete(path);
    }
    this.looks = new Map();
  }

  /**
   * @throws OwlError kind `invalid` when the directory can't be used, so that waiting helps nobody; `unavailable` when it
   *   does not answer or something is wrong that may pass
   */
  async examine(place: string, path: string): Promise<DirectoryState> {
    try {
      return await this.look(path);
    } catch (error) {
      throw explained(error, `${place} ${path}`, this.options.writer);
    }
  }

  /** As it is, or else as it was when it was seen last; undefined when it never was. */
  async recall(path: string): Promise<DirectoryState | undefined> {
    return await this.look(path).catch(() => this.lastSeen.get(path));
  }

  /** Throws what the system throws, or OwlError. */
  look(path: string): Promise<DirectoryState> {
    const look = this.looks.get(path) ?? this.lookNow(path);
    this.looks.set(path, look);
    return look;
  }

  /** Undefined when there is no answer in time. */
  async inTime<T>(answer: Promise<T>): Promise<T | undefined> {
    const { clock, signal } = this.options;
    const over = new AbortController();
    const end = (): void => over.abort();
    signal.addEventListener('abort', end, { once: true });
    const late = wait(clock, ANSWERS_WITHIN_MS, signal.aborted ? signal : over.signal);
    try {
      return await Promise.race([answer, late.then(() => undefined)]);
    } finally {
      signal.removeEventListener('abort', end);
      end();
    }
  }

  private async lookNow(path: string): Promise<DirectoryState> {
    if (this.isSilent(path)) throw silence();
    if (this.silent.size >= MOST_SILENT)
      throw new OwlError(
        'unavailable',
        `can't be looked at while ${[...this.silent].join(', ')} do not answer`,
      );
    const looking = this.options.lookAtDirectory(path);
    const state = await this.inTime(looking).catch((error: unknown): never => {
      throw this.places.explain(path, error);
    });
    if (state !== undefined) {
      this.places.note(path, state);
      this.lastSeen.set(path, state);
      return state;
    }
    this.silent.add(path);
    const answer = (): boolean => this.silent.delete(path);
    looking.then(answer, answer);
    throw silence();
  }

  /** Or another directory of its file system is. */
  private isSilent(path: string): boolean {
    const fileSystem = this.lastSeen.get(path)?.fileSystem;
    return [...this.silent].some(
      (one) =>
        one === path || (fileSystem !== undefined && this.lastSeen.get(one)?.fileSystem === fileSystem),
    );
  }
}

function silence(): OwlError {
  return new OwlError('unavailable', 'does not answer; is its server away?');
}

/** Whoever waits for these to pass may wait for ever. */
const LASTING: ReadonlyMap<string | undefined, string> = new Map([
  ['ENOENT', 'does not exist on this machine'],
  ['ENOTDIR', 'is no directory'],
]);
/** So do these. */
const FORBIDDEN: ReadonlySet<string | undefined> = new Set(['EACCES', 'EPERM', 'EROFS']);

function explained(error: unknown, directory: string, writer: string): OwlError {
  const code = systemErrorCode(error);
  const problem = FORBIDDEN.has(code) ? `may not be written by ${writer}` : LASTING.get(code);
  if (problem !== undefined) return new OwlError('invalid', `${directory} ${problem}`, { cause: error });
  if (error instanceof OwlError) return new OwlError(error.kind, `${directory} ${error.message}`);
  return new OwlError('unavailable', `${directory} can't be used now: ${messageOf(error)}`, { cause: error });
}
