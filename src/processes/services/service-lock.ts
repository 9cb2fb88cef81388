/**
 * The lock that makes a process the log receiver of a data directory, and the name it goes by there.
 *
 * Guarantees: a directory has one log receiver; whoever has the lock has also said who it is, so that its supervisor finds
 * it however it was started, and whoever comes second is told. The system gives the lock back when its holder dies.
 */

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { FileLock, inUse, unusable } from '../../base/lock.js';
import { identifyProcess } from '../../base/process-identity.js';
import { findReportKey, hashOfReportKey } from '../../base/report-key.js';
import {
  type LogReceiverIdentity,
  readLogReceiver,
  removeLogReceiver,
  writeLogReceiver,
} from './service-identity.js';

export type ReceiverLockOptions = Pick<LogReceiverIdentity, 'version' | 'server'> & {
  /** Made when it is missing, if its parent is there. Absolute. */
  readonly data: string;
  readonly logger: Logger;
};

export interface ReceiverLock {
  readonly lock: FileLock;
  /** Takes the name away, unless it is another's by now, and gives the lock back. */
  readonly release: () => void;
  /** Says who this is, again: what a lock that was taken anew needs. */
  readonly nameAnew: () => void;
  /** What it reports with. */
  readonly reportKey: string | undefined;
}

/**
 * Makes this process the log receiver.
 * @throws OwlError kind `refused` when there is one already (names its pid), `invalid` when the directory can't be used
 */
export function takeReceiverLock({ data, version, server, logger }: ReceiverLockOptions): ReceiverLock {
  const lock = takeLock(data);
  try {
    const identity = identifyProcess(process.pid);
    if (identity === undefined) throw new Error('there is no /proc here: log receivers run on Linux only');
    const reportKey = findReportKey(data, logger);
    const hash = reportKey === undefined ? {} : { reportKeyHash: hashOfReportKey(reportKey) };
    const nameAnew = (): void => writeLogReceiver(data, { ...identity, version, server, ...hash });
    nameAnew();
    const release = (): void => {
      try {
        if (lock.isInPlaceNow()) removeLogReceiver(data);
      } finally {
        lock.release();
      }
    };
    return { lock, release, nameAnew, reportKey };
  } catch (error) {
    lock.release();
    throw unusable(data, error);
  }
}

function takeLock(data: string): FileLock {
  let lock: FileLock | undefined;
  try {
    if (!existsSync(data)) mkdirSync(data, { mode: 0o700 });
    lock = FileLock.take(join(data, 'log-receiver.lock'));
  } catch (error) {
    throw unusable(data, error);
  }
  if (lock !== undefined) return lock;
  const holder = readLogReceiver(data);
  const who = holder === undefined ? '' : `, process ${holder.pid}`;
  throw inUse(
    data,
    `has a log receiver already${who}, and needs no other`,
    'supervisors keep one running by themselves, so to run this one stop that one and its supervisor first',
  );
}
