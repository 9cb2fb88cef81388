/**
 * The event store that the configuration names, and whether it is there.
 *
 * Guarantees: nothing else in a node knows which store it is. A history that is missing is not begun anew: an embedded
 * store without events of owl, in a directory where a node has worked before, is refused. Read models of different kinds of stores never share a
 * file, since positions of the one mean nothing to the other. A call waits for a store that has just gone, and is refused
 * at once when that has been away for as long as a call may take: else callers would queue behind each other's deadlines.
 */

import { statSync } from 'node:fs';
import type { Logger } from 'pino';
import { type Clock, systemClock } from '../base/clock.js';
import { OwlError, StoreUnavailableError } from '../base/errors.js';
import { delegating } from '../runtime/event-store/delegating-store.js';
import type { EventStore } from '../runtime/event-store/event-store.js';
import { parseConnectionString } from '../runtime/event-store/eventstoredb/connection/connection-string.js';
import { openSqliteEventStore } from '../runtime/event-store/sqlite/sqlite-event-store.js';
import type { LifeCycle } from '../runtime/life-cycle/life-cycle.js';
import { EMBEDDED, type NodeConfig } from './config/node-section.js';
import type { DataDirectory } from './data-directory.js';

export interface OpenedStore {
  readonly store: EventStore;
  /** The SQLite file of read models, timers and snapshots. */
  readonly databasePath: string;
  readonly presence: StorePresence;
  /** Milliseconds for one call; undefined for the embedded store, which has no deadline. */
  readonly deadlineMs: number | undefined;
}

/** Whether the store answers. */
export class StorePresence {
  private readonly clock: Clock;
  private awaySince: number | undefined;
  private reason = 'there was no connection yet';
  private ended = false;
  private listener: (present: boolean) => void = () => undefined;

  /** @param present as long as nothing else is told */
  constructor(present: boolean, clock: Clock) {
    this.clock = clock;
    this.awaySince = present ? undefined : clock.monotonic();
  }

  /** @param reason why not; for people */
  tell(present: boolean, reason: string): void {
    if (this.ended) return;
    this.reason = reason;
    this.awaySince = present ? undefined : (this.awaySince ?? this.clock.monotonic());
    this.listener(present);
  }

  /** Why it is not there; undefined while it is. For people. */
  get problem(): string | undefined {
    return this.awaySince === undefined
      ? undefined
      : `the event store is away or takes no writes (${this.reason})`;
  }

  /** This process has lost it for good, whatever is told later. */
  end(reason: string): void {
    this.tell(false, reason);
    this.ended = true;
  }

  /** The listener is told at once, and then of every change. There is one. */
  follow(listener: (present: boolean) => void): void {
    this.listener = listener;
    listener(this.awaySince === undefined);
  }

  /** @throws StoreUnavailableError when the store has been away for longer than this */
  assertNotAwayFor(longestMs: number): void {
    if (this.awaySince === undefined || this.clock.monotonic() - this.awaySince < longestMs) return;
    throw new StoreUnavailableError(
      `EventStoreDB is away (${this.reason}); nothing was stored: send again later`,
      'refused',
    );
  }
}

/**
 * @throws OwlError kind `invalid` when the settings or the files they name can't be used, `refused` when the history is missing
 * @throws StoreUnavailableError when the embedded store can't be opened
 */
export async function openConfiguredStore(
  config: Pick<NodeConfig, 'store' | 'store_credentials_file'>,
  directory: DataDirectory,
  logger: Logger,
  lifeCycle: LifeCycle,
): Promise<OpenedStore> {
  const { store: connectionString, store_credentials_file: credentialsFile } = config;
  if (connectionString === EMBEDDED) {
    const presence = new StorePresence(true, systemClock);
    const { databasePath } = directory;
    return {
      store: openEmbedded(directory, presence, lifeCycle),
      databasePath,
      presence,
      deadlineMs: undefined,
    };
  }
  const presence = new StorePresence(false, systemClock);
  // Loaded here: the client of EventStoreDB is large, and an embedded store needs none of it.
  const { DEFAULT_DEADLINE_MS, openEventStoreDb } = await import(
    '../runtime/event-store/eventstoredb/eventstoredb-store.js'
  );
  const store = await openEventStoreDb({
    connectionString,
    logger,
    onAvailability: ({ available, reason }) => presence.tell(available, reason),
    ...(credentialsFile === undefined ? {} : { credentialsFile }),
  });
  const deadlineMs = parseConnectionString(connectionString).deadlineMs ?? DEFAULT_DEADLINE_MS;
  return {
    store: refusingWhileAway(store, () => presence.assertNotAwayFor(deadlineMs)),
    databasePath: directory.readModelsPath,
    presence,
    deadlineMs,
  };
}

function openEmbedded(directory: DataDirectory, presence: StorePresence, lifeCycle: LifeCycle): EventStore {
  const { databasePath, isKnown } = directory;
  assertHistoryIsThere(directory);
  try {
    return openSqliteEventStore(databasePath, {
      mayBeNew: !isKnown,
      lifeCycle,
      onAvailability: ({ available, reason }) => presence.tell(available, reason),
    });
  } catch (error) {
    if (error instanceof OwlError && error.kind === 'refused') throw historyIsMissing(directory, error);
    throw error;
  }
}

type Holding = Pick<DataDirectory, 'path' | 'databasePath' | 'isKnown'>;

/** @throws OwlError kind `refused` when a node has worked there and its embedded history is gone */
export function assertHistoryIsThere(directory: Holding): void {
  // SQLite would throw away the log of a database that is gone, and with it what may still be saved.
  const bytes = statSync(directory.databasePath, { throwIfNoEntry: false })?.size ?? 0;
  if (directory.isKnown && bytes === 0) throw historyIsMissing(directory);
}

function historyIsMissing({ path, databasePath }: Holding, cause?: OwlError): OwlError {
  return new OwlError(
    'refused',
    `a node has worked in ${path} before, but ${databasePath} is missing or holds no events of owl; restore it from a backup, or set store to where the history of this node is; to begin a new one, use another directory or remove worker-id and read-models.db from this one`,
    { cause },
  );
}

/** Subscriptions and the search for the end are those of readers, which wait for the store by themselves. */
function refusingWhileAway(store: EventStore, assertPresent: () => void): EventStore {
  return delegating(store, {
    async append(...parameters) {
      assertPresent();
      return await store.append(...parameters);
    },
    async *readStream(...parameters) {
      assertPresent();
      yield* store.readStream(...parameters);
    },
    async *readAll(...parameters) {
      assertPresent();
      yield* store.readAll(...parameters);
    },
  });
}
