/** The working directory of an attempt: `in` with its inputs, `out` for what it writes, `tmp`, and the list of its inputs. */

import {
  chmodSync,
  type Dirent,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { messageOf } from '../../../base/errors.js';
import { makeDirectoriesNow } from '../../../base/make-directories.js';
import { AttemptError } from './failure.js';

const FOLDERS: readonly string[] = ['in', 'out', 'tmp'];

/** Inputs are in their place: nothing is put there or taken away any more. */
export function finishWork(work: string, inputs: readonly string[]): void {
  try {
    writeFileSync(inputsFileOf(work), inputs.map((path) => `${path}\n`).join(''), { mode: 0o600 });
    chmodSync(join(work, 'in'), 0o500);
  } catch (error) {
    throw new AttemptError('start_failed', `its working directory can't be written: ${messageOf(error)}`);
  }
}

export function inputsFileOf(work: string): string {
  return join(work, 'inputs');
}

/**
 * The working directories of one pilot. One that is done with is emptied and kept for the next attempt, for making and removing its
 * folders takes longer than all that is written there.
 *
 * Guarantee: an attempt finds nothing of one before it.
 */
export class WorkDirectories {
  private readonly folder: string;
  private readonly most: number;
  private readonly free: string[] = [];
  private made = 0;

  /** @param folder absolute @param most that are kept empty */
  constructor(folder: string, most: number) {
    this.folder = folder;
    this.most = most;
  }

  /** Anew, whatever is left there. @throws AttemptError */
  make(work: string): void {
    try {
      removeWork(work);
      if (this.takeFree(work)) return;
      makeDirectoriesNow(work, 0o700);
      for (const folder of FOLDERS) mkdirSync(join(work, folder), { mode: 0o700 });
    } catch (error) {
      throw new AttemptError('start_failed', `no working directory can be made: ${messageOf(error)}`);
    }
  }

  /** Throws what the file system throws. */
  remove(work: string): void {
    try {
      if (this.free.length < this.most && emptyWork(work)) {
        // No job is called so.
        const free = join(this.folder, `.free.${this.made}`);
        this.made += 1;
        renameSync(work, free);
        this.free.push(free);
        return;
      }
    } catch {
      // The payload has made something of it that is not kept.
    }
    removeWork(work);
  }

  /** @returns whether there was one */
  private takeFree(work: string): boolean {
    const free = this.free.pop();
    if (free === undefined) return false;
    try {
      renameSync(free, work);
      return true;
    } catch {
      // Somebody has taken it away.
      return false;
    }
  }
}

/** Throws what the file system throws. */
export function removeWork(work: string): void {
  if (lstatSync(work, { throwIfNoEntry: false }) === undefined) return;
  // The payload may have taken the right to do so, as the pilot does itself with its inputs.
  if (existsSync(join(work, 'in'))) chmodSync(join(work, 'in'), 0o700);
  rmSync(work, { recursive: true, force: true });
}

/** @returns whether it is again as it was made. Throws what the file system throws */
function emptyWork(work: string): boolean {
  // Whatever a link in its place leads to is not the pilot's.
  if (!lstatSync(work).isDirectory()) return false;
  const folders = readdirSync(work, { withFileTypes: true }).filter((entry) => {
    const path = join(work, entry.name);
    if (!entry.isDirectory() || !FOLDERS.includes(entry.name)) {
      removeEntry(work, entry);
      return false;
    }
    chmodSync(path, 0o700);
    for (const inside of readdirSync(path, { withFileTypes: true })) removeEntry(path, inside);
    return true;
  });
  chmodSync(work, 0o700);
  return folders.length === FOLDERS.length;
}

function removeEntry(folder: string, entry: Dirent): void {
  const path = join(folder, entry.name);
  if (entry.isDirectory()) rmSync(path, { recursive: true, force: true });
  else unlinkSync(path);
}

/** Where a payload writes an output. */
export function writtenAt(work: string, fileName: string): string {
  return join(work, 'out', basename(fileName));
}
