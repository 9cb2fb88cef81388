/**
 * Directories with those above them.
 *
 * Guarantee: it ends. Where a directory is there and none can be made in it, as in /proc or below a mount point of autofs, the system says
 * that there is no such directory, and Node's own `recursive` makes the one above again and again, and holds the whole process up.
 */

import { mkdirSync, statSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemErrorCode } from './system-error.js';

/** @param mode of each that is made @throws what the system throws */
export function makeDirectoriesNow(path: string, mode = 0o777): void {
  const missing: string[] = [];
  for (const at of upwards(path)) {
    if (isDirectoryNow(at)) break;
    missing.push(at);
  }
  for (const at of missing.reverse())
    try {
      mkdirSync(at, { mode });
    } catch (error) {
      // Somebody has made it meanwhile.
      if (systemErrorCode(error) !== 'EEXIST' || !isDirectoryNow(at)) throw error;
    }
}

/** The same without waiting. @returns those that were missing, the lowest first */
export async function makeDirectories(path: string): Promise<string[]> {
  const missing: string[] = [];
  for (const at of upwards(path)) {
    if (await isDirectory(at)) break;
    missing.push(at);
  }
  for (const at of missing.toReversed())
    try {
      await mkdir(at);
    } catch (error) {
      if (systemErrorCode(error) !== 'EEXIST' || !(await isDirectory(at))) throw error;
    }
  return missing;
}

/** It, and what is above it. */
function* upwards(path: string): Generator<string> {
  for (let at = path; ; at = dirname(at)) {
    yield at;
    if (at === dirname(at)) return;
  }
}

/** What can't be looked at is no directory that one could go on from: to make it tells why. */
function isDirectoryNow(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
