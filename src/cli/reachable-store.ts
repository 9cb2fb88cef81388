/**
 * EventStoreDB for a command. A node starts and waits for its store; a command is no good without one, so it says in one sentence
 * that nobody answers there, before it has opened or made anything else. Until then nothing of it is logged.
 */

import type { Logger } from 'pino';
import { systemClock } from '../base/clock.js';
import { OwlError } from '../base/errors.js';
import { isTransient } from '../base/failure-kinds.js';
import type { EventStoreDbStore } from '../runtime/event-store/eventstoredb/eventstoredb-store.js';

export interface ReachableStore {
  readonly connectionString: string;
  readonly credentialsFile?: string | undefined;
  /** How messages call it: without a password. */
  readonly name: string;
  readonly logger: Logger;
}

/** @throws OwlError kind `unavailable` when nobody answers there, `invalid` when the settings can't be meant */
export async function openReachable(place: ReachableStore): Promise<EventStoreDbStore> {
  const { connectionString, credentialsFile, name, logger } = place;
  // Loaded here: most commands need no client of EventStoreDB, which is large.
  const { openEventStoreDb } = await import('../runtime/event-store/eventstoredb/eventstoredb-store.js');
  const quiet = logger.child({}, { level: 'silent' });
  let reason = 'it did not answer in time';
  const store = await openEventStoreDb({
    connectionString,
    logger: quiet,
    clock: systemClock,
    onAvailability: (availability) => {
      reason = availability.reason;
    },
    ...(credentialsFile !== undefined && { credentialsFile }),
  });
  try {
    await store.head();
    quiet.level = logger.level;
    return store;
  } catch (error) {
    await store.close();
    if (!isTransient(error)) throw error;
    throw new OwlError(
      'unavailable',
      `no EventStoreDB can be used at ${name} (${reason}); start one there, or name another`,
      { cause: error },
    );
  }
}
