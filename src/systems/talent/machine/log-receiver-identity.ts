/**
 * Which process is the log receiver of a data directory, as a file there: it writes it itself, its supervisor reads it.
 *
 * Guarantees: who is answered is alive, and had the directory's lock when it wrote its name; the file is there as a whole
 * or not at all.
 */

import { readFileSync, rmSync } from 'node:fs';
import { writeFileDurably } from '../../../base/durable-file.js';
import { isAlive, type ProcessIdentity } from '../../../base/process-identity.js';
import type { TalentDirectory } from './talent-directory.js';

export interface LogReceiverIdentity extends ProcessIdentity {
  /** Of owl. */
  readonly version: string;
  /** HOST:PORT of the talent that it reports to. */
  readonly server: string;
  /** Hash of the key that it reports with; missing when it has none. */
  readonly reportKeyHash?: string | undefined;
}

/** Undefined when there is none, or nobody knows who it is. */
export function readLogReceiver({ logReceiverIdentity }: TalentDirectory): LogReceiverIdentity | undefined {
  try {
    const named: unknown = JSON.parse(readFileSync(logReceiverIdentity, 'utf8'));
    return isIdentity(named) && isAlive(named) ? named : undefined;
  } catch {
    // Not there, or not to be read: then it names nobody.
    return undefined;
  }
}

/** For the one that has the lock. Throws what the file system throws. */
export function writeLogReceiver(machine: TalentDirectory, identity: LogReceiverIdentity): void {
  writeFileDurably(machine.logReceiverIdentity, `${JSON.stringify(identity)}\n`);
}

/** For the one that wrote it, while it has the lock. */
export function removeLogReceiver({ logReceiverIdentity }: TalentDirectory): void {
  rmSync(logReceiverIdentity, { force: true });
}

function isIdentity(value: unknown): value is LogReceiverIdentity {
  if (typeof value !== 'object' || value === null) return false;
  const { pid, bootId, startTime, version, server }: Partial<Record<keyof LogReceiverIdentity, unknown>> =
    value;
  return (
    typeof pid === 'number' && [bootId, startTime, version, server].every((one) => typeof one === 'string')
  );
}
