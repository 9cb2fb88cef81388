/**
 * Which disk a path led to when it was looked at before: a mount point whose disk was taken out is an empty directory of
 * another file system, or is not there at all.
 *
 * Guarantee: what was taken out is noticed for as long as this process runs, and what was mounted in its place, or over a
 * directory that was there before, counts as the disk that belongs there.
 */

import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { OwlError } from '../base/errors.js';
import { systemErrorCode } from '../base/system-error.js';

/** Who orders names the paths. */
const MOST_KNOWN = 10_000;

/** A place as it was found. */
export interface FoundPlace {
  /** Equal numbers: the same file system. */
  readonly fileSystem: number;
  /** The path where that is mounted; undefined where it is not known. */
  readonly mountPoint?: string | undefined;
}

/** Of a place that was looked at before, and leads elsewhere now. */
export class PlaceLostError extends OwlError {
  override readonly name = 'PlaceLostError';

  constructor(message: string) {
    super('unavailable', `${message}; mount it again, or restart what works here if that is meant to be so`);
  }
}

export class KnownPlaces {
  private readonly known = new Map<string, FoundPlace>();

  /** @throws PlaceLostError when it is not the file system that was there before, nor one mounted in its place */
  note(path: string, found: FoundPlace): void {
    const before = this.known.get(path);
    if (before !== undefined && before.fileSystem !== found.fileSystem && !isMountedThere(before, found))
      throw new PlaceLostError(
        `is on another file system than when it was looked at before${mountedAt(before)}: its disk may have been taken out`,
      );
    this.known.delete(path);
    this.known.set(path, found);
    for (const oldest of this.known.keys()) {
      if (this.known.size <= MOST_KNOWN) return;
      this.known.delete(oldest);
    }
  }

  /** @returns what to throw instead of that error, where the place was there before */
  explain(path: string, error: unknown): unknown {
    const before = this.known.get(path);
    const code = systemErrorCode(error);
    if (before === undefined || (code !== 'ENOENT' && code !== 'ENOTDIR')) return error;
    return new PlaceLostError(
      `does not exist any more${mountedAt(before)}: its disk may have been taken out`,
    );
  }
}

function mountedAt({ mountPoint }: FoundPlace): string {
  return mountPoint === undefined ? '' : ` (then ${mountPoint} was mounted)`;
}

/** A disk was changed for another, or mounted over what was a directory of the disk above it. */
function isMountedThere({ mountPoint: before }: FoundPlace, { mountPoint: now }: FoundPlace): boolean {
  if (before === undefined || now === undefined) return false;
  return now === before || now.startsWith(before === '/' ? '/' : `${before}/`);
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
