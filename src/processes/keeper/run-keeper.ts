/**
 * The keeper's process. Each owner has a program of its own that calls this, for the keeper has to know how that owner names
 * its processes. A second one for the same directory ends at once, so an owner may start one whenever it finds none. A
 * signal to end ends it unless it has something to keep.
 *
 * Guarantee: once it listens, no error ends it: what it keeps is worth more than an orderly end.
 */

import { systemClock } from '../../base/clock.js';
import { messageOf } from '../../base/errors.js';
import { tryLock } from '../../base/sqlite.js';
import type { ProcessRecords } from '../records/process-records.js';
import { complain } from './complain.js';
import { Keeper } from './keeper.js';

/** Resolves once it listens, or when another does. */
export async function runKeeper<Key extends object, Own extends Key>(
  records: ProcessRecords<Key, Own>,
): Promise<void> {
  const unlock = tryLock(records.directory.keeperLock);
  if (unlock === undefined) return;
  const keeper = new Keeper({
    records,
    clock: systemClock,
    onIdle: () => void keeper.close().then(unlock),
  });
  const listening = keeper.listen();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'])
    process.on(signal, () => void listening.then(() => keeper.endWhenIdle()));
  await listening;
  for (const trouble of ['uncaughtException', 'unhandledRejection'])
    process.on(trouble, (error: unknown) => complain(`going on after an error: ${messageOf(error)}`));
}
