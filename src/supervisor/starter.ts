/**
 * Starts what waits, as far as there is room.
 *
 * Guarantees: nothing is started while talent is away, since it may have been withdrawn meanwhile; whoever waits is told
 * why, once per reason; an order that can never be started here fails with the reason; an attempt has one process, also
 * when the keeper died in the middle of starting it.
 */

import { rmSync } from 'node:fs';
import { messageOf, OwlError } from '../runtime/errors.js';
import type { PlotTaskStatus } from '../wire/messages.js';
import {
  type PlotKey,
  type PlotRecord,
  plotLogPath,
  plotRecordPath,
  readPlotRecord,
} from '../wire/plot-record.js';
import { type AdmissionLimits, admit, isTurn, type WaitingPlot, type WaitReason } from './admission.js';

import { LOG_EXISTS, type PlotStart } from './keeper.js';
import type { KeeperLink } from './keeper-link.js';
import { type PlotOrder, readOrder } from './plot-order.js';
import { endPlotProcesses } from './plot-processes.js';
import type { Plots } from './plots.js';
import { commandFor, findExecutable, type PlotterDeclaration, plotIdSetBy } from './plotters.js';
import { needsOf, type RoomOptions, roomOf } from './room.js';
import { notStartedReport, pendingReport } from './supervisor-reports.js';
import { type Telling, tellTalent } from './tell-talent.js';

/** Disks fill and empty without telling anyone. */
const LOOK_AGAIN_MS = 2_000;

export interface StarterOptions extends RoomOptions, Telling {
  /** The supervisor's data directory. Absolute. */
  readonly data: string;
  readonly plotter: PlotterDeclaration;
  /** Where its program is looked for, as in PATH. */
  readonly path: string;
  readonly limits: AdmissionLimits;
  readonly plots: Plots;
  readonly keeper: KeeperLink;
  readonly sessionId: string;
  readonly isDraining: () => boolean;
  /** Undefined while talent is away. */
  readonly workerId: () => string | undefined;
}

interface Waiting {
  readonly key: PlotKey;
  readonly task: PlotTaskStatus;
  /** Announced since the stream of work was opened. */
  fresh: boolean;
  told: WaitReason | undefined;
}

export interface WaitingTask extends PlotKey {
  /** Empty before the first look. */
  readonly reason: string;
}

export class Starter {
  private readonly options: StarterOptions;
  private readonly waiting = new Map<string, Waiting>();
  private ready = false;
  private passing: Promise<void> | undefined;
  private again = false;
  private cancelNext: () => void = () => undefined;
  private lastStart: number | undefined;
  private reportsSent = 0;

  constructor(options: StarterOptions) {
    this.options = options;
  }

  list(): WaitingTask[] {
    return [...this.waiting.values()].map(({ key, told }) => ({ ...key, reason: told?.sentence ?? '' }));
  }

  announce(key: PlotKey, task: PlotTaskStatus): void {
    // It runs already, and talent is about to hear of it.
    if (this.options.plots.get(key) !== undefined) return;
    const known = this.waiting.get(key.task_id);
    const told = known?.key.attempt === key.attempt ? known.told : undefined;
    this.waiting.set(key.task_id, { key, task, fresh: true, told });
    if (this.ready) this.wake();
  }

  withdraw(key: PlotKey): void {
    this.waiting.delete(key.task_id);
  }

  /** All that waits has been announced: what was not, waits no more. */
  complete(): void {
    for (const [taskId, { fresh }] of this.waiting) if (!fresh) this.waiting.delete(taskId);
    this.ready = true;
    this.wake();
  }

  /** Talent is away: what waits may be out of date. */
  pause(): void {
    this.ready = false;
    for (const waiting of this.waiting.values()) waiting.fresh = false;
  }

  /** Looks soon whether something can start. */
  wake(): void {
    if (this.passing !== undefined) {
      this.again = true;
      return;
    }
    this.passing = this.pass().finally(() => {
      this.passing = undefined;
      if (this.again) {
        this.again = false;
        this.wake();
      }
    });
  }

  async ended(): Promise<void> {
    this.cancelNext();
    await this.passing;
  }

  private async pass(): Promise<void> {
    this.cancelNext();
    const { clock, logger, limits, signal } = this.options;
    try {
      while (this.mayStart && (await this.startNext()));
    } catch (error) {
      logger.error({ err: error }, 'looking for room for plots failed; trying again');
    }
    if (signal.aborted || this.waiting.size === 0) return;
    const sinceStart = clock.now() - (this.lastStart ?? Number.NEGATIVE_INFINITY);
    const untilNext = limits.staggerMs - sinceStart;
    const pause = untilNext > 0 ? Math.min(untilNext, LOOK_AGAIN_MS) : LOOK_AGAIN_MS;
    this.cancelNext = clock.after(pause, () => this.wake());
  }

