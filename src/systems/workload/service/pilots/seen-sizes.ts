/**
 * Sizes of files as this node sees them, where it does: storage may be another machine's.
 *
 * Guarantee: storage that does not answer holds up no report for longer than a moment, and is left alone for a while then; so is a
 * directory that is not there.
 */

import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../../../base/clock.js';
import { limitConcurrency } from '../../../../base/limit-concurrency.js';

/** Node has four threads for this and much else. */
const AT_THE_SAME_TIME = 2;
const ANSWERS_WITHIN_MS = 1_000;
const LEFT_ALONE_MS = 60_000;
const MOST_DIRECTORIES = 1_000;

export class SeenSizes {
  private readonly clock: Clock;
  private readonly look = limitConcurrency(AT_THE_SAME_TIME);
  /** Monotonic milliseconds. */
  private leftAloneUntil = Number.NEGATIVE_INFINITY;
  /** The same of each directory that was not to be seen. */
  private readonly elsewhereUntil = new Map<string, number>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** In bytes; undefined where there is no such file to be seen. @param path below the directory */
  async of(directory: string, path: string): Promise<number | undefined> {
    if (this.clock.monotonic() < this.leftAloneUntil) return undefined;
    const elsewhere = this.elsewhereUntil.get(directory) ?? Number.NEGATIVE_INFINITY;
    if (this.clock.monotonic() < elsewhere) return undefined;
    const found = await this.sizeOf(join(directory, path));
    if (found === undefined && !(await this.isThere(directory))) {
      if (this.elsewhereUntil.size >= MOST_DIRECTORIES) this.elsewhereUntil.clear();
      this.elsewhereUntil.set(directory, this.clock.monotonic() + LEFT_ALONE_MS);
    }
    return found;
  }

  private async isThere(directory: string): Promise<boolean> {
    return (await this.stats(directory))?.isDirectory() === true;
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
      this.look(() => stat(path)).then(settle, () => settle(undefined));
    });
  }
}
