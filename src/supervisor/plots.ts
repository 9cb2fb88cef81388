/**
 * All plots of this machine that are not settled: those of this supervisor and those that one before it has started.
 *
 * Guarantees: every record becomes one plot, once; each is looked at every second and whenever the keeper tells of an end;
 * what talent has given up meanwhile is found out.
 */

import type { Logger } from 'pino';
import { wait } from '../runtime/backoff.js';
import { messageOf } from '../runtime/errors.js';
import type { PlotTaskStatus } from '../wire/messages.js';
import { type PlotKey, type PlotRecord, readPlotRecords } from '../wire/plot-record.js';
import { Plot, type PlotEnvironment } from './plot.js';

const LOOK_EVERY_MS = 1_000;
const ASK_TALENT_EVERY_MS = 60_000;
const RUNNING = ['started', 'running', 'stopping'];
const OVER: ReadonlySet<string> = new Set(['finished', 'stopped', 'failed']);

export interface PlotsOptions extends PlotEnvironment {
  readonly logger: Logger;
  /** One has ended or is settled: there may be room for another. */
  readonly onChange: () => void;
}

export class Plots {
  private readonly options: PlotsOptions;
  private readonly plots = new Map<string, Plot>();
  private readonly lives = new Set<Promise<void>>();
  private looking: Promise<void> | undefined;

  constructor(options: PlotsOptions) {
    this.options = options;
  }

  /** Takes over what is recorded. To be called once the keeper is known. */
  adopt(): void {
    const { data, logger } = this.options;
    const { plots, problems } = readPlotRecords(data);
    for (const problem of problems) logger.error({ problem }, 'a plot can not be taken over');
    for (const { record } of plots) {
      logger.info({ taskId: record.task_id, pid: record.process.pid }, 'taking over a plot');
      this.add(record);
    }
    this.looking = this.lookAgainAndAgain();
  }

  /** Begins to watch a plot. */
  add(record: PlotRecord): void {
    const name = nameOf(record);
    if (this.plots.has(name)) return;
    const plot = new Plot(record, this.options);
    this.plots.set(name, plot);
    plot.look();
    const life = this.live(name, plot).finally(() => this.lives.delete(life));
    this.lives.add(life);
  }

  get(key: PlotKey): Plot | undefined {
    return this.plots.get(nameOf(key));
  }

  /** Any attempt of that task that has not ended. */
  runningOf(taskId: string): Plot | undefined {
    return this.running().find(({ record }) => record.task_id === taskId);
  }

  all(): Plot[] {
    return [...this.plots.values()];
  }

  running(): Plot[] {
    return this.all().filter(({ end }) => end === undefined);
  }

  /** Its end is said to be recorded. */
  noteEnded(key: PlotKey): void {
    const plot = this.get(key);
    plot?.look();
    if (plot?.end !== undefined) this.options.onChange();
  }

  look(): void {
    for (const plot of this.running()) {
      plot.look();
      if (plot.end !== undefined) this.options.onChange();
    }
  }

  /** Asks talent how the running plots stand there, and ends those that it has given up. */
  async compareWithTalent(workerId: string | undefined): Promise<void> {
    const { client } = this.options;
    const known = new Map<string, PlotTaskStatus>();
    const filter = { statuses: RUNNING, ...(workerId === undefined ? {} : { worker_id: workerId }) };
    for await (const page of client.pages(filter))
      for (const task of page) if (task.task_id !== undefined) known.set(task.task_id, task);
    for (const plot of this.running()) {
      const { task_id, attempt, announced } = plot.record;
      if (!announced) continue;
      const task = known.get(task_id) ?? (await client.status({ task_id }));
      // A talent that never heard of the task may be the wrong one: that is no reason to end plots.
      if (task.existed !== true || task.attempt === undefined) continue;
      if (task.attempt > attempt) plot.abandon(`talent is at attempt ${task.attempt}`);
      else if (OVER.has(task.status ?? '')) plot.abandon(`the task is ${task.status}: ${task.remarks ?? ''}`);
      else plot.notePlotId(task.plot_details?.id);
    }
  }

  /** The signal has aborted: waits until nobody writes any more. */
  async ended(): Promise<void> {
    await this.looking;
    await Promise.all(this.lives);
  }

  private async live(name: string, plot: Plot): Promise<void> {
    const { logger, onChange, signal } = this.options;
    try {
      await plot.run();
      if (signal.aborted) return;
    } catch (error) {
      logger.error(
        { err: error, taskId: plot.record.task_id },
        'a plot could not be settled; the next start tries again',
      );
      return;
    }
    this.plots.delete(name);
    onChange();
  }

  private async lookAgainAndAgain(): Promise<void> {
    const { clock, signal, logger } = this.options;
    let nextAsking = clock.now() + ASK_TALENT_EVERY_MS;
    while (!signal.aborted) {
      this.look();
      if (clock.now() >= nextAsking) {
        nextAsking = clock.now() + ASK_TALENT_EVERY_MS;
        await this.compareWithTalent(undefined).catch((error: unknown) =>
          logger.debug({ reason: messageOf(error) }, 'talent can not be asked how its tasks stand'),
        );
      }
      await wait(clock, LOOK_EVERY_MS, signal);
    }
  }
}

function nameOf({ task_id, attempt }: PlotKey): string {
  return `${task_id}.${attempt}`;
}
