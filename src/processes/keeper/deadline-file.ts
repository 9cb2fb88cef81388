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
import { type Check, type Checks, fits, isText, isTime, orMissing } from '../records/checks.js';
import { complain } from './complain.js';

/** Of one process, milliseconds since boot. */
export interface Times {
  readonly deadlineMs: number;
  /** Infinity where its grace alone counts. */
  readonly killAtMs: number;
}

/** Milliseconds since boot, by the name of the process. */
type ByName = Readonly<Record<string, number>>;

interface Stored {
  readonly boot_id: string;
  readonly deadlines: ByName;
  /** Those that are killed at a time of their own; a keeper of an earlier version has written none. */
  readonly kills?: ByName;
}

const isByName: Check = (value) =>
  typeof value === 'object' && value !== null && Object.values(value).every(isTime);
const STORED: Checks<Stored> = { boot_id: isText, deadlines: isByName, kills: orMissing(isByName) };

export class DeadlineFile {
  private readonly path: string;
  private isBehind = false;

  /** @param path absolute */
  constructor(path: string) {
    this.path = path;
  }

  /** By the name of the process. What is not told stands as it does in its record. */
  read(): ReadonlyMap<string, Partial<Times>> {
    try {
      const stored: unknown = JSON.parse(readFileSync(this.path, 'utf8'));
      if (fits(stored, STORED) && stored.boot_id === currentBootId()) return timesIn(stored);
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
  write(timesByName: () => Iterable<readonly [name: string, times: Times]>): void {
    if (!this.isBehind) return;
    const all = [...timesByName()];
    const killed = all.filter(([, { killAtMs }]) => Number.isFinite(killAtMs));
    const stored: Stored = {
      boot_id: currentBootId(),
      deadlines: Object.fromEntries(all.map(([name, { deadlineMs }]) => [name, deadlineMs])),
      ...(killed.length === 0
        ? {}
        : { kills: Object.fromEntries(killed.map(([name, { killAtMs }]) => [name, killAtMs])) }),
    };
    writeFileWhole(this.path, `${JSON.stringify(stored)}\n`);
    this.isBehind = false;
  }
}

function timesIn({ deadlines, kills = {} }: Stored): Map<string, Partial<Times>> {
  return new Map(
    Object.entries(deadlines).map(([name, deadlineMs]) => {
      const killAtMs = Object.hasOwn(kills, name) ? kills[name] : undefined;
      return [name, killAtMs === undefined ? { deadlineMs } : { deadlineMs, killAtMs }];
    }),
  );
}
