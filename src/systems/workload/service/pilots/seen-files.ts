/**
 * Sizes of files as this node sees them, where it does: storage may be another machine's.
 *
 * Guarantee: storage that does not answer holds up no report for longer than a moment, and is left alone for a while then; so is a
 * directory that is not there.
 */

import { type Stats, stat } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Clock } from '../../../../base/clock.js';
import { limitConcurrency } from '../../../../base/limit-concurrency.js';

/** Node has four threads for this and much else. */
const AT_THE_SAME_TIME = 2;
const ANSWERS_WITHIN_MS = 1_000;
const LEFT_ALONE_MS = 60_000;
/** A directory that is there is not looked for again so long. */
const STAYS_MS = 1_000;
const MOST_DIRECTORIES = 1_000;
/** The one of node:fs/promises makes room for an answer of its own with each call: that was a fourteenth of what a job costs. */
const statOf = promisify(stat);

export class SeenSizes {
  private readonly clock: Clock;
  private readonly look = limitConcurrency(AT_THE_SAME_TIME);
  /** Monotonic milliseconds. */
  private leftAloneUntil = Number.NEGATIVE_INFINITY;
  /** The same of each directory that was not to be seen. */
  private readonly elsewhereUntil = new Map<string, number>();
  private readonly thereUntil = new Map<string, number>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** In bytes; undefined where there is no such file to be seen. @param path below the directory */
  async of(directory: string, path: string): Promise<number | undefined> {
    if (this.clock.monotonic() < this.leftAloneUntil) return undefined;
    const elsewhere = this.elsewhereUntil.get(directory) ?? Number.NEGATIVE_INFINITY;
    if (this.clock.monotonic() < elsewhere) return undefined;
    const found = await this.sizeOf(join(directory, path));
    if (found === undefined && !(await this.isThere(directory)))
      this.note(this.elsewhereUntil, directory, LEFT_ALONE_MS);
    return found;
  }

  private async isThere(directory: string): Promise<boolean> {
    if (this.clock.monotonic() < (this.thereUntil.get(directory) ?? Number.NEGATIVE_INFINITY)) return true;
    const isThere = (await this.stats(directory))?.isDirectory() === true;
    if (isThere) this.note(this.thereUntil, directory, STAYS_MS);
    return isThere;
  }

  private note(until: Map<string, number>, directory: string, ms: number): void {
    if (until.size >= MOST_DIRECTORIES) until.clear();
    until.set(directory, this.clock.monotonic() + ms);
  }

  private async sizeOf(path: string): Promise<number | undefined> {
    const found = await this.stats(path);
    return found?.isFile() === true ? found.size : undefined;
  }

  /** Undefined where there is nothing, and where no answer comes. */
  private stats(path: string): Promise<Stats | undefined> {
    return new Promise((resolve) => {
      const cancel = this.clock.after(ANSWERS_WITHIN_MS, () => {
        this.leftAloneUntil = this.clock.monotonic() + LEFT_ALONE_MS;
        resolve(undefined);
      });
      const settle = (found: Stats | undefined): void => {
        cancel();
        resolve(found);
      };
      this.look(() => statOf(path)).then(settle, () => settle(undefined));
    });
  }
}
