/**
 * A double of a full disk, to be preloaded into a keeper (`node --import no-room.js keeper-main.js DATA`): while the file
 * `no-room` is in its data directory it can write to no file, its standard error included. Sockets go on.
 */

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { NO_ROOM_MARK } from './small-disk.js';

const mark = join(process.argv[2] ?? '', NO_ROOM_MARK);
const { writeFileSync, writeSync } = fs;

function refuse(): void {
  if (!fs.existsSync(mark)) return;
  throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
}

fs.writeFileSync = (...args: Parameters<typeof writeFileSync>): void => {
  refuse();
  writeFileSync(...args);
};
Reflect.set(fs, 'writeSync', (...args: Parameters<typeof writeSync>): number => {
  refuse();
  return writeSync(...args);
});
syncBuiltinESMExports();
