/** The word of a process that has no logger and must not end for want of one. */

import { writeSync } from 'node:fs';

/** On stderr, which may be a file on a disk that is full, or gone: then nobody is told. */
export function complain(sentence: string): void {
  try {
    writeSync(process.stderr.fd, `${sentence}\n`);
  } catch {
    // There is nobody to tell that nobody can be told.
  }
}
