/** What a file looks like from outside: another mark means that it was written or replaced since. */

import { statSync } from 'node:fs';

/** Empty where there is no file. @throws the system's error when it can't be looked at */
export function fileMark(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? '' : `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
}
