/**
 * The storage of this machine: directories below which jobs read and write, named by `file:///…` URLs.
 *
 * Guarantees: nothing is read or written outside of the roots, whatever a URL, a path or a link says; a disk that was taken out
 * while the pilot runs is told from a file that is not there.
 */

import type { BigIntStats } from 'node:fs';
import { mkdir, open, realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { messageOf, OwlError } from '../../../base/errors.js';
import { systemErrorCode } from '../../../base/system-error.js';
import { KnownPlaces, mountPointOf } from '../../../processes/places.js';
import { directoryOf, isBelow, storageProblem } from '../storage-url.js';
import { AttemptError, isOfPath } from './failure.js';

export interface FoundInStorage {
  /** Without links. */
  readonly path: string;
  readonly stat: BigIntStats;
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
  private readonly roots: readonly string[];
  private readonly places = new KnownPlaces();

  /** @param roots absolute paths */
  constructor(roots: readonly string[]) {
    this.roots = roots;
  }

  /**
   * @throws AttemptError `storage_unavailable` when the storage is away, OwlError kind `invalid` when it may not be read, or what the
   *   system throws when there is no such directory
   */
  async at(url: string): Promise<StoragePlace> {
    const base = this.pathOf(url);
    await this.look(base);
    const roots = await this.realRoots(base);
    return {
      find: async (path) => {
        const wanted = join(base, relative(path));
        try {
          const found = await realpath(wanted);
          assertWithin(found, roots);
          return { path: found, stat: await stat(found, { bigint: true }) };
        } catch (error) {
          throw isOfPath(error) || error instanceof OwlError ? error : unavailable(wanted, error);
        }
      },
    };
  }

  /**
   * A directory below that URL, made where it is missing; its root has to be there.
   * @throws AttemptError `storage_unavailable`, OwlError kind `invalid` when it may not be written
   */
  async directory(url: string, path: string): Promise<string> {
    const base = this.pathOf(url);
    const wanted = join(base, relative(path));
    const roots = await this.realRoots(base);
    try {
      const near = await nearestOf(wanted);
      assertWithin(near, roots);
      await this.noteMount(base, near);
      if (near !== wanted) await makeDirectory(wanted);
      const made = await realpath(wanted);
      assertWithin(made, roots);
      return made;
    } catch (error) {
      throw error instanceof OwlError && error.kind === 'invalid' ? error : unavailable(wanted, error);
    }
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
      await this.noteMount(base, found);
    } catch (error) {
      if (!isOfPath(error)) throw unavailable(base, error);
      await this.realRoots(base);
      const near = await nearestOf(base).catch(() => undefined);
      if (near !== undefined) await this.noteMount(base, near);
      throw error;
    }
  }

  /** @param near it, or what of it is there @throws AttemptError when its disk was taken out */
  private async noteMount(base: string, near: string): Promise<void> {
    const { dev } = await stat(near, { bigint: true });
    const mountPoint = await mountPointOf(near, dev);
    try {
      this.places.note(base, { fileSystem: Number(dev), mountPoint });
    } catch (error) {
      throw unavailable(base, error);
    }
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

/** With those above it. Their names outlive a loss of power. */
async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let made = path; made.startsWith(first); made = dirname(made)) await syncDirectory(dirname(made));
}

/** Throws what the file system throws. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
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
