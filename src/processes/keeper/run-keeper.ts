/**
 * The keeper's process. Each owner has a program of its own that calls this, for the keeper has to know how that owner names
 * its processes. A second one for the same directory ends at once, so an owner may start one whenever it finds none. A
 * signal to end ends it unless it has something to keep. One that is killed is followed by another (guardian.ts).
 *
 * Guarantees: once it listens, no error ends it: what it keeps is worth more than an orderly end. Where its lock's file was
 * deleted and another keeper has the directory, it keeps what it has to the end and starts nothing more.
 */

import { systemClock } from '../../base/clock.js';
import { messageOf } from '../../base/errors.js';
import { FileLock, guardLock } from '../../base/lock.js';
import type { ProcessRecords } from '../records/process-records.js';
import { complain } from './complain.js';
import { Guardian } from './guardian.js';
import { Keeper } from './keeper.js';

/** Resolves once it listens, or when another does. */
export async function runKeeper<Key extends object, Own extends Key>(
  records: ProcessRecords<Key, Own>,
): Promise<void> {
  const lock = FileLock.take(records.directory.keeperLock);
  if (lock === undefined) return;
  const ending = new AbortController();
  const [, program = ''] = process.argv;
  const guardian = new Guardian(program, records.directory.path, systemClock);
  const keeper = new Keeper({
    ...{ records, clock: systemClock, guardian },
    onIdle: () => {
      ending.abort();
      guardian.dismiss();
      void keeper.close().then(() => lock.release());
    },
  });
  const listening = keeper.listen();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'])
    process.on(signal, () => void listening.then(() => keeper.endWhenIdle()));
  await listening;
  void guardLock(lock, {
    ...{ clock: systemClock, signal: ending.signal },
    logger: { warn: (fields: object, message?: string) => complain(`${message}: ${JSON.stringify(fields)}`) },
    onTaken: () => keeper.makeWay(true),
    onTakenAnew: () => keeper.makeWay(false),
  });
  for (const trouble of ['uncaughtException', 'unhandledRejection'])
    process.on(trouble, (error: unknown) => complain(`going on after an error: ${messageOf(error)}`));
}
