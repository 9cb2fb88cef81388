/**
 * The two ends of a copy: a data directory or EventStoreDB, opened for it.
 *
 * Guarantees: no node runs on a data directory meanwhile. A data directory that is copied to holds either no history or
 * the whole one: events are gathered in a file beside its database (`owl.db.copy`, where a copy that was interrupted goes
 * on), which takes the database's place once it has been verified. A database without events gives way to it. One with
 * events is only compared: it is never written to.
 */

import { existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Logger } from 'pino';
import { systemClock } from '../base/clock.js';
import { syncDirectory } from '../base/durable-file.js';
import { OwlError } from '../base/errors.js';
import { type DataDirectory, openDataDirectory } from '../node/data-directory.js';
import { delegating } from '../runtime/event-store/delegating-store.js';
import { type EventStore, START } from '../runtime/event-store/event-store.js';
import {
  redact,
  whyNotInArguments,
} from '../runtime/event-store/eventstoredb/connection/connection-string.js';
import { openSqliteEventStore } from '../runtime/event-store/sqlite/sqlite-event-store.js';
import { UsageError } from './exit.js';
import { openReachable } from './reachable-store.js';

export interface CopyEnd {
  readonly store: EventStore;
  /** Closes the store and makes what was copied into it the one that is used. Only for a target that was verified. */
  keep(): Promise<void>;
  /** Closes the store. After `keep` it does nothing more. */
  close(): Promise<void>;
}

/** A place to copy from or to, as the command line names it. */
export type Place =
  | { readonly kind: 'directory'; readonly path: string; readonly name: string }
  | { readonly kind: 'eventstoredb'; readonly connectionString: string; readonly name: string };

/** An argument of a command. @throws UsageError when it can't be meant, or others could read a password in it */
export function parsePlace(text: string, option: string, cwd: string): Place {
  const place = placeAt(text, option, cwd);
  const rule = place.kind === 'directory' ? undefined : whyNotInArguments(text, '--credentials-file');
  if (rule !== undefined) throw new UsageError(`${option} ${rule}`);
  return place;
}

/** @param called how messages call it. @throws UsageError when it can't be meant */
export function placeAt(text: string, called: string, cwd: string): Place {
  if (/^esdb(\+discover)?:/i.test(text)) {
    return { kind: 'eventstoredb', connectionString: text, name: redact(text) };
  }
  if (text === '' || text.includes('\0') || /^[a-z+]+:\/\//i.test(text)) {
    throw new UsageError(`${called} must be a data directory or esdb://HOST:PORT, not "${redact(text)}"`);
  }
  const path = resolve(cwd, text);
  return { kind: 'directory', path, name: path };
}

/** @throws OwlError kind `refused` when a node runs on the directory, or nothing is there */
export function openSource(place: Place, credentialsFile: string | undefined, logger: Logger) {
  return place.kind === 'directory'
    ? openSourceDirectory(place.path)
    : openServer(place, credentialsFile, logger);
}

/** @throws OwlError kind `refused` when a node runs on the directory */
export function openTarget(place: Place, credentialsFile: string | undefined, logger: Logger) {
  return place.kind === 'directory'
    ? openTargetDirectory(place.path)
    : openServer(place, credentialsFile, logger);
}

async function openServer(
  place: Extract<Place, { kind: 'eventstoredb' }>,
  credentialsFile: string | undefined,
  logger: Logger,
): Promise<CopyEnd> {
  const store = await openReachable({ ...place, credentialsFile, logger });
  return { store, keep: () => store.close(), close: () => store.close() };
}

async function openSourceDirectory(path: string): Promise<CopyEnd> {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) throw nothingIn(path);
  return openIn(path, ({ databasePath }) => {
    if (!existsSync(databasePath)) throw nothingIn(path);
    return { file: databasePath, keep: () => undefined };
  });
}

async function openTargetDirectory(path: string): Promise<CopyEnd> {
  const holdsEvents = async (file: string): Promise<boolean> => {
    if (!existsSync(file)) return false;
    const store = openSqliteEventStore(file);
    try {
      return (await store.head()) !== START;
    } finally {
      await store.close();
    }
  };
  return openIn(path, async ({ databasePath }) => {
    // Either the copy was finished before, or this is another history: comparing it tells.
    if (await holdsEvents(databasePath))
      return { file: databasePath, isFinished: true, keep: () => undefined };
    const file = `${databasePath}.copy`;
    return { file, keep: () => putInPlace(file, databasePath) };
  });
}

interface CopyFile {
  readonly file: string;
  /** It takes no events. */
  readonly isFinished?: boolean;
  readonly keep: () => void;
}

async function openIn(
  path: string,
  choose: (directory: DataDirectory) => CopyFile | Promise<CopyFile>,
): Promise<CopyEnd> {
  const directory = openDataDirectory(path, systemClock);
  try {
    const { file, isFinished = false, keep } = await choose(directory);
    const store = openSqliteEventStore(file);
    let closed = false;
    const close = async (): Promise<void> => {
      if (closed) return;
      closed = true;
      await store.close();
    };
    return {
      store: isFinished ? unwritable(store, path) : store,
      async keep() {
        await close();
        keep();
      },
      async close() {
        await close();
        directory.release();
      },
    };
  } catch (error) {
    directory.release();
    throw error;
  }
}

function unwritable(store: EventStore, path: string): EventStore {
  return delegating(store, {
    // Those are written as well.
    marks: undefined,
    append: () =>
      Promise.reject(
        new OwlError(
          'refused',
          `${path} holds the beginning of this history, perhaps with a node's work on it, and stays as it is; copy to another directory`,
        ),
      ),
  });
}

/**
 * SQLite has brought its log into the file when it closed it, so the file alone is the database. Its side files stay until the
 * driver gives its handles back, and would then be looked for beside a file that is no longer there.
 */
function putInPlace(file: string, databasePath: string): void {
  for (const path of [databasePath, file])
    for (const suffix of ['-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
  renameSync(file, databasePath);
  syncDirectory(dirname(databasePath));
}

function nothingIn(path: string): OwlError {
  return new OwlError('refused', `${path} is no data directory with a history; name one where a node ran`);
}
