/**
 * What supervisors tell of their machines with each heartbeat: plotters, what these take, and why tasks wait there.
 *
 * Guarantees: nothing of it is stored, and nothing rests on it; what is older than the lease counts no more; reasons are those that
 * owl knows, and all others count together, whatever a supervisor calls them.
 */

import type { Clock } from '../../../../base/clock.js';
import type { SupervisorFigures } from '../../wire/supervisor-figures.js';

/** As supervisors name them (src/systems/talent/supervisor/starting). */
export const WAIT_REASONS = [
  ...['draining', 'max_plots', 'max_per_cache', 'stagger', 'space', 'size', 'directories', 'program', 'data'],
  ...['start', 'not_looked_at'],
] as const;

export interface MachinesTold {
  readonly plotters: number;
  /** Cores that they keep busy. */
  readonly cpuCores: number;
  readonly memoryBytes: number;
  /** Tasks by reason. */
  readonly waiting: ReadonlyMap<string, number>;
}

interface Told {
  readonly figures: SupervisorFigures;
  /** Monotonic milliseconds. */
  readonly until: number;
}

export class MachineFigures {
  private readonly clock: Pick<Clock, 'monotonic'>;
  /** By worker; what was told last stands last. */
  private readonly told = new Map<string, Told>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.clock = clock;
  }

  note(workerId: string, leaseSeconds: number, figures: SupervisorFigures | undefined): void {
    this.told.delete(workerId);
    if (figures === undefined) return;
    const now = this.clock.monotonic();
    this.told.set(workerId, { figures, until: now + leaseSeconds * 1000 });
    for (const [oldest, { until }] of this.told) {
      if (until > now) break;
      this.told.delete(oldest);
    }
  }

  forget(workerId: string): void {
    this.told.delete(workerId);
  }

  sum(): MachinesTold {
    const now = this.clock.monotonic();
    const sums = { plotters: 0, cpuCores: 0, memoryBytes: 0 };
    const waiting = new Map<string, number>([...WAIT_REASONS, 'other'].map((reason) => [reason, 0]));
    for (const { figures, until } of this.told.values()) {
      if (until <= now) continue;
      sums.plotters += figures.plotters ?? 0;
      sums.cpuCores += figures.cpu_cores ?? 0;
      sums.memoryBytes += figures.memory_bytes ?? 0;
      for (const { reason = '', tasks = 0 } of figures.waiting ?? []) {
        const known = waiting.has(reason) ? reason : 'other';
        waiting.set(known, (waiting.get(known) ?? 0) + tasks);
      }
    }
    return { ...sums, waiting };
  }
}
