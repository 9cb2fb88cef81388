/**
 * How long ago the last plot was started on this machine.
 *
 * Guarantees: the wall clock has no say in it as long as the machine runs. A start of this process is measured in running
 * time; a plot that a supervisor before it has started, by when its process began after the boot, sleep included. Of a plot
 * from before the boot only the wall clock knows; it began before the boot in any case, so a clock that was set back can't
 * make its start younger than that, and one that was set forward can make it older only.
 */

import type { Clock } from '../../../../base/clock.js';
import type { PlotRecord } from '../../machine/plot-record.js';

/** Linux tells the start of a process in hundredths of a second, whatever the kernel's own tick is. */
const TICK_MS = 10;

export class LastStart {
  private readonly clock: Clock;
  private readonly bootId: string | undefined;
  private readonly known = new Set<string>();
  /** Running time. */
  private newest = Number.NEGATIVE_INFINITY;

  /** @param bootId of this boot, as the kernel writes it; undefined where that is not known */
  constructor(clock: Clock, bootId: string | undefined) {
    this.clock = clock;
    this.bootId = bootId;
  }

  /** A plot has just been started. */
  note(record: PlotRecord): void {
    this.known.add(record.log_path);
    this.newest = this.clock.monotonic();
  }

  /** Milliseconds; Infinity for never. @param records of all plots there are: those not noted yet are of another supervisor */
  age(records: readonly PlotRecord[]): number {
    const now = this.clock.monotonic();
    for (const record of records) {
      if (this.known.has(record.log_path)) continue;
      // Once for each: from now on running time counts.
      this.known.add(record.log_path);
      this.newest = Math.max(this.newest, now - this.ageOf(record));
    }
    return now - this.newest;
  }

  private ageOf({ process, started_time }: PlotRecord): number {
    const sinceBoot = this.clock.sinceBoot();
    const began = Number(process.start_time) * TICK_MS;
    // In a container the time since boot may be the container's, which says nothing of when a process began.
    if (process.boot_id === this.bootId && began <= sinceBoot) return sinceBoot - began;
    const byWall = Math.max(this.clock.now() - started_time * 1000, 0);
    return process.boot_id === this.bootId ? byWall : Math.max(byWall, sinceBoot);
  }
}
