/**
 * Unix sockets in directories however deep: the kernel takes a path of 107 bytes, so a longer one is named by way of the
 * open directory.
 */

import { closeSync, openSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const LONGEST_BYTES = 107;

export interface SocketPath {
  /** What to give to `listen` or `connect`. */
  readonly path: string;
  /** To be called once the socket is closed, or connected. */
  release(): void;
}

/** @param path absolute; its directory must exist */
export function openSocketPath(path: string): SocketPath {
  if (Buffer.byteLength(path) <= LONGEST_BYTES) return { path, release: () => undefined };
  const directory = openSync(dirname(path), 'r');
  return {
    path: join('/proc/self/fd', String(directory), basename(path)),
    release: () => closeSync(directory),
  };
}
