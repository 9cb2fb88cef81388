/**
 * Whether a plotter has printed nothing for long: it may hang, and nobody else would say so.
 *
 * Guarantees: said once in each silence; the time in which it was halted does not count, and no clock that is set does.
 */

import { statSync } from 'node:fs';
import type { Clock } from '../../../../base/clock.js';

export class QuietLog {
  private readonly path: string;
  private readonly clock: Clock;
  private readonly quietMs: number;
  private size = -1;
  /** Running time. */
  private since = 0;
  private isSaid = false;

  /** @param quietMs 0: it may be silent for ever */
  constructor(path: string, clock: Clock, quietMs: number) {
    this.path = path;
    this.clock = clock;
    this.quietMs = quietMs;
  }

  /**
   * To be called now and then.
   * @returns once in a silence, since which size of its log it has printed nothing
   */
  look(isHalted: boolean): number | undefined {
    if (this.quietMs === 0) return undefined;
    const now = this.clock.monotonic();
    const size = statSync(this.path, { throwIfNoEntry: false })?.size ?? 0;
    if (size !== this.size || isHalted) {
      this.size = size;
      this.since = now;
      this.isSaid = false;
      return undefined;
    }
    if (this.isSaid || now - this.since < this.quietMs) return undefined;
    this.isSaid = true;
    return size;
  }
}
