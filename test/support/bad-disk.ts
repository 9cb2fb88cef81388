/**
 * The disk under the event store as a test wants it: flushes are counted, fail, or never come back. To be imported by a test,
 * or loaded before a program (`node --import bad-disk.js`); there the file that OWL_TEST_DISK names holds the mood.
 */

import fs, { existsSync, readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

export type Mood = 'well' | 'failing' | 'holding';

type Done = (error: NodeJS.ErrnoException | null) => void;

const { fdatasync, fdatasyncSync, fsyncSync } = fs;
const moodFile = process.env['OWL_TEST_DISK'];

class BadDisk {
  /** Flushes that were asked for so far. */
  flushes = 0;
  /** The inodes of what was synced as a whole: small files, and directories. */
  readonly synced = new Set<number>();
  /** Called for each flush. */
  onFlush: () => void = () => undefined;
  private own: Mood = 'well';
  private readonly heldBack: (() => void)[] = [];

  get mood(): Mood {
    if (moodFile === undefined || !existsSync(moodFile)) return this.own;
    const text = readFileSync(moodFile, 'utf8').trim();
    return text === 'failing' || text === 'holding' ? text : 'well';
  }

  set mood(mood: Mood) {
    this.own = mood;
  }

  /** Flushes that have not come back. */
  get held(): number {
    return this.heldBack.length;
  }

  /** From now on the disk is well, and what was held back comes to its end. */
  letGo(): void {
    this.own = 'well';
    for (const goOn of this.heldBack.splice(0)) goOn();
  }

  flush(descriptor: number, done: Done): void {
    this.note();
    const { mood } = this;
    if (mood === 'failing') process.nextTick(done, ioError());
    else if (mood === 'holding') this.heldBack.push(() => fdatasync(descriptor, done));
    else fdatasync(descriptor, done);
  }

  flushNow(descriptor: number): void {
    this.note();
    if (this.mood === 'failing') throw ioError();
    fdatasyncSync(descriptor);
  }

  private note(): void {
    this.flushes++;
    this.onFlush();
  }
}

function ioError(): NodeJS.ErrnoException {
  return Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO', syscall: 'fdatasync' });
}

export const badDisk = new BadDisk();

Object.assign(fs, {
  fdatasync: (descriptor: number, done: Done) => badDisk.flush(descriptor, done),
  fdatasyncSync: (descriptor: number) => badDisk.flushNow(descriptor),
  fsyncSync: (descriptor: number) => {
    fsyncSync(descriptor);
    badDisk.synced.add(fs.fstatSync(descriptor).ino);
  },
});
syncBuiltinESMExports();
