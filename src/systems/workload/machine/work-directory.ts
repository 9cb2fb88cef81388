/** The working directory of an attempt: `in` with its inputs, `out` for what it writes, `tmp`, and the list of its inputs. */

import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { messageOf } from '../../../base/errors.js';
import { AttemptError } from './failure.js';

/** Anew, whatever is left there. */
export function makeWork(work: string): void {
  removeWork(work);
  try {
    for (const folder of ['in', 'out', 'tmp'])
      mkdirSync(join(work, folder), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new AttemptError('start_failed', `no working directory can be made: ${messageOf(error)}`);
  }
}

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

/** Throws what the file system throws. */
export function removeWork(work: string): void {
  // The payload may have taken the right to do so, as the pilot does itself with its inputs.
  if (existsSync(join(work, 'in'))) chmodSync(join(work, 'in'), 0o700);
  rmSync(work, { recursive: true, force: true });
}

/** Where a payload writes an output. */
export function writtenAt(work: string, fileName: string): string {
  return join(work, 'out', basename(fileName));
}
