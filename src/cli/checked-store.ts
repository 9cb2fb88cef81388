/** The store that `owl store check`, `info` and `events` read, whichever kind it is. */

import type { Logger } from 'pino';
import { DamagedStreamError, messageOf } from '../base/errors.js';
import type { CheckedStore, Unreadable } from '../runtime/event-store/check-store.js';
import type { ReadStreamOptions, RecordedEvent, StreamName } from '../runtime/event-store/event-store.js';
import { SqliteCheck } from '../runtime/event-store/sqlite/sqlite-check.js';
import type { Place } from './copy-ends.js';
import { openReachable } from './reachable-store.js';
import { openDatabaseIn } from './store-place.js';

export interface OpenChecked extends CheckedStore {
  /** Events that were read and have no checksum, as far as the store can tell. */
  readonly unchecked: number;
  /** Nothing for a stream that there is not; what can't be read of one stands in its place. */
  readPart(stream: StreamName, options: ReadStreamOptions): AsyncIterable<RecordedEvent | Unreadable>;
  /** Of all streams; none where that would mean reading the whole store. */
  names(): Iterable<StreamName>;
  close(): Promise<void>;
}

/** @throws OwlError kind `refused` when nothing is there */
export function openChecked(
  place: Place,
  credentialsFile: string | undefined,
  logger: Logger,
): Promise<OpenChecked> {
  return place.kind === 'directory'
    ? Promise.resolve(openFile(place.path))
    : openServer(place, credentialsFile, logger);
}

function openFile(path: string): OpenChecked {
  const db = openDatabaseIn(path);
  try {
    const check = new SqliteCheck(db);
    return {
      readAll: () => check.readAll(),
      readStream: (stream, limit) => check.readStream(stream, limit),
      readPart: (stream, options) => check.readPart(stream, options),
      names: () => check.names(),
      others: () => check.others(),
      get unchecked() {
        return check.unchecked;
      },
      close: async () => db.close(),
    };
  } catch (error) {
    db.close();
    throw error;
  }
}

async function openServer(
  place: Extract<Place, { kind: 'eventstoredb' }>,
  credentialsFile: string | undefined,
  logger: Logger,
): Promise<OpenChecked> {
  const store = await openReachable({ ...place, credentialsFile, logger });
  return {
    readAll: () => store.readAll(),
    readStream: (stream, limit) => store.readStream(stream, { limit }),
    async *readPart(stream, options) {
      try {
        yield* store.readStream(stream, options);
      } catch (error) {
        if (!(error instanceof DamagedStreamError)) throw error;
        yield { unreadable: { stream, revision: error.revision, problem: messageOf(error) } };
      }
    },
    names: () => [],
    async *others() {},
    unchecked: 0,
    close: () => store.close(),
  };
}
