/**
 * The store that a command on one store works on: the one that is named, or else the one that is configured. A data
 * directory is not locked for it, since a node may run there.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { OwlError } from '../base/errors.js';
import { openDatabase, type SqliteDatabase } from '../base/sqlite.js';
import { EMBEDDED, type NodeConfig } from '../node/config/node-section.js';
import { type Place, parsePlace, placeAt } from './copy-ends.js';

/** @throws UsageError when the text can't be meant */
export function storePlace(
  from: string | undefined,
  { store, data }: Pick<NodeConfig, 'store' | 'data'>,
  cwd: string,
): Place {
  if (from !== undefined) return parsePlace(from, '--from', cwd);
  return placeAt(store === EMBEDDED ? data : store, 'store', cwd);
}

/**
 * A connection to the database in a data directory, which it never makes.
 * @throws OwlError kind `refused` when there is none; StoreUnavailableError
 */
export function openDatabaseIn(directory: string): SqliteDatabase {
  const path = join(directory, 'owl.db');
  if (!existsSync(path)) {
    throw new OwlError(
      'refused',
      `${directory} is no data directory with a history; name one where a node ran`,
    );
  }
  return openDatabase(path);
}
