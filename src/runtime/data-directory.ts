/**
 * The directory that holds a node: its database, its id and its lock.
 *
 * Guarantees: one process at a time has it. The lock is the operating system's, so it is free the moment its holder is
 * dead, however it died, and a second process is refused at once with the first one's pid. A node's id is made at its first
 * start and never changes by itself.
 */

import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Clock } from './clock.js';
import { writeFileDurably } from './durable-file.js';
import { messageOf, OwlError } from './errors.js';
import { isUuid } from './ids.js';
import { identifyProcess, isAlive } from './process-identity.js';
import { tryLock } from './sqlite.js';
import { systemErrorCode } from './system-error.js';

export interface DataDirectory {
  /** Absolute. */
  readonly path: string;
  /** Events and read models. The file may not exist yet. */
  readonly databasePath: string;
  /** A UUID; names this node wherever its work is told of. */
  readonly workerId: string;
  /** Lets another process have it. Call it last; again is no error. */
  release(): void;
}

const DATABASE = 'owl.db';
const LOCK = 'owl.lock';
const HOLDER = 'owl.pid';
const WORKER_ID = 'worker-id';

/**
 * Opens the directory, and makes it (for its owner only) if it isn't there; its parent must be.
 * @throws OwlError kind `refused` when another process has it, `invalid` when it can't be used
 */
export function openDataDirectory(path: string, clock: Clock): DataDirectory {
  const directory = resolve(path);
  makeDirectory(directory);
  const unlock = lock(directory);
  try {
    const holder = join(directory, HOLDER);
    writeHolder(holder, clock);
    const workerId = readOrMakeWorkerId(join(directory, WORKER_ID));
    let released = false;
    return {
      path: directory,
      databasePath: join(directory, DATABASE),
      workerId,
      release() {
        if (released) return;
        released = true;
        rmSync(holder, { force: true });
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error instanceof OwlError ? error : unusable(directory, error);
  }
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT') {
      throw new OwlError(
        'invalid',
        `data directory ${directory} can't be made because its parent does not exist; make that first`,
        { cause: error },
      );
    }
    if (code !== 'EEXIST') throw unusable(directory, error);
    if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw new OwlError('invalid', `data directory ${directory} is no directory; choose another path`);
    }
  }
}

function lock(directory: string): () => void {
  let unlock: (() => void) | undefined;
  try {
    unlock = tryLock(join(directory, LOCK));
  } catch (error) {
    throw unusable(directory, error);
  }
  if (unlock === undefined) {
    throw new OwlError(
      'refused',
      `data directory ${directory} is in use by ${readHolder(join(directory, HOLDER))}; stop that one or choose another directory`,
    );
  }
  return unlock;
}

function unusable(directory: string, error: unknown): OwlError {
  return new OwlError(
    'invalid',
    `data directory ${directory} can't be used: ${messageOf(error)}; it must be readable and writable for this user`,
    { cause: error },
  );
}

function writeHolder(file: string, clock: Clock): void {
  const { pid } = process;
  const since = new Date(clock.now()).toISOString();
  writeFileDurably(file, `${JSON.stringify({ pid, since, ...identifyProcess(pid) })}\n`);
}

/**
 * Who holds the lock, in words. The file may be a dead process's, as the new holder writes its own after locking, or one
 * from another container, where pids mean something else.
 */
function readHolder(file: string): string {
  const unknown = 'another process, whose pid is not known here';
  try {
    const holder: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof holder !== 'object' || holder === null) return unknown;
    if (!('pid' in holder && typeof holder.pid === 'number')) return unknown;
    const { pid } = holder;
    const identified = 'bootId' in holder && 'startTime' in holder;
    if (identified && !isAlive({ pid, bootId: String(holder.bootId), startTime: String(holder.startTime) })) {
      return unknown;
    }
    return `process ${pid}${'since' in holder ? `, since ${holder.since}` : ''}`;
  } catch {
    return unknown;
  }
}

function readOrMakeWorkerId(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    const made = randomUUID();
    writeFileDurably(file, `${made}\n`);
    return made;
  }
  if (isUuid(text)) return text;
  throw new OwlError(
    'invalid',
    `${file} holds no worker id (a UUID in lower case); put the node's id back, or delete the file to make this a new node`,
  );
}
