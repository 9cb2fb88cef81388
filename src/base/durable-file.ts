/**
 * Small files that must survive power loss.
 *
 * Guarantees: after the call the file has the whole new content, or still the whole old one; what is written beside it until
 * then is a file of its own, never one that a link, or somebody else, has put in its place.
 */

import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { identifyProcess } from './process-identity.js';
import { systemErrorCode } from './system-error.js';

/** Ends the name of what is being written: by whom, and this. */
const TEMPORARY = /\.([0-9]+)\.tmp$/;

/** Readable and writable for its owner only. Throws what the file system throws. */
export function writeFileDurably(path: string, content: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const file = openOwn(temporary);
    try {
      writeFileSync(file, content);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncDirectory(dirname(path));
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