  private get mayStart(): boolean {
    return this.ready && !this.options.signal.aborted && this.waiting.size > 0;
  }

  /** Starts the first that can; tells the others why they can't. False when none could. */
  private async startNext(): Promise<boolean> {
    const { plotter, path, plots, limits, clock, isDraining } = this.options;
    let program: string;
    try {
      program = findExecutable(plotter, path);
    } catch (error) {
      const reason = { key: 'program', sentence: messageOf(error) };
      for (const waiting of this.waiting.values()) this.tell(waiting, reason);
      return false;
    }
    const free = new Map<number, number>();
    const candidates = await this.candidates(free);
    const running = await roomOf(plots.running(), this.options);
    const state = {
      limits,
      draining: isDraining(),
      running,
      free,
      now: clock.now(),
      lastStart: this.lastStart,
    };
    let started = false;
    for (const { plot, wait } of admit(candidates, state)) {
      const waiting = this.waiting.get(plot.task_id);
      if (waiting === undefined) continue;
      if (wait === undefined) started = await this.start(waiting, program);
      else if (!isTurn(wait)) this.tell(waiting, wait);
    }
    return started;
  }

  /** Those whose directories can be looked at, in the order they were ordered. @param free is filled */
  private async candidates(free: Map<number, number>): Promise<WaitingPlot[]> {
    const orders: PlotOrder[] = [];
    for (const { key, task } of this.waiting.values()) {
      try {
        orders.push(readOrder(key, task));
      } catch (error) {
        this.refuse(key, messageOf(error));
      }
    }
    orders.sort((a, b) => a.id - b.id);
    const found: WaitingPlot[] = [];
    for (const order of orders) {
      try {
        found.push({ ...order, needs: await needsOf(order, this.options, free) });
      } catch (error) {
        const waiting = this.waiting.get(order.task_id);
        const isLater = error instanceof OwlError && error.kind === 'unavailable';
        if (!isLater) this.refuse(order, messageOf(error));
        else if (waiting !== undefined)
          this.tell(waiting, { key: messageOf(error), sentence: messageOf(error) });
      }
    }
    return found;
  }

  /** True when it runs now. */
  private async start(waiting: Waiting, program: string): Promise<boolean> {
    const { plots, clock, logger } = this.options;
    const { key, task } = waiting;
    try {
      plots.add(await this.startOrFind(this.startOf(readOrder(key, task), program)));
    } catch (error) {
      const isLater = error instanceof OwlError && error.kind === 'unavailable';
      if (isLater) logger.warn({ reason: messageOf(error), taskId: key.task_id }, 'not started yet');
      else this.refuse(key, messageOf(error));
      return false;
    }
    this.lastStart = clock.now();
    this.waiting.delete(key.task_id);
    logger.info({ taskId: key.task_id, attempt: key.attempt }, 'plot started');
    return true;
  }

  /** One process per attempt: what an earlier try has started, seen or unseen, is found first. */
  private async startOrFind(start: PlotStart): Promise<PlotRecord> {
    const { data, keeper, logger, clock, signal } = this.options;
    const recorded = readPlotRecord(data, start);
    if (recorded !== undefined) return recorded;
    try {
      return await keeper.start(start);
    } catch (error) {
      if (!(error instanceof OwlError && error.message === LOG_EXISTS)) throw error;
    }
    logger.warn({ taskId: start.task_id }, 'a start was broken off before it was recorded; starting again');
    await endPlotProcesses(plotRecordPath(data, start), clock, signal);
    rmSync(start.log_path, { force: true });
    return await keeper.start(start);
  }

  private startOf(order: PlotOrder, program: string): PlotStart {
    const { data, plotter, workerId } = this.options;
    const { task_id, attempt, ksize, cache1, cache2, dest_path } = order;
    const [, ...args] = commandFor(plotter, order);
    return {
      task_id,
      attempt,
      worker_id: workerId() ?? '',
      log_path: plotLogPath(data, order),
      format: plotter.format,
      argv: [program, ...args],
      announced: false,
      stopping: false,
      suspended: false,
      ksize,
      cache1,
      cache2,
      dest_path,
      plotter: plotter.name,
      temp: plotter.temp,
      plot_id: plotIdSetBy(plotter, order),
    };
  }

  private refuse(key: PlotKey, reason: string): void {
    this.options.logger.warn({ taskId: key.task_id, reason }, 'a task can not be started here');
    this.waiting.delete(key.task_id);
    tellTalent(this.options, notStartedReport(key, reason));
  }

  /** Once per reason: the figures in a sentence may change with every look. */
  private tell(waiting: Waiting, reason: WaitReason): void {
    if (waiting.told?.key === reason.key) return;
    waiting.told = reason;
    this.reportsSent += 1;
    const nonce = `${this.options.sessionId}/${this.reportsSent}`;
    tellTalent(this.options, pendingReport(waiting.key, reason.sentence, nonce, this.options.clock.now()));
  }
}
