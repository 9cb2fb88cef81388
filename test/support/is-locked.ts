/** Whether any process of this machine has a lock on the file at a path, asked without touching the file. */

import { readFileSync, statSync } from 'node:fs';

export function isLocked(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && readFileSync('/proc/locks', 'utf8').includes(`:${found.ino} `);
}
