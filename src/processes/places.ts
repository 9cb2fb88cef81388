/**
 * Which disk a path led to when it was looked at before: a mount point whose disk was taken out is an empty directory of
 * another file system, or is not there at all.
 *
 * Guarantees: what was taken out is noticed, by who looked before and by whoever comes after it with the same file, a boot
 * later too, when numbers of file systems mean nothing and where they are mounted still does. What was mounted in its
 * place, or over a directory that was there before, counts as the disk that belongs there. Whoever removes the file says
 * that all is as it is meant to be. One that can't be written or read is told and keeps nobody from looking.
 */

import { existsSync, readFileSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import { writeFileDurably } from '../base/durable-file.js';
import { messageOf, OwlError } from '../base/errors.js';
import { systemErrorCode } from '../base/system-error.js';
import { type Checks, fits, isNumber, isText, orMissing } from './records/checks.js';

/** Who orders names the paths. */
const MOST_KNOWN = 10_000;

/** A place as it was found. */
export interface FoundPlace {
  /** Equal numbers: the same file system. */
  readonly fileSystem: number;
  /** The path where that is mounted; undefined where it is not known. */
  readonly mountPoint?: string | undefined;
}

/** As it was found before. The number of a file system holds for a boot. */
type KnownPlace = Partial<FoundPlace>;

/** Where what was found is kept. */
export interface PlacesFile {
  /** Absolute. */
  readonly path: string;
  /** Of this boot; undefined where that is not known. */
  readonly bootId: string | undefined;
  readonly logger: Logger;
}

interface StoredPlace {
  readonly path: string;
  readonly file_system?: number;
  readonly mount_point?: string;
}

interface Stored {
  readonly boot_id?: string;
  readonly places: readonly StoredPlace[];
}

const PLACE: Checks<StoredPlace> = {
  path: isText,
  file_system: orMissing(isNumber),
  mount_point: orMissing(isText),
};
const STORED: Checks<Stored> = {
  boot_id: orMissing(isText),
  places: (value) => Array.isArray(value) && value.every((place) => fits(place, PLACE)),
};

/** Of a place that was looked at before, and leads elsewhere now. */
export class PlaceLostError extends OwlError {
  override readonly name = 'PlaceLostError';

  constructor(message: string, file: PlacesFile | undefined) {
    const otherwise = file === undefined ? 'restart what works here' : `remove ${file.path}`;
    super('unavailable', `${message}; mount it again, or ${otherwise} if that is meant to be so`);
  }
}

export class KnownPlaces {
  private readonly file: PlacesFile | undefined;
  private readonly known = new Map<string, KnownPlace>();
  private isChanged = false;
  /** It was there when it was looked at last. */
  private isKept = false;
  private problem = '';

  /** @param file undefined: what is known is forgotten with this process */
  constructor(file?: PlacesFile) {
    this.file = file;
    if (file !== undefined) this.read(file);
  }

  /** Whether it was ever found. */
  has(path: string): boolean {
    return !this.forgetsAll() && this.known.has(path);
  }

  /** Whether it led to that file system when it was looked at last: then there is nothing to note. */
  isKnown(path: string, fileSystem: number): boolean {
    return !this.forgetsAll() && this.known.get(path)?.fileSystem === fileSystem;
  }

  /** @throws PlaceLostError when it is not the file system that was there before, nor one mounted in its place */
  note(path: string, found: FoundPlace): void {
    const before = this.known.get(path);
    if (before !== undefined && isElsewhere(before, found) && !this.forgetsAll())
      throw new PlaceLostError(
        `is on another file system than when it was looked at before${mountedAt(before)}: its disk may have been taken out`,
        this.file,
      );
    const { fileSystem, mountPoint } = found;
    if (before?.fileSystem !== fileSystem || before.mountPoint !== mountPoint) this.isChanged = true;
    this.known.delete(path);
    this.known.set(path, { fileSystem, mountPoint });
    for (const oldest of this.known.keys()) {
      if (this.known.size <= MOST_KNOWN) return;
      this.known.delete(oldest);
    }
  }

  /** @returns what to throw instead of that error, where the place was there before */
  explain(path: string, error: unknown): unknown {
    const before = this.known.get(path);
    const code = systemErrorCode(error);
    if (before === undefined || (code !== 'ENOENT' && code !== 'ENOTDIR') || this.forgetsAll()) return error;
    return new PlaceLostError(
      `does not exist any more${mountedAt(before)}: its disk may have been taken out`,
      this.file,
    );
  }

  /** Writes down what is new, for whoever looks after this process. */
  keep(): void {
    const { file } = this;
    if (file === undefined || !this.isChanged) return;
    // A number alone tells nothing after the next boot.
    const places = [...this.known].flatMap(([path, { fileSystem, mountPoint }]) =>
      mountPoint === undefined ? [] : { path, file_system: fileSystem, mount_point: mountPoint },
    );
    try {
      writeFileDurably(file.path, `${JSON.stringify({ boot_id: file.bootId, places }, undefined, 2)}\n`);
      this.isChanged = false;
      this.isKept = true;
      this.problem = '';
    } catch (error) {
      this.tell(file, error, 'which disks paths lead to could not be written down; trying again');
    }
  }

  private read(file: PlacesFile): void {
    try {
      if (!existsSync(file.path)) return;
      const stored: unknown = JSON.parse(readFileSync(file.path, 'utf8'));
      if (!fits<Stored>(stored, STORED)) throw new OwlError('invalid', 'it is no list of places');
      const { boot_id, places } = stored;
      const isThisBoot = boot_id !== undefined && boot_id === file.bootId;
      for (const { path, file_system: fileSystem, mount_point: mountPoint } of places)
        this.known.set(path, {
          ...(isThisBoot && fileSystem !== undefined ? { fileSystem } : {}),
          ...(mountPoint === undefined ? {} : { mountPoint }),
        });
      this.isKept = true;
    } catch (error) {
      this.tell(file, error, 'which disks paths led to before can not be read; what is there now counts');
    }
  }

  /** Its file was removed: where all is now, it is meant to be. */
  private forgetsAll(): boolean {
    if (this.file === undefined || !this.isKept || existsSync(this.file.path)) return false;
    this.file.logger.info(
      { file: this.file.path },
      'which disks paths led to before was removed, and counts no more',
    );
    this.known.clear();
    this.isKept = false;
    return true;
  }

  /** Once, until it goes well again or wrong in another way. */
  private tell({ path, logger }: PlacesFile, error: unknown, what: string): void {
    const problem = messageOf(error);
    if (problem !== this.problem) logger.error({ file: path, reason: problem }, what);
    this.problem = problem;
  }
}

/** Where its file system was mounted, and is now, says that its disk is gone. */
function isUnmounted(before: string | undefined, now: string | undefined): boolean {
  return before !== undefined && now !== undefined && !isMountedThere(before, now);
}

function isElsewhere(before: KnownPlace, now: FoundPlace): boolean {
  if (before.fileSystem === now.fileSystem) return false;
  if (before.mountPoint !== undefined && now.mountPoint !== undefined)
    return isUnmounted(before.mountPoint, now.mountPoint);
  return before.fileSystem !== undefined;
}

function mountedAt({ mountPoint }: KnownPlace): string {
  return mountPoint === undefined ? '' : ` (then ${mountPoint} was mounted)`;
}

/** A disk was changed for another, or mounted over what was a directory of the disk above it. */
function isMountedThere(before: string, now: string): boolean {
  return now === before || now.startsWith(before === '/' ? '/' : `${before}/`);
}

/**
 * Whether the disk of a directory is gone from where it was mounted.
 * @param mountPoint of its file system before. Throws what the file system throws of a directory that can't be looked at now
 */
export async function hasLostDisk(path: string, mountPoint: string): Promise<boolean> {
  try {
    const { dev } = await stat(path, { bigint: true });
    return isUnmounted(mountPoint, await mountPointOf(await realpath(path), dev));
  } catch (error) {
    const code = systemErrorCode(error);
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
    // Gone with its disk, or from it.
    return mountPoint !== '/' && !(await isMountPoint(mountPoint));
  }
}

async function isMountPoint(path: string): Promise<boolean> {
  try {
    const { dev } = await stat(path, { bigint: true });
    return (await mountPointOf(await realpath(path), dev)) === path;
  } catch {
    return false;
  }
}

/** Where the file system is mounted on which a directory lies. @param path real: without links; @param device of it */
export async function mountPointOf(path: string, device: bigint): Promise<string> {
  let mountPoint = path;
  for (let above = dirname(path); above !== mountPoint; above = dirname(above)) {
    const { dev } = await stat(above, { bigint: true });
    if (dev !== device) break;
    mountPoint = above;
  }
  return mountPoint;
}
