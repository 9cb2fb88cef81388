/**
 * What a process of a torture run stands on, to be loaded before it (`node --import bad-ground.js`): its disk fails, dawdles or is
 * full and its clock is set, as the file says that OWL_TORTURE_GROUND names. The monotonic clock is left alone.
 */

import fs, { readFileSync } from 'node:fs';
import { register, syncBuiltinESMExports } from 'node:module';
import { type Ground, readGround, WELL } from './ground.js';

/** How old what it knows of its ground may be. */
const LOOKS_EVERY_MS = 50;

type Done = (error: NodeJS.ErrnoException | null) => void;

register('./sqlite-hook.js', import.meta.url);
// Only the hook's own import gets what the program will get.
const { limitDatabases } = await import('./limited-sqlite.js');

const file = process.env['OWL_TORTURE_GROUND'];
let ground: Ground = WELL;

const { fdatasync, fdatasyncSync } = fs;
Object.assign(fs, {
  fdatasync: (descriptor: number, done: Done) => {
    if (ground.flush === 'fails') process.nextTick(done, ioError());
    else if (ground.flushDelayMs > 0) setTimeout(() => fdatasync(descriptor, done), ground.flushDelayMs);
    else fdatasync(descriptor, done);
  },
  fdatasyncSync: (descriptor: number) => {
    if (ground.flush === 'fails') throw ioError();
    fdatasyncSync(descriptor);
  },
});
syncBuiltinESMExports();

const { now } = Date;
Date.now = () => now() + ground.clockOffsetMs;

look();
if (file !== undefined) setInterval(look, LOOKS_EVERY_MS).unref();

function look(): void {
  const before = ground;
  ground = file === undefined ? WELL : (readGround(file, (path) => readFileSync(path, 'utf8')) ?? ground);
  if (before.full !== ground.full) limitDatabases(ground.full);
}

function ioError(): NodeJS.ErrnoException {
  return Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO', syscall: 'fdatasync' });
}
