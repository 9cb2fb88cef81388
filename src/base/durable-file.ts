/**
 * Small files that must survive power loss, or the death of their writer at least.
 *
 * Guarantees: after the call the file has the whole new content, or still the whole old one; what is written beside it until
 * then is a file of its own, never one that a link, or somebody else, has put in its place.
 */

import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { identifyProcess } from './process-identity.js';
import { systemErrorCode } from './system-error.js';

/** Ends the name of what is being written: by whom, and this. */
const TEMPORARY = /\.([0-9]+)\.tmp$/;

/** Readable and writable for its owner only. Throws what the file system throws. */
export function writeFileDurably(path: string, content: string): void {
  writeBeside(path, content, fsyncSync);
  syncDirectory(dirname(path));
}

/**
 * The same for what only has to survive the process that writes it. After power loss the file may be gone, empty or full of
 * zeros, but never a mixture of old and new.
 */
export function writeFileWhole(path: string, content: string): void {
  writeBeside(path, content, () => undefined);
}

function writeBeside(path: string, content: string, sync: (file: number) => void): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const file = openOwn(temporary);
    try {
      writeFileSync(file, content);
      sync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** One that is not there is as good. Throws what the file system throws otherwise. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
  }
}

/** Removes what was being written in a directory by processes that are gone. @returns their names */
export function removeTemporaries(directory: string): string[] {
  const names = readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const writer = Number(TEMPORARY.exec(entry.name)?.[1]);
    // This process writes without a pause, so one with its pid is of an earlier process.
    const isLeft = writer === process.pid || identifyProcess(writer) === undefined;
    return entry.isFile() && Number.isInteger(writer) && isLeft ? entry.name : [];
  });
  for (const name of names) rmSync(join(directory, name), { force: true });
  return names;
}

/** Never follows a link and never shares a file. One that is left from a process before, which had this pid, goes. */
function openOwn(path: string): number {
  try {
    return openSync(path, 'wx', 0o600);
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error;
    rmSync(path, { force: true });
    return openSync(path, 'wx', 0o600);
  }
}

/** A new name lives in the directory, so that has to reach the disk too. */
export function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
