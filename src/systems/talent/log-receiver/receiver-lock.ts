/**
 * The lock that makes a process the log receiver of a data directory, and the name it goes by there.
 *
 * Guarantees: a directory has one log receiver; whoever has the lock has also said who it is, so that its supervisor finds
 * it however it was started, and whoever comes second is told. The system gives the lock back when its holder dies.
 */

import { existsSync, mkdirSync } from 'node:fs';
import type { Logger } from 'pino';
import { FileLock, inUse, unusable } from '../../../base/lock.js';
import { identifyProcess } from '../../../base/process-identity.js';
import { findReportKey, hashOfReportKey } from '../../../base/report-key.js';
import {
  type LogReceiverIdentity,
  readLogReceiver,
  removeLogReceiver,
  writeLogReceiver,
} from '../machine/log-receiver-identity.js';
import type { TalentDirectory } from '../machine/talent-directory.js';

export type ReceiverLockOptions = Pick<LogReceiverIdentity, 'version' | 'server'> & {
  /** Made when it is missing, if its parent is there. */
  readonly machine: TalentDirectory;
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
export function takeReceiverLock({ machine, version, server, logger }: ReceiverLockOptions): ReceiverLock {
  const lock = takeLock(machine);
  try {
    const identity = identifyProcess(process.pid);
    if (identity === undefined) throw new Error('there is no /proc here: log receivers run on Linux only');
    const reportKey = findReportKey(machine.reportKey, logger);
    const hash = reportKey === undefined ? {} : { reportKeyHash: hashOfReportKey(reportKey) };
    const nameAnew = (): void => writeLogReceiver(machine, { ...identity, version, server, ...hash });
    nameAnew();
    const release = (): void => {
      try {
        if (lock.isInPlaceNow()) removeLogReceiver(machine);
      } finally {
        lock.release();
      }
    };
    return { lock, release, nameAnew, reportKey };
  } catch (error) {
    lock.release();
    throw unusable(machine.path, error);
  }
}

function takeLock(machine: TalentDirectory): FileLock {
  const { path } = machine;
  let lock: FileLock | undefined;
  try {
    if (!existsSync(path)) mkdirSync(path, { mode: 0o700 });
    lock = FileLock.take(machine.logReceiverLock);
  } catch (error) {
    throw unusable(path, error);
  }
  if (lock !== undefined) return lock;
  const holder = readLogReceiver(machine);
  const who = holder === undefined ? '' : `, process ${holder.pid}`;
  throw inUse(
    path,
    `has a log receiver already${who}, and needs no other`,
    'supervisors keep one running by themselves, so to run this one stop that one and its supervisor first',
  );
}
