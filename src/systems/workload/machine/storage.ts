/**
 * The storage of this machine: directories below which jobs read and write, named by `file:///…` URLs.
 *
 * Guarantees: nothing is read or written outside of the roots, whatever a URL, a path or a link says; a disk that was taken out
 * while the pilot runs is told from a file that is not there.
 */

import type { BigIntStats } from 'node:fs';
import { mkdir, realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize } from 'node:path';
import { messageOf, OwlError } from '../../../base/errors.js';
import { systemErrorCode } from '../../../base/system-error.js';
import { KnownPlaces, mountPointOf, PlaceLostError } from '../../../processes/places.js';
import { AttemptError, isOfPath } from './failure.js';

const SCHEME = 'file://';

export interface FoundInStorage {
  /** Without links. */
  readonly path: string;
  readonly stat: BigIntStats;
}

export class Storage {
  private readonly roots: readonly string[];
  private readonly places = new KnownPlaces();

  /** @param roots absolute paths */
  constructor(roots: readonly string[]) {
    this.roots = roots.map((root) => normalize(`${root}/`).replace(/(?<=.)\/$/, ''));
  }

  /**
   * What is there under that path; whether it is a file is for the caller to see.
   * @param path relative to the URL
   * @throws AttemptError `storage_unavailable` when the storage is away, OwlError kind `invalid` when it may not be read, or
   *   what the system throws when there is no such file
   */
  async find(url: string, path: string): Promise<FoundInStorage> {
    const base = this.pathOf(url);
    await this.look(base);
    try {
      const found = await realpath(join(base, relative(path)));
      await this.assertWithin(found);
      return { path: found, stat: await stat(found, { bigint: true }) };
    } catch (error) {
      throw isOfPath(error) || error instanceof OwlError ? error : unavailable(join(base, path), error);
    }
  }

  /**
   * A directory below that URL, made where it is missing; its root has to be there.
   * @throws AttemptError `storage_unavailable`, OwlError kind `invalid` when it may not be written
   */
  async directory(url: string, path: string): Promise<string> {
    const base = this.pathOf(url);
    const wanted = join(base, relative(path));
    await this.look(base, true);
    try {
      await this.assertWithin(await nearestOf(wanted));
      await mkdir(wanted, { recursive: true });
      const made = await realpath(wanted);
      await this.assertWithin(made);
      return made;
    } catch (error) {
      throw error instanceof OwlError ? error : unavailable(wanted, error);
    }
  }

  /** @throws OwlError kind `invalid` */
  pathOf(url: string): string {
    const invalid = (why: string) => new OwlError('invalid', `storage ${url.slice(0, 255)} ${why}`);
    if (!url.startsWith(`${SCHEME}/`)) throw invalid('must be file:///, an absolute path and no host');
    const path = decoded(url.slice(SCHEME.length));
    if (path === undefined || path.includes('\0')) throw invalid('is no path');
    if (path.split('/').includes('..')) throw invalid('must not hold ..');
    const normal = normalize(`${path}/`).replace(/(?<=.)\/$/, '');
    if (!this.roots.some((root) => isWithin(normal, root)))
      throw invalid(`lies outside of the storage of this pilot (${this.roots.join(', ')})`);
    return normal;
  }

  /** Whether the disk is there that was there before. @param isMade what is missing will be made, below a root */
  private async look(base: string, isMade = false): Promise<void> {
    const path = isMade ? (this.roots.find((root) => isWithin(base, root)) ?? base) : base;
    try {
      const { dev } = await stat(path, { bigint: true });
      const mountPoint = await mountPointOf(await realpath(path), dev);
      this.places.note(path, { fileSystem: Number(dev), mountPoint });
    } catch (error) {
      const explained = this.places.explain(path, error);
      if (explained instanceof PlaceLostError || isMade || !isOfPath(error))
        throw unavailable(path, explained);
      await this.assertRootOf(base);
      throw error;
    }
  }

  private async assertRootOf(base: string): Promise<void> {
    const root = this.roots.find((one) => isWithin(base, one)) ?? base;
    await stat(root).catch((error: unknown) => {
      throw unavailable(root, error);
    });
  }

  /** @param path real: without links */
  private async assertWithin(path: string): Promise<void> {
    for (const root of this.roots) if (isWithin(path, await realpath(root))) return;
    throw new OwlError('invalid', `${path} lies outside of the storage of this pilot`);
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

function isWithin(path: string, root: string): boolean {
  return root === '/' || path === root || path.startsWith(`${root}/`);
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
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
