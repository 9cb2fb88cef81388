/**
 * What a supervisor tells of its machine with each heartbeat, for the metrics of its talent.
 *
 * Guarantee: nothing of it is refused, whatever was measured: a heartbeat that is refused costs the lease.
 */

import type { UsageMeter } from '../../../processes/usage.js';
import type { SupervisorFigures } from '../wire/supervisor-figures.js';

const REASON = /^[a-z][a-z_]{0,39}$/;

/**
 * @param pids of the plotters that run
 * @param waiting tasks by kind of reason
 */
export function machineFigures(
  pids: readonly number[],
  waiting: ReadonlyMap<string, number>,
  usage: Pick<UsageMeter, 'of'>,
): SupervisorFigures {
  const taken = pids.map((pid) => usage.of(pid));
  const sum = (what: 'cpu' | 'memory') => taken.reduce((all, one) => all + measured(one?.[what]), 0);
  const reasons = new Map<string, number>();
  for (const [reason, tasks] of waiting) {
    const kind = REASON.test(reason) ? reason : 'other';
    reasons.set(kind, (reasons.get(kind) ?? 0) + tasks);
  }
  return {
    plotters: pids.length,
    cpu_cores: sum('cpu') / 100,
    memory_bytes: sum('memory'),
    waiting: [...reasons].map(([reason, tasks]) => ({ reason, tasks })),
  };
}

/** Nothing where the system tells nonsense, as of a process that has just begun. */
function measured(value: number | undefined): number {
  return value !== undefined && Number.isFinite(value) && value > 0 ? value : 0;
}
