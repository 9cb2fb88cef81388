/**
 * The deadlines of a keeper as a file, for the keeper that follows it when it is killed. Those that processes are started with stand
 * in their records; here are all of them once one was moved.
 *
 * Guarantee: what can't be written, or is of another boot, counts as not moved: then a process has less time, and never more.
 */

import { readFileSync } from 'node:fs';
import { writeFileWhole } from '../../base/durable-file.js';
import { messageOf } from '../../base/errors.js';
import { currentBootId } from '../../base/process-identity.js';
import { systemErrorCode } from '../../base/system-error.js';
import { type Checks, fits, isText, isTime } from '../records/checks.js';
import { complain } from './complain.js';

interface Stored {
  readonly boot_id: string;
  /** Milliseconds since boot, by the name of the process. */
  readonly deadlines: Readonly<Record<string, number>>;
}

const STORED: Checks<Stored> = {
  boot_id: isText,
  deadlines: (value) => typeof value === 'object' && value !== null && Object.values(value).every(isTime),
};

export class DeadlineFile {
  private readonly path: string;
  private isBehind = false;

  /** @param path absolute */
  constructor(path: string) {
    this.path = path;
  }

  /** Milliseconds since boot, by the name of the process. */
  read(): ReadonlyMap<string, number> {
    try {
      const stored: unknown = JSON.parse(readFileSync(this.path, 'utf8'));
      if (fits(stored, STORED) && stored.boot_id === currentBootId())
        return new Map(Object.entries(stored.deadlines));
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT')
        complain(`deadlines that were moved can't be read: ${messageOf(error)}`);
    }
    return new Map();
  }

  /** One was moved. */
  note(): void {
    this.isBehind = true;
  }

  /** Where one was moved since. To be called now and then. */
  write(deadlines: () => Iterable<readonly [name: string, deadlineMs: number]>): void {
    if (!this.isBehind) return;
    const stored: Stored = { boot_id: currentBootId(), deadlines: Object.fromEntries(deadlines()) };
    writeFileWhole(this.path, `${JSON.stringify(stored)}\n`);
    this.isBehind = false;
  }
}
