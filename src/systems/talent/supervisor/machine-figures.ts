/** What a supervisor tells of its machine with each heartbeat, for the metrics of its talent. */

import type { UsageMeter } from '../../../processes/usage.js';
import type { SupervisorFigures } from '../wire/supervisor-figures.js';

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
  const sum = (what: 'cpu' | 'memory') => taken.reduce((all, one) => all + (one?.[what] ?? 0), 0);
  return {
    plotters: pids.length,
    cpu_cores: sum('cpu') / 100,
    memory_bytes: sum('memory'),
    waiting: [...waiting].map(([reason, tasks]) => ({ reason, tasks })),
  };
}
