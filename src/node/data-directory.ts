/**
 * The directory that holds a node: its database, its id and its lock.
 *
 * Guarantees: one process at a time has it, and a second one is refused at once with the first one's pid (base/lock.ts). A node
 * does not take a lock anew whose file was deleted or replaced: another may have written its database meanwhile, so it ends
 * (ground-watch.ts). A node's id is made at its first
 * start and never changes by itself; it is kept after the node's database, so that an id without a database tells of a
 * history that is missing, and never of a first start that was cut off. A directory that was made survives power loss.
 */

import { randomUUID } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Clock } from '../base/clock.js';
import { syncDirectory, writeFileDurably } from '../base/durable-file.js';
import { OwlError } from '../base/errors.js';
import { FileLock, inUse, unusable } from '../base/lock.js';
import { identifyProcess, isAlive } from '../base/process-identity.js';
import { systemErrorCode } from '../base/system-error.js';
import { isUuid } from '../runtime/event-store/ids.js';

export interface DataDirectory {
  /** Absolute. */
  readonly path: string;
  /** Events and read models. The file may not exist yet. */
  readonly databasePath: string;
  /** Read models where the events are elsewhere. The file may not exist yet. */
  readonly readModelsPath: string;
  /** A UUID; names this node wherever its work is told of. */
  readonly workerId: string;
  /** A node has worked here before: it has left its id, or read models. */
  readonly isKnown: boolean;
  /** Keeps a new node's id. Call it once the node's database is there. */
  keepWorkerId(): void;
  /** @throws OwlError kind `refused` when the lock's file is no longer in its place, so that others may have the directory */
  assertInPlace(): Promise<void>;
  /** Lets another process have it. Call it last; again is no error. */
  release(): void;
}

const DATABASE = 'owl.db';
const READ_MODELS = 'read-models.db';
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
  syncParent(directory);
  const held = lock(directory);
  try {
    const holder = join(directory, HOLDER);
    const readModelsPath = join(directory, READ_MODELS);
    const workerIdFile = join(directory, WORKER_ID);
    const kept = readWorkerId(workerIdFile);
    const workerId = kept ?? randomUUID();
    writeHolder(holder, clock);
    let released = false;
    return {
      path: directory,
      databasePath: join(directory, DATABASE),
      readModelsPath,
      workerId,
      isKnown: kept !== undefined || existsSync(readModelsPath),
      keepWorkerId() {
        if (readWorkerId(workerIdFile) === undefined) writeFileDurably(workerIdFile, `${workerId}\n`);
      },
      assertInPlace: () => held.assertInPlace(),
      release() {
        if (released) return;
        released = true;
        // Else it names whoever has the directory now.
        if (held.isInPlaceNow()) rmSync(holder, { force: true });
        held.release();
      },
    };
  } catch (error) {
    held.release();
    throw error instanceof OwlError ? error : unusableNode(directory, error);
  }
}

/** What a node would meet that opens the directory. */
export interface FoundDirectory {
  /** A node has worked here before. */
  readonly isKnown: boolean;
  /** Where its own history would be. */
  readonly databasePath: string;
  /** Who has it at the moment, in words. */
  readonly holder: string | undefined;
}

/** Looks at it, and changes nothing. @throws OwlError as `openDataDirectory` does, but for who has it */
export function lookAtDataDirectory(path: string): FoundDirectory {
  const directory = resolve(path);
  const databasePath = join(directory, DATABASE);
  const found = statSync(directory, { throwIfNoEntry: false });
  if (found === undefined) {
    const parent = dirname(directory);
    if (!existsSync(parent)) throw parentIsMissing(directory);
    assertUsable(directory, parent);
    return { isKnown: false, databasePath, holder: undefined };
  }
  if (!found.isDirectory()) throw noDirectory(directory);
  assertUsable(directory, directory);
  try {
    const hasId = readWorkerId(join(directory, WORKER_ID)) !== undefined;
    const isKnown = hasId || existsSync(join(directory, READ_MODELS));
    return { isKnown, databasePath, holder: livingHolder(join(directory, HOLDER)) };
  } catch (error) {
    throw error instanceof OwlError ? error : unusableNode(directory, error);
  }
}

/** Whether a node has worked there. A directory may have been made for it before. */
export function hasWorkedIn(path: string): boolean {
  return [WORKER_ID, READ_MODELS, DATABASE].some((name) => existsSync(join(path, name)));
}

function assertUsable(directory: string, place: string): void {
  try {
    accessSync(place, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw unusableNode(directory, error);
  }
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT') {
      throw parentIsMissing(directory, error);
    }
    if (code !== 'EEXIST') throw unusableNode(directory, error);
    if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw noDirectory(directory);
    }
  }
}

function parentIsMissing(directory: string, cause?: unknown): OwlError {
  return new OwlError(
    'invalid',
    `data directory ${directory} can't be made because its parent does not exist; make that first`,
    { cause },
  );
}

function noDirectory(directory: string): OwlError {
  return new OwlError('invalid', `data directory ${directory} is no directory; choose another path`);
}

/** At every start, for the first one may have been cut off before. A parent that this user can't read, others look after. */
function syncParent(directory: string): void {
  try {
    syncDirectory(dirname(directory));
  } catch (error) {
    if (systemErrorCode(error) !== 'EACCES') throw unusableNode(directory, error);
  }
}

function lock(directory: string): FileLock {
  let taken: FileLock | undefined;
  try {
    taken = FileLock.take(join(directory, LOCK));
  } catch (error) {
    throw unusableNode(directory, error);
  }
  if (taken !== undefined) return taken;
  const by = `is in use by ${readHolder(join(directory, HOLDER))}`;
  throw inUse(directory, by, 'stop that one or choose another directory');
}

function unusableNode(directory: string, error: unknown): OwlError {
  return unusable(directory, error, 'it must be readable and writable for this user');
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
  return livingHolder(file) ?? 'another process, whose pid is not known here';
}

/** Undefined when nobody is named there who is known to live. */
function livingHolder(file: string): string | undefined {
  try {
    const holder: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof holder !== 'object' || holder === null) return undefined;
    if (!('pid' in holder && typeof holder.pid === 'number')) return undefined;
    const { pid } = holder;
    const identified = 'bootId' in holder && 'startTime' in holder;
    if (identified && !isAlive({ pid, bootId: String(holder.bootId), startTime: String(holder.startTime) })) {
      return undefined;
    }
    return `process ${pid}${'since' in holder ? `, since ${holder.since}` : ''}`;
  } catch {
    return undefined;
  }
}

function readWorkerId(file: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    return undefined;
  }
  if (isUuid(text)) return text;
  throw new OwlError(
    'invalid',
    `${file} holds no worker id (a UUID in lower case); put the node's id back, or delete the file to make this a new node`,
  );
}
