/**
 * All plots of this machine that are not settled: those of this supervisor and those that one before it has started.
 *
 * Guarantees: every record becomes one plot, once; each is looked at every second and whenever the keeper tells of an end;
 * what talent or an overlord has given up meanwhile is found out, however slowly talent answers, and nothing else ends a
 * plot. A plot that can't be settled now is tried again, and one that can't be taken over, looked at or asked about keeps no
 * other from it.
 */

import type { Logger } from 'pino';
import { Backoff, wait } from '../../../../base/backoff.js';
import { messageOf } from '../../../../base/errors.js';
import { ToldFailures } from '../../../../base/told-failures.js';
import { findMarked } from '../../../../processes/process-family.js';
import { readProcesses } from '../../../../processes/process-table.js';
import { UnreachableError } from '../../../../wire/call-error.js';
import { PLOTS, type PlotKey, type PlotRecord } from '../../machine/plot-record.js';
import { isShared } from '../../machine/temp-names.js';
import type { PlotTaskStatus } from '../../wire/messages.js';
import { standingOf } from './given-up.js';
import { Plot } from './plot.js';
import type { PlotEnvironment } from './plot-environment.js';

const LOOK_EVERY_MS = 1_000;
const LOOK_AT_FAMILIES_EVERY_MS = 10_000;
const ASK_TALENT_EVERY_MS = 60_000;
const RUNNING = ['started', 'running', 'stopping'];

export interface PlotsOptions extends PlotEnvironment {
  readonly logger: Logger;
  /** Undefined before talent was reached for the first time. */
  readonly workerId: () => string | undefined;
  /** Tells talent which plots this machine has. Default: it is not told. */
  readonly tellPlots?: (workerId: string, plots: readonly PlotKey[]) => Promise<void>;
}

export class Plots {
  private readonly options: PlotsOptions;
  private readonly failures: ToldFailures;
  private readonly plots = new Map<string, Plot>();
  private readonly lives = new Set<Promise<void>>();
  private looking: readonly Promise<void>[] = [];
  private onChange: () => void = () => undefined;

  constructor(options: PlotsOptions) {
    this.options = options;
    this.failures = new ToldFailures(options.logger);
  }

  /**
   * Takes over what is recorded. To be called once the keeper is known.
   * @param onChange one has ended or is settled: there may be room for another
   */
  adopt(onChange: () => void = () => undefined): void {
    this.onChange = onChange;
    const { machine, logger, isKept } = this.options;
    const leftovers = machine.plots.removeLeftovers(isKept);
    if (leftovers.length > 0) logger.info({ leftovers }, 'files of plots that are long settled were removed');
    const { processes, problems } = machine.plots.readAll();
    for (const problem of problems) logger.error({ problem }, 'a plot can not be taken over');
    for (const { record } of processes) {
      logger.info({ taskId: record.task_id, pid: record.process.pid }, 'taking over a plot');
      this.apart(record, () => this.add(record));
    }
    this.looking = [
      this.again(LOOK_EVERY_MS, () => this.look()),
      this.again(LOOK_AT_FAMILIES_EVERY_MS, () => this.lookAtFamilies()),
    ];
    // Nobody waits for its end: after the signal it changes nothing.
    void this.again(ASK_TALENT_EVERY_MS, () => this.compareWithTalent());
  }

  /** Begins to watch a plot. */
  add(record: PlotRecord): void {
    const name = PLOTS.nameOf(record);
    if (this.plots.has(name)) return;
    const plot = new Plot(record, this.options);
    this.plots.set(name, plot);
    plot.look();
    const life = this.live(name, plot).finally(() => this.lives.delete(life));
    this.lives.add(life);
  }

