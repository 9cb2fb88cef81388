/**
 * How long running plots still take, from how long earlier plots of their size took on their machine. An estimate for
 * people: it says nothing rather than something made up, and it may be a minute old.
 */

import type { PlotTaskQueries } from '../../../../../projections/talent/plot-task-queries.js';
import type { Clock } from '../../../../base/clock.js';
import type { SqlRow } from '../../../../base/sql.js';

/** So many of the newest finished plots of a machine count. */
const EARLIER_PLOTS = 100;
/** How long what was looked up counts. */
const FRESH_MS = 60_000;

export class TimeLeft {
  private readonly tasks: PlotTaskQueries;
  private readonly clock: Clock;
  /** Seconds that a plot usually takes, by worker and then by k. */
  private usual = new Map<string, ReadonlyMap<number, number>>();
  private lookedUpAt = Number.NEGATIVE_INFINITY;

  constructor(tasks: PlotTaskQueries, clock: Clock) {
    this.tasks = tasks;
    this.clock = clock;
  }

  /** Seconds; undefined for what does not run and for what nothing is known of. @param row of `plot_tasks` */
  of(row: SqlRow): number | undefined {
    const { status, running_time: since, progress, ksize, worker_id: workerId } = row;
    if (status !== 'running' || typeof since !== 'number') return undefined;
    const elapsed = this.clock.now() / 1000 - since;
    const usual = this.usualOn(String(workerId)).get(Number(ksize));
    return estimateSecondsLeft(typeof progress === 'number' ? progress : 0, elapsed, usual);
  }

  private usualOn(workerId: string): ReadonlyMap<number, number> {
    const now = this.clock.monotonic();
    if (now - this.lookedUpAt >= FRESH_MS) {
      this.usual = new Map();
      this.lookedUpAt = now;
    }
    const known = this.usual.get(workerId) ?? this.lookUp(workerId);
    this.usual.set(workerId, known);
    return known;
  }

  private lookUp(workerId: string): ReadonlyMap<number, number> {
    const totals = new Map<number, number[]>();
    for (const { ksize, seconds } of this.tasks.durations(workerId, EARLIER_PLOTS))
      totals.set(ksize, [...(totals.get(ksize) ?? []), seconds]);
    return new Map([...totals].map(([ksize, all]) => [ksize, medianOf(all)]));
  }
}

/**
 * @param progress 0 to 100
 * @param elapsedSeconds since the plotter began
 * @param usualSeconds what a plot takes from begin to finished; without it, this plot's own pace counts
 * @returns seconds; undefined when nothing is known
 */
export function estimateSecondsLeft(
  progress: number,
  elapsedSeconds: number,
  usualSeconds: number | undefined,
): number | undefined {
  if (!(progress >= 0)) return undefined;
  const share = Math.min(progress, 100) / 100;
  if (usualSeconds !== undefined) return usualSeconds * (1 - share);
  if (share === 0 || !Number.isFinite(elapsedSeconds) || elapsedSeconds <= 0) return undefined;
  return (elapsedSeconds / share) * (1 - share);
}

/** One plot that stood still for a day does not count for more than any other. @param values at least one */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}
