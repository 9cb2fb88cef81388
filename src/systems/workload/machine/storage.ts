/**
 * The storage of this machine: directories below which jobs read and write, named by `file:///…` URLs.
 *
 * Guarantees: nothing is read or written outside of the roots, whatever a URL, a path or a link says; a disk that was taken out
 * while the pilot runs, and a directory that is empty or may not be read, as one where nothing is mounted is, are told from a file that
 * is not there.
 */

import type { BigIntStats, Dirent } from 'node:fs';
import { opendir, realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { messageOf, OwlError } from '../../../base/errors.js';
import { makeDirectories } from '../../../base/make-directories.js';
import { systemErrorCode } from '../../../base/system-error.js';
import { KnownPlaces, mountPointOf, type PlacesFile } from '../../../processes/places.js';
import { directoryOf, isBelow, storageProblem } from '../storage-url.js';
import { DirectoryFlushes } from './directory-flushes.js';
import { AttemptError, isOfPath } from './failure.js';
import { type FilePlacing, flushDirectory } from './job-file.js';

const LOOK_HOLDS_MS = 1_000;
const MOST_LOOKS = 1_000;

export interface FoundInStorage extends FilePlacing {
  /** Without links. */
  readonly path: string;
  readonly stat: BigIntStats;
}

/** Where outputs go. */
export interface FoundDirectory extends FilePlacing {
  /** Without links. */
  readonly path: string;
}

/** A URL as it was looked at a moment ago. */
export interface StoragePlace {
  /**
   * What is there under that path; whether it is a file is for the caller to see.
   * @param path relative to the URL
   * @throws AttemptError `storage_unavailable`, OwlError kind `invalid` when it may not be read, or what the system throws when there
   *   is no such file
   */
  find(path: string): Promise<FoundInStorage>;
}

export class Storage {
  readonly flushes = new DirectoryFlushes();
  private readonly roots: readonly string[];
  private readonly places = new KnownPlaces();
  private readonly recentlyRead = new RecentLooks<StoragePlace>();
  private readonly recentlyWritten = new RecentLooks<FoundDirectory>();
  /** Where outputs went, for the next pilot too. */
  private readonly written: KnownPlaces;
  private readonly logger: PlacesFile['logger'];
  private readonly nearDevice: number;

  /**
   * @param roots absolute paths
   * @param written where it is kept which disks outputs went to
   * @param nearDevice number of the file system of which nobody waits for an answer on another thread
   */
  constructor(roots: readonly string[], written: PlacesFile, nearDevice: number) {
    this.roots = roots;
    this.written = new KnownPlaces(written);
    this.logger = written.logger;
    this.nearDevice = nearDevice;
  }

  /**
   * @throws AttemptError `storage_unavailable` when the storage is away, OwlError kind `invalid` when it may not be read, or what the
   *   system throws when there is no such directory
   */
  async at(url: string): Promise<StoragePlace> {
    const base = this.pathOf(url);
    const recent = this.recentlyRead.get(base);
    if (recent !== undefined) return recent;
    await this.look(base);
    const roots = await this.realRoots(base);
    const place: StoragePlace = { find: (path) => this.find(base, path, roots) };
    this.recentlyRead.note(base, place);
    return place;
  }

  private async find(base: string, path: string, roots: readonly string[]): Promise<FoundInStorage> {
    const wanted = join(base, relative(path));
    try {
      const found = await realpath(wanted);
      assertWithin(found, roots);
      const seen = await stat(found, { bigint: true });
      return { path: found, stat: seen, isNear: this.isNear(seen.dev) };
    } catch (error) {
      if (error instanceof OwlError) throw error;
      if (!isOfPath(error)) throw unavailable(wanted, error);
      // It was looked at a moment ago: its disk may have been taken out since.
      this.recentlyRead.forget(base);
      await this.look(base);
      await assertHoldsFiles(base);
      throw error;
    }
  }

  /**
   * A directory below that URL, made where it is missing; its root has to be there.
   * @param seen absolute; at or above it: where others have seen that and it is not there, the storage is not mounted, presumably, and
   *   nothing is made. Unless this pilot has stored in the base before: then its disk is there, and somebody has removed it.
   * @throws AttemptError `storage_unavailable`, OwlError kind `invalid` when it may not be written
   */
  async directory(url: string, path: string, seen: string | undefined): Promise<FoundDirectory> {
    const base = this.pathOf(url);
    const wanted = join(base, relative(path));
    const made = await this.makeBelow(base, wanted, seen);
    this.recentlyWritten.note(wanted, made);
    return made;
  }

  /** The same, for who is going to write there later and wants to know now whether that will be possible. */
  async foresee(url: string, path: string, seen: string | undefined): Promise<void> {
    if (this.recentlyWritten.get(join(this.pathOf(url), relative(path))) === undefined)
      await this.directory(url, path, seen);
  }

  private async makeBelow(base: string, wanted: string, seen: string | undefined): Promise<FoundDirectory> {
    try {
      const near = await nearestOf(wanted);
      // Without a link in it, it lies where it says, and so does its root.
      const roots = near === wanted ? this.roots : await this.realRoots(base);
      assertWithin(near, roots);
      const isKnown = this.written.has(base);
      if (isKnown) {
        const device = await noteMount(this.written, base, near);
        if (near === wanted) return { path: near, isNear: this.isNear(device) };
      }
      if (near !== wanted) {
        if (seen === undefined) await this.tellUnseen(base, near);
        else if (!isKnown) await assertSeen(seen, near);
        await makeDirectory(wanted);
      }
      const made = near === wanted ? near : await realpath(wanted);
      assertWithin(made, roots);
      const device = await noteMount(this.written, base, made);
      this.written.keep();
      return { path: made, isNear: this.isNear(device) };
    } catch (error) {
      if (error instanceof AttemptError) throw error;
      throw error instanceof OwlError && error.kind === 'invalid' ? error : unavailable(wanted, error);
    }
  }

  /** What begins like this ends where nobody finds it, if something should be mounted there. */
  private async tellUnseen(base: string, near: string): Promise<void> {
    if (await isThere(base)) return;
    this.logger.info(
      { directory: base, near },
      'a directory for outputs is made that nobody is known to have seen before',
    );
  }

  private pathOf(url: string): string {
    const problem = storageProblem(url, this.roots);
    if (problem === undefined) return directoryOf(url);
    throw new OwlError('invalid', `the storage ${url.slice(0, 255)} ${problem}`);
  }

  /** Whether its disk is there, if it was before. */
  private async look(base: string): Promise<void> {
    try {
      const found = await realpath(base);
      await noteMount(this.places, base, found);
    } catch (error) {
      if (!isOfPath(error)) throw unavailable(base, error);
      await this.realRoots(base);
      const near = await nearestOf(base).catch(() => undefined);
      if (near !== undefined) await noteMount(this.places, base, near);
      throw error;
    }
  }

  private isNear(device: bigint): boolean {
    return Number(device) === this.nearDevice;
  }

  /** Without links. @throws AttemptError when the one is away that the path is below */
  private async realRoots(base: string): Promise<string[]> {
    const roots: string[] = [];
    for (const root of this.roots)
      await realpath(root).then(
        (found) => roots.push(found),
        (error: unknown) => {
          if (isBelow(base, root)) throw unavailable(root, error);
        },
      );
    return roots;
  }
}

/** What was seen a moment ago, for many jobs that look at one place at the same time. */
class RecentLooks<Seen> {
  private readonly seen = new Map<string, { readonly what: Seen; readonly at: number }>();

  get(path: string): Seen | undefined {
    const { what, at = Number.NEGATIVE_INFINITY } = this.seen.get(path) ?? {};
    return performance.now() - at < LOOK_HOLDS_MS ? what : undefined;
  }

  note(path: string, what: Seen): void {
    if (this.seen.size >= MOST_LOOKS) this.seen.clear();
    this.seen.set(path, { what, at: performance.now() });
  }

  forget(path: string): void {
    this.seen.delete(path);
  }
}

/** @param near it, or what of it is there @returns its file system @throws AttemptError when its disk was taken out */
async function noteMount(places: KnownPlaces, base: string, near: string): Promise<bigint> {
  const { dev } = await stat(near, { bigint: true });
  if (places.isKnown(base, Number(dev))) return dev;
  const mountPoint = await mountPointOf(near, dev);
  try {
    places.note(base, { fileSystem: Number(dev), mountPoint });
  } catch (error) {
    throw unavailable(base, error);
  }
  return dev;
}

/** Of a directory in which something was looked for in vain. @throws AttemptError when it looks like one where nothing is mounted */
async function assertHoldsFiles(base: string): Promise<void> {
  let first: Dirent | null;
  try {
    const directory = await opendir(base);
    try {
      first = await directory.read();
    } finally {
      await directory.close();
    }
  } catch (error) {
    throw unavailable(base, error);
  }
  if (first === null) throw unavailable(base, new OwlError('unavailable', 'it is empty; is it mounted?'));
}

/** @param near what of it is there @throws OwlError where it is not there, though it was seen */
async function assertSeen(seen: string, near: string): Promise<void> {
  if (await isThere(seen)) return;
  // Somebody may have made it a moment ago: to open what is above makes clients of network file systems ask what is new in it.
  await (await opendir(near)).close();
  if (await isThere(seen)) return;
  throw new OwlError(
    'unavailable',
    `it was seen before, and ${seen} is not there now; is it mounted? Where it is to begin anew, make that directory`,
  );
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

/** With those above it. Their names outlive a loss of power. */
async function makeDirectory(path: string): Promise<void> {
  for (const made of await makeDirectories(path)) await flushDirectory(dirname(made));
}

export function unavailable(path: string, error: unknown): AttemptError {
  return new AttemptError(
    'storage_unavailable',
    `the storage can't be used at ${path}: ${messageOf(error)}`,
    undefined,
    error,
  );
}

/** @throws OwlError kind `invalid` */
function relative(path: string): string {
  if (!isAbsolute(path) && !path.includes('\0') && !path.split('/').includes('..')) return path;
  throw new OwlError('invalid', `the path ${path} must be relative, and hold no ..`);
}

/** @param path without links */
function assertWithin(path: string, roots: readonly string[]): void {
  if (roots.some((root) => isBelow(path, root))) return;
  throw new OwlError('invalid', `${path} lies outside of the storage of this pilot (${roots.join(', ')})`);
}

/** What of a path is there already, without links. */
async function nearestOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT' || dirname(path) === path) throw error;
    return await nearestOf(dirname(path));
  }
}
