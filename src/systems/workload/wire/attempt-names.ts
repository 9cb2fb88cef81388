/** What files of an attempt are called where they are stored: pilots write them, and a node finds them. */

import { posix } from 'node:path';

/** The name that no other attempt at the job has: `words.j1.txt` of attempt 2 is `words.j1.a2.txt`. */
export function nameOfAttempt(fileName: string, attempt: number): string {
  const { name, ext } = posix.parse(fileName);
  return `${name}.a${attempt}${ext}`;
}