  get(key: PlotKey): Plot | undefined {
    return this.plots.get(PLOTS.nameOf(key));
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

  /** Those that have ended, and keep their caches from others until they are settled. */
  clearing(): Plot[] {
    return this.all().filter(({ end, record }) => end !== undefined && record.temp.some(isShared));
  }

  /** Its end is said to be recorded. */
  noteEnded(key: PlotKey): void {
    const plot = this.get(key);
    this.apart(key, () => plot?.look());
    if (plot?.end !== undefined) this.onChange();
  }

  look(): void {
    for (const plot of this.all()) {
      const hadEnded = plot.end !== undefined;
      this.apart(plot.record, () => plot.look());
      if (plot.end !== undefined && !hadEnded) this.onChange();
    }
  }

  /**
   * Tells talent what this machine has, asks how the running plots stand there, and ends those that it has given up. Never
   * rejects.
   */
  async compareWithTalent(): Promise<void> {
    const { workerId, logger, signal, tellPlots } = this.options;
    const id = workerId();
    if (id === undefined || (tellPlots === undefined && this.running().length === 0)) return;
    try {
      const tasks = await this.tasksOf(id);
      if (signal.aborted) return;
      await tellPlots?.(id, this.plotsHere(tasks.values()));
      await this.compareWith(tasks);
    } catch (error) {
      if (signal.aborted) return;
      logger.info({ reason: messageOf(error) }, 'plots were not compared with talent; trying again later');
    }
  }

  /** With those of which the record is lost while a process of them lives. @param tasks that are under way here for talent */
  private plotsHere(tasks: Iterable<PlotTaskStatus>): PlotKey[] {
    const { machine, isKept } = this.options;
    const here = this.all().map(({ record: { task_id, attempt } }) => ({ task_id, attempt }));
    for (const { task_id, attempt } of tasks) {
      if (task_id === undefined || attempt === undefined || this.get({ task_id, attempt }) !== undefined)
        continue;
      const key = { task_id, attempt };
      if (isKept(key) || findMarked(machine.plots.markOf(key)).length > 0) here.push(key);
    }
    return here;
  }

  private async tasksOf(workerId: string): Promise<ReadonlyMap<string, PlotTaskStatus>> {
    const tasks = new Map<string, PlotTaskStatus>();
    for await (const page of this.options.client.pages({ statuses: RUNNING, worker_id: workerId }))
      for (const task of page) if (task.task_id !== undefined) tasks.set(task.task_id, task);
    return tasks;
  }

  private async compareWith(tasks: ReadonlyMap<string, PlotTaskStatus>): Promise<void> {
    const { logger, signal } = this.options;
    for (const plot of this.running()) {
      if (!plot.record.announced) continue;
      try {
        await this.compareOne(plot, tasks);
      } catch (error) {
        if (error instanceof UnreachableError) throw error;
        const reason = messageOf(error);
        logger.info({ taskId: plot.record.task_id, reason }, 'a plot was not compared with talent');
      }
      if (signal.aborted) return;
    }
  }

  private async compareOne(plot: Plot, tasks: ReadonlyMap<string, PlotTaskStatus>): Promise<void> {
    const { client, signal } = this.options;
    const { task_id } = plot.record;
    const task = tasks.get(task_id) ?? (await client.status({ task_id }));
    // A talent that never heard of the task may be the wrong one: that is no reason to end plots.
    if (signal.aborted || task.existed !== true || task.attempt === undefined) return;
    const standing = await standingOf(client, plot.record, task);
    if (signal.aborted) return;
    if (typeof standing === 'object') plot.abandon(standing.endBecause);
    else if (standing === 'over') plot.noteOver(task);
  }

  /** The signal has aborted: waits until nobody writes any more. */
  async ended(): Promise<void> {
    await Promise.all([...this.looking, ...this.lives]);
  }

  private async live(name: string, plot: Plot): Promise<void> {
    const { logger, clock, signal } = this.options;
    const backoff = new Backoff({ firstMs: 1_000, longestMs: 60_000 });
    let isSettled = false;
    while (!isSettled) {
      try {
        await plot.run();
        isSettled = true;
      } catch (error) {
        const { task_id } = plot.record;
        logger.error({ err: error, taskId: task_id }, 'a plot could not be settled; trying again');
        await wait(clock, backoff.next(), signal);
      }
    }
    if (signal.aborted) return;
    this.plots.delete(name);
    this.onChange();
  }

  private lookAtFamilies(): void {
    const table = readProcesses();
    for (const plot of this.running()) this.apart(plot.record, () => plot.lookAtFamily(table));
  }

  /** What goes wrong with one plot is told once and goes on with the next. */
  private apart({ task_id, attempt }: PlotKey, look: () => void): void {
    const name = PLOTS.nameOf({ task_id, attempt });
    try {
      look();
      this.failures.forget(name);
    } catch (error) {
      this.failures.tell(name, error, 'a plot can not be looked at; trying again', {
        taskId: task_id,
        attempt,
      });
    }
  }

  /** Now and then, until the signal aborts. */
  private async again(everyMs: number, look: () => void | Promise<void>): Promise<void> {
    const { clock, signal, logger } = this.options;
    for (;;) {
      await wait(clock, everyMs, signal);
      if (signal.aborted) return;
      try {
        await look();
      } catch (error) {
        logger.error({ err: error }, 'the plots can not be looked at; trying again');
      }
    }
  }
}
