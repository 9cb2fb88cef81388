/** A double of a disk that can't flush, to be preloaded into a keeper: whoever syncs a file there gets an error. */

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

function refuse(): never {
  throw Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' });
}

if (process.argv[1]?.includes('keeper-main') === true) {
  fs.fsyncSync = refuse;
  fs.fdatasyncSync = refuse;
  syncBuiltinESMExports();
}
