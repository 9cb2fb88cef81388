/**
 * A lock as a file: whoever has it is the only one of its kind in a directory, a node for one, a supervisor or a keeper.
 *
 * Guarantees: the lock is the operating system's, so it is free the moment its holder is dead, however it died, and nobody
 * waits for it. A lock whose file was deleted or replaced keeps nobody out: that is noticed when it is taken, whenever
 * somebody looks (`assertInPlace`), and within a second by `guardLock`, which takes it anew unless another was faster.
 */

import type { Logger } from 'pino';
import type { Clock } from './clock.js';
import { messageOf, OwlError } from './errors.js';
import { FilePlace } from './file-place.js';
import { every } from './repeat.js';
import { lockFile } from './sqlite.js';

const LOOK_EVERY_MS = 1_000;

export class FileLock {
  readonly path: string;
  private place: FilePlace;
  private unlock: () => void;

  private constructor(path: string, unlock: () => void) {
    this.path = path;
    this.unlock = unlock;
    this.place = new FilePlace(path);
  }

  /**
   * Undefined while another process, or this one, has it. Throws what the file system throws.
   * @throws OwlError kind `refused` when the file was replaced meanwhile
   */
  static take(path: string): FileLock | undefined {
    const unlock = lockFile(path);
    if (unlock === undefined) return undefined;
    try {
      const lock = new FileLock(path, unlock);
      // Not even this process gets it twice, unless the file is another one by now.
      const another = lockFile(path);
      another?.();
      if (another !== undefined) throw lockLost(path);
      return lock;
    } catch (error) {
      unlock();
      throw error;
    }
  }

  /** @throws OwlError kind `refused` when the file is no longer in its place, so that another may have the lock */
  async assertInPlace(): Promise<void> {
    if (!(await this.place.isKept())) throw lockLost(this.path);
  }

  /** Whether it keeps others out, blocking. Only then does what its holder left beside it belong to the holder. */
  isInPlaceNow(): boolean {
    return this.place.isKeptNow();
  }

  /** Takes it anew, for it is not in its place. False when another has it. Throws what the file system throws. */
  takeAnew(): boolean {
    const again = FileLock.take(this.path);
    if (again === undefined) return false;
    this.unlock();
    this.unlock = again.unlock;
    this.place = again.place;
    return true;
  }

  /** Again is no error. */
  release(): void {
    this.unlock();
  }
}

export interface GuardOptions {
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'warn'>;
  /** Aborts before the lock is released. */
  readonly signal: AbortSignal;
  /** Another has the lock, with the reason for people. Called once, and anew when it was had meanwhile. */
  readonly onTaken: (error: OwlError) => void;
  /** It was taken anew. */
  readonly onTakenAnew?: () => void;
}

/** Looks every second whether the lock is in its place, until the signal aborts. */
export async function guardLock(lock: FileLock, options: GuardOptions): Promise<void> {
  const { clock, logger, signal, onTaken, onTakenAnew } = options;
  /** What was told last, of a lock that is not in its place. */
  let told: string | undefined;
  const once = (what: string, tell: () => void): void => {
    if (told !== what) tell();
    told = what;
  };
  await every({ clock, pauseMs: LOOK_EVERY_MS, signal }, async () => {
    try {
      if (await isInPlace(lock)) return;
      if (signal.aborted) return;
      if (!lock.takeAnew()) return once('taken', () => onTaken(lockLost(lock.path)));
      logger.warn({ lock: lock.path }, 'the file of a lock was deleted or replaced; it was taken anew');
      told = undefined;
      onTakenAnew?.();
    } catch (error) {
      // Its directory may be away for a moment, and nobody else can have a lock there.
      const reason = messageOf(error);
      once(reason, () => logger.warn({ lock: lock.path, reason }, 'a lock can not be looked at; going on'));
    }
  });
}

async function isInPlace(lock: FileLock): Promise<boolean> {
  try {
    await lock.assertInPlace();
    return true;
  } catch (error) {
    if (error instanceof OwlError) return false;
    throw error;
  }
}

function lockLost(file: string): OwlError {
  return new OwlError(
    'refused',
    `${file} was deleted or replaced, so that another process may have taken its directory; nobody but owl may touch that file: start again once nothing else runs there`,
  );
}

/** @param by how it is in use, and by whom: `has a supervisor already, process 12` */
export function inUse(directory: string, by: string, advice: string): OwlError {
  return new OwlError('refused', `data directory ${directory} ${by}; ${advice}`);
}

/** A lock that was replaced while it was taken stays what it is. @param advice default: the reason says what to do */
export function unusable(directory: string, error: unknown, advice?: string): OwlError {
  if (error instanceof OwlError && error.kind === 'refused') return error;
  const what = advice === undefined ? '' : `; ${advice}`;
  return new OwlError('invalid', `data directory ${directory} can't be used: ${messageOf(error)}${what}`, {
    cause: error,
  });
}
