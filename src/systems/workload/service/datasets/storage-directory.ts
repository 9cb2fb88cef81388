/**
 * Where the files of a dataset really lie, and what is in such a directory.
 *
 * Guarantees: nothing outside of `workload.storage_roots` is looked into, whatever a link says; a storage that is away is told as
 * that, and never taken for one without files; names come in order, so many at a time, however many there are.
 */

import { constants } from 'node:fs';
import { type FileHandle, open, opendir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InvalidFieldError, messageOf, OwlError } from '../../../../base/errors.js';
import type { SqlRow } from '../../../../base/sql.js';
import { assertStorageUrl, directoryOf, isBelow } from '../../storage-url.js';
import { DatasetRefusedError } from './dataset-commands.js';

export class StorageDirectory {
  /** Without links. */
  readonly path: string;
  private readonly roots: readonly string[];

  private constructor(path: string, roots: readonly string[]) {
    this.path = path;
    this.roots = roots;
  }

  /**
   * @param row of the dataset
   * @param roots absolute paths
   * @throws OwlError kind `refused` where it has no storage, `unavailable` where that is not there, InvalidFieldError where it
   *   leads elsewhere
   */
  static async of(row: SqlRow, roots: readonly string[]): Promise<StorageDirectory> {
    const { uid, storage_url: url } = row;
    if (typeof url !== 'string')
      throw new DatasetRefusedError('transition_refused', `dataset ${String(uid)} has no storage_url`);
    // Roots may have changed since.
    const named = directoryOf(assertStorageUrl('storage_url', url, roots));
    const real = await realRoots(roots);
    const path = await realpath(named).catch((error: unknown) => {
      throw away(named, error);
    });
    assertBelow(path, real);
    return new StorageDirectory(path, real);
  }

  /** One right below it, and no link to another. @throws as `of` does */
  async below(name: string): Promise<StorageDirectory> {
    const path = await realpath(join(this.path, name)).catch((error: unknown) => {
      throw away(join(this.path, name), error);
    });
    if (path !== join(this.path, name))
      throw new DatasetRefusedError('transition_refused', `${join(this.path, name)} is a link to ${path}`);
    return new StorageDirectory(path, this.roots);
  }

  /** @throws OwlError kind `unavailable` where it is not there any more */
  async assertThere(): Promise<void> {
    await stat(this.path).catch((error: unknown) => {
      throw away(this.path, error);
    });
  }

  /** For reading; of what is no file a handle, too, or the system's error. @throws InvalidFieldError where it leads elsewhere */
  async open(path: string): Promise<FileHandle> {
    const real = await realpath(join(this.path, path));
    assertBelow(real, this.roots);
    // A pipe that nobody writes would never open.
    return await open(real, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  }

  /** The first ones behind that name in order of their UTF-16 units; without directories and what begins with a dot. */
  async namesBehind(after: string, most: number): Promise<Entry[]> {
    const found: Entry[] = [];
    let last: string | undefined;
    const cut = () => {
      found.sort((a, b) => (a.name < b.name ? -1 : 1));
      if (found.length >= most) last = found[most - 1]?.name;
      found.length = Math.min(found.length, most);
    };
    const directory = await opendir(this.path).catch((error: unknown) => {
      throw away(this.path, error);
    });
    try {
      for await (const entry of directory) {
        const { name } = entry;
        if (entry.isDirectory() || name.startsWith('.') || name <= after) continue;
        if (last !== undefined && name > last) continue;
        found.push({ name, isFile: entry.isFile() });
        if (found.length >= 2 * most) cut();
      }
    } catch (error) {
      throw away(this.path, error);
    }
    cut();
    return found;
  }
}

export interface Entry {
  readonly name: string;
  /** Neither a link nor a device. */
  readonly isFile: boolean;
}

async function realRoots(roots: readonly string[]): Promise<string[]> {
  const real = await Promise.all(roots.map((root) => realpath(root).catch(() => undefined)));
  return real.filter((root) => root !== undefined);
}

function assertBelow(path: string, roots: readonly string[]): void {
  if (roots.some((root) => isBelow(path, root))) return;
  throw new InvalidFieldError('storage_url', `leads to ${path}, outside of workload.storage_roots`);
}

function away(path: string, error: unknown): OwlError {
  return new OwlError(
    'unavailable',
    `the storage is not there: ${messageOf(error)}; ask again once ${path} is`,
    {
      cause: error,
    },
  );
}
