/**
 * How long running tasks still take, by what earlier plots of the same size took on the same machine. An estimate for
 * people: it costs one page of finished tasks per machine, and where nothing is known it says nothing.
 */

import { estimateSecondsLeft } from '../log-receiver/eta.js';
import type { PlotTaskStatus } from '../wire/messages.js';
import type { PlotManagerClient } from '../wire/plot-manager-client.js';

/** The newest so many finished plots of a machine count. */
const EARLIER_PLOTS = 100;

export class TimeLeft {
  private readonly talent: PlotManagerClient;
  /** What earlier plots took, in seconds, by worker and then by k. */
  private readonly earlier = new Map<string, ReadonlyMap<number, readonly number[]>>();

  constructor(talent: PlotManagerClient) {
    this.talent = talent;
  }

  /** Seconds by task id, for those of these tasks that run and of which something can be said. */
  async of(tasks: readonly PlotTaskStatus[], nowMs: number): Promise<ReadonlyMap<string, number>> {
    const left = new Map<string, number>();
    for (const { task_id = '', worker_id = '', status, running_time, plot_details = {} } of tasks) {
      if (status !== 'running' || running_time === undefined) continue;
      const totals = (await this.earlierOn(worker_id)).get(plot_details.ksize ?? 0) ?? [];
      const seconds = estimateSecondsLeft(plot_details.progress ?? 0, nowMs / 1000 - running_time, totals);
      if (seconds !== undefined) left.set(task_id, seconds);
    }
    return left;
  }

  private async earlierOn(workerId: string): Promise<ReadonlyMap<number, readonly number[]>> {
    const known = this.earlier.get(workerId);
    if (known !== undefined) return known;
    const { tasks = [] } = await this.talent.list({
      statuses: ['finished'],
      worker_id: workerId,
      page_size: EARLIER_PLOTS,
      newest_first: true,
    });
    const totals = new Map<number, number[]>();
    for (const { running_time, finished_time, plot_details } of tasks) {
      if (running_time === undefined || finished_time === undefined) continue;
      const ksize = plot_details?.ksize ?? 0;
      totals.set(ksize, [...(totals.get(ksize) ?? []), finished_time - running_time]);
    }
    this.earlier.set(workerId, totals);
    return totals;
  }
}
