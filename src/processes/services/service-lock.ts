/**
 * The lock that makes a process the log receiver of a data directory, and the name it goes by there.
 *
 * Guarantees: a directory has one log receiver; whoever has the lock has also said who it is, so that its supervisor finds
 * it however it was started, and whoever comes second is told. The system gives the lock back when its holder dies.
 */

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { messageOf, OwlError } from '../../base/errors.js';
import { identifyProcess } from '../../base/process-identity.js';
import { findReportKey, hashOfReportKey } from '../../base/report-key.js';
import { tryLock } from '../../base/sqlite.js';
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
  readonly release: () => void;
  /** What it reports with. */
  readonly reportKey: string | undefined;
}

/**
 * Makes this process the log receiver.
 * @throws OwlError kind `refused` when there is one already (names its pid), `invalid` when the directory can't be used
 */
export function takeReceiverLock({ data, version, server, logger }: ReceiverLockOptions): ReceiverLock {
  const unlock = lock(data);
  let reportKey: string | undefined;
  try {
    const identity = identifyProcess(process.pid);
    if (identity === undefined) throw new Error('there is no /proc here: log receivers run on Linux only');
    reportKey = findReportKey(data, logger);
    writeLogReceiver(data, {
      ...identity,
      version,
      server,
      ...(reportKey === undefined ? {} : { reportKeyHash: hashOfReportKey(reportKey) }),
    });
  } catch (error) {
    unlock();
    throw unusable(data, error);
  }
  const release = (): void => {
    try {
      removeLogReceiver(data);
    } finally {
      unlock();
    }
  };
  return { release, reportKey };
}

function lock(data: string): () => void {
  let unlock: (() => void) | undefined;
  try {
    if (!existsSync(data)) mkdirSync(data, { mode: 0o700 });
    unlock = tryLock(join(data, 'log-receiver.lock'));
  } catch (error) {
    throw unusable(data, error);
  }
  if (unlock !== undefined) return unlock;
  const holder = readLogReceiver(data);
  const who = holder === undefined ? '' : `, process ${holder.pid}`;
  throw new OwlError(
    'refused',
    `data directory ${data} has a log receiver already${who}, and needs no other; supervisors keep one running by themselves, so to run this one stop that one and its supervisor first`,
  );
}

function unusable(data: string, error: unknown): OwlError {
  return new OwlError('invalid', `data directory ${data} can't be used: ${messageOf(error)}`, {
    cause: error,
  });
}
