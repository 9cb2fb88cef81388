/**
 * Which process is the log receiver of a data directory, as a file there: it writes it itself, its supervisor reads it.
 *
 * Guarantees: who is answered is alive, and had the directory's lock when it wrote its name; the file is there as a whole
 * or not at all.
 */

import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileDurably } from '../../base/durable-file.js';
import { isAlive, type ProcessIdentity } from '../../base/process-identity.js';

export interface LogReceiverIdentity extends ProcessIdentity {
  /** Of owl. */
  readonly version: string;
  /** HOST:PORT of the talent that it reports to. */
  readonly server: string;
  /** Hash of the key that it reports with; missing when it has none. */
  readonly reportKeyHash?: string | undefined;
}

/** Undefined when there is none, or nobody knows who it is. @param data absolute */
export function readLogReceiver(data: string): LogReceiverIdentity | undefined {
  try {
    const named: unknown = JSON.parse(readFileSync(fileIn(data), 'utf8'));
    return isIdentity(named) && isAlive(named) ? named : undefined;
  } catch {
    // Not there, or not to be read: then it names nobody.
    return undefined;
  }
}

/** For the one that has the lock. Throws what the file system throws. */
export function writeLogReceiver(data: string, identity: LogReceiverIdentity): void {
  writeFileDurably(fileIn(data), `${JSON.stringify(identity)}\n`);
}

/** For the one that wrote it, while it has the lock. */
export function removeLogReceiver(data: string): void {
  rmSync(fileIn(data), { force: true });
}

function fileIn(data: string): string {
  return join(data, 'log-receiver.json');
}

function isIdentity(value: unknown): value is LogReceiverIdentity {
  if (typeof value !== 'object' || value === null) return false;
  const { pid, bootId, startTime, version, server }: Partial<Record<keyof LogReceiverIdentity, unknown>> =
    value;
  return (
    typeof pid === 'number' && [bootId, startTime, version, server].every((one) => typeof one === 'string')
  );
}
