/**
 * What files hold: their sizes and check sums, read by few at a time so that a node goes on to answer.
 *
 * Guarantee: what changes while it is read is told as that, and never as a content.
 */

import type { FileHandle } from 'node:fs/promises';
import { type Summed, sumsOf } from '../../../../base/check-sums.js';
import { messageOf } from '../../../../base/errors.js';
import { limitConcurrency } from '../../../../base/limit-concurrency.js';
import { systemErrorCode } from '../../../../base/system-error.js';
import type { StorageDirectory } from './storage-directory.js';

/** Files read at the same time, of all scans of a node. */
const AT_ONCE = 2;

const atOnce = limitConcurrency(AT_ONCE);

export type Content =
  | Summed
  | { readonly problem: string; readonly kind: 'missing' | 'no file' | 'unreadable' | 'changing' };

/** @throws the signal's reason; OwlError kind `unavailable` where the whole storage is away */
export function contentOf(directory: StorageDirectory, path: string, signal: AbortSignal): Promise<Content> {
  return atOnce(async () => {
    signal.throwIfAborted();
    try {
      return await read(directory, path, signal);
    } catch (error) {
      signal.throwIfAborted();
      await directory.assertThere();
      return problemIn(error);
    }
  });
}

async function read(directory: StorageDirectory, path: string, signal: AbortSignal): Promise<Content> {
  const handle = await directory.open(path);
  try {
    return await summed(handle, signal);
  } finally {
    await handle.close();
  }
}

async function summed(handle: FileHandle, signal: AbortSignal): Promise<Content> {
  const before = await handle.stat({ bigint: true });
  if (!before.isFile())
    return { problem: before.isDirectory() ? 'it is a directory' : 'it is no file', kind: 'no file' };
  const sums = await sumsOf(handle, signal);
  const after = await handle.stat({ bigint: true });
  const isSame = before.mtimeNs === after.mtimeNs && before.size === after.size;
  return isSame && BigInt(sums.size) === after.size
    ? sums
    : { problem: 'it is being written', kind: 'changing' };
}

function problemIn(error: unknown): Content {
  const code = systemErrorCode(error);
  // Opened through a link, or in the place of a socket.
  if (code === 'ELOOP' || code === 'ENXIO') return { problem: 'it is no file', kind: 'no file' };
  if (code === 'ENOENT' || code === 'ENOTDIR') return { problem: 'it is not there', kind: 'missing' };
  return { problem: `it can not be read: ${messageOf(error)}`, kind: 'unreadable' };
}
