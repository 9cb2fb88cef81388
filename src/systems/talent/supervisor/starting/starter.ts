/**
 * Starts what waits, as far as there is room.
 *
 * Guarantees: nothing is started while talent is away, since it may have been withdrawn meanwhile; an order that can never
 * be started here fails with the reason, and what may pass (a full disk, a server that is away) is waited for. The disks of
 * each task are looked at once when it comes, and written down, so that one that is taken out later is missed, also by the
 * next supervisor; while nothing may start at all, they are not looked at again.
 */

import { messageOf, OwlError } from '../../../../base/errors.js';
import { identifyProcess } from '../../../../base/process-identity.js';
import { Directories, type LookAtDirectory } from '../../../../processes/directories.js';
import type { PlotKey } from '../../machine/plot-record.js';
import type { PlotTaskStatus } from '../../wire/messages.js';
import { Launcher, type LauncherOptions } from '../plots/launcher.js';
import type { Plot } from '../plots/plot.js';
import type { Plots } from '../plots/plots.js';
import type { PlotOrder } from '../plotters/plot-order.js';
import type { PlotterDeclaration } from '../plotters/plotters.js';
import {
  type Admission,
  type AdmissionLimits,
  admit,
  DRAINING,
  maxPlotsReason,
  type WaitingPlot,
  type WaitReason,
} from './admission.js';
import { LastStart } from './last-start.js';
import { claimCaches, measureOrder, measureRunning, wantForRecords } from './space.js';
import { type WaitingTask, WaitingTasks, type WaitingTasksOptions } from './waiting-tasks.js';

/** Disks fill and empty without telling anyone. */
const LOOK_AGAIN_MS = 2_000;

export interface StarterOptions extends LauncherOptions, WaitingTasksOptions {
  /** All that are declared. */
  readonly plotters: readonly PlotterDeclaration[];
  readonly limits: AdmissionLimits;
  readonly lookAtDirectory: LookAtDirectory;
  readonly plots: Plots;
  readonly isDraining: () => boolean;
}

export class Starter {
  private readonly options: StarterOptions;
  private readonly waiting: WaitingTasks;
  private readonly launcher: Launcher;
  private readonly directories: Directories;
  private ready = false;
  private passing: Promise<void> | undefined;
  private again = false;
  private cancelNext: () => void = () => undefined;
  private readonly lastStart: LastStart;

  constructor(options: StarterOptions) {
    this.options = options;
    this.waiting = new WaitingTasks(options);
    this.launcher = new Launcher(options);
    const { clock, logger, machine } = options;
    const bootId = identifyProcess(process.pid)?.bootId;
    const places = { path: machine.places, bootId, logger };
    this.directories = new Directories({ ...options, writer: 'the supervisor', places });
    this.lastStart = new LastStart(clock, bootId);
  }

  list(): WaitingTask[] {
    return this.waiting.list();
  }

  /** How many tasks wait for which kind of reason. */
  waitingByReason(): ReadonlyMap<string, number> {
    return this.waiting.byReason();
  }

  announce(key: PlotKey, task: PlotTaskStatus): void {
    // It runs already, and talent is about to hear of it.
    if (this.options.plots.get(key) !== undefined) return;
    this.waiting.add(key, task);
    if (this.ready) this.wake();
  }

  withdraw(key: PlotKey): void {
    this.waiting.remove(key);
  }

  /** All that waits has been announced: what was not, waits no more. */
  complete(): void {
    this.waiting.removeDoubtful();
    this.ready = true;
    this.wake();
  }

  /** Talent is away: what waits may be out of date. */
  pause(): void {
    this.ready = false;
    this.waiting.doubt();
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
      if (this.mayStart) await this.startWhatCan();
    } catch (error) {
      logger.error({ err: error }, 'looking for room for plots failed; trying again');
    }
    if (signal.aborted || this.waiting.size === 0) return;
    const untilNext = limits.staggerMs - this.sinceLastStart;
    const pause = untilNext > 0 ? Math.min(untilNext, LOOK_AGAIN_MS) : LOOK_AGAIN_MS;
    this.cancelNext = clock.after(pause, () => this.wake());
  }

  private get mayStart(): boolean {
    return this.ready && !this.options.signal.aborted && this.waiting.size > 0;
  }

  private get isFull(): boolean {
    return this.options.plots.running().length >= this.options.limits.maxPlots;
  }

  /** Milliseconds. What a supervisor before this one has started counts too. */
  private get sinceLastStart(): number {
    return this.lastStart.age(this.options.plots.all().map(({ record }) => record));
  }

  private async startWhatCan(): Promise<void> {
    const { isDraining, plots } = this.options;
    await this.lookAtNew();
    if (isDraining()) return this.waiting.tellAll(DRAINING);
    if (this.isFull) return this.waiting.tellUnlessOwn(maxPlotsReason(plots.running().length));
    const obstacle = await this.obstacle();
    if (obstacle !== undefined) this.waiting.tellAll(obstacle);
    else await this.carryOut(await this.admit());
  }

  private async lookAtNew(): Promise<void> {
    const unseen = this.waiting.unseen();
    if (unseen.length > 0) this.directories.lookAnew();
    for (const order of unseen) await this.measure(order);
    this.directories.keepPlaces();
  }

  /** What is missing for every start. */
  private async obstacle(): Promise<WaitReason | undefined> {
    this.directories.lookAnew();
    try {
      this.launcher.findProgram();
    } catch (error) {
      return { key: 'program', sentence: messageOf(error) };
    }
    const want = await wantForRecords(this.options.machine, this.directories);
    return want === undefined ? undefined : { key: 'data', sentence: want };
  }

  private async admit(): Promise<Admission[]> {
    const { limits, plots, plotters } = this.options;
    const { directories } = this;
    const recordsOf = (some: readonly Plot[]) => some.map(({ record }) => record);
    const running = await measureRunning(recordsOf(plots.running()), plotters, directories);
    const clearing = await claimCaches(recordsOf(plots.clearing()), directories);
    const inUse = new Set([...running, ...clearing].flatMap(({ caches }) => caches.map(({ id }) => id)));
    const waiting: WaitingPlot[] = [];
    for (const order of this.waiting.inOrder()) {
      const measured = await this.measure(order, inUse);
      if (measured !== undefined) waiting.push(measured);
    }
    // Before anything starts: what starts may fill the disk that this is written to.
    directories.keepPlaces();
    return admit(waiting, { limits, running, clearing, sinceLastStartMs: this.sinceLastStart });
  }

  /** Undefined when its directories can't be looked at. @param cachesInUse ids; undefined: what is left there is of no account */
  private async measure(
    order: PlotOrder,
    cachesInUse?: ReadonlySet<string>,
  ): Promise<WaitingPlot | undefined> {
    try {
      return await measureOrder(order, this.options.plotter, this.directories, cachesInUse);
    } catch (error) {
      if (isLasting(error)) this.waiting.refuse(order, messageOf(error));
      else {
        const sentence = messageOf(error);
        this.waiting.tell(order, { key: `directories ${sentence}`, sentence, isOwn: true });
      }
      return undefined;
    }
  }

  /** Starts those that were admitted, and tells the others why they were not. */
  private async carryOut(admissions: readonly Admission[]): Promise<void> {
    let fault: WaitReason | undefined;
    for (const { plot, wait } of admissions) {
      const order = this.waiting.get(plot);
      if (order === undefined) continue;
      let reason = wait ?? fault;
      if (reason === undefined) {
        const outcome = await this.start(order);
        // Those after it were judged as if it ran.
        if (outcome === 'not started') return this.wake();
        if (outcome === 'started') continue;
        reason = outcome;
        fault = outcome;
      }
      this.waiting.tell(order, reason);
    }
  }

  /** Gives a reason when it is to be tried again. */
  private async start(order: PlotOrder): Promise<'started' | 'not started' | WaitReason> {
    const { plots, isDraining, logger } = this.options;
    const { task_id, attempt } = order;
    // Talent may have gone, or an operator drained, while others were started.
    if (!this.mayStart || isDraining()) return 'not started';
    try {
      // It was looked at in this round.
      const { mountPoint } = await this.directories.look(order.dest_path);
      const record = await this.launcher.launch(order, mountPoint);
      this.lastStart.note(record);
      plots.add(record);
    } catch (error) {
      if (!isLasting(error))
        return { key: 'start', sentence: `nothing can be started now: ${messageOf(error)}` };
      this.waiting.refuse(order, messageOf(error));
      return 'not started';
    }
    this.waiting.remove(order);
    logger.info({ taskId: task_id, attempt }, 'plot started');
    return 'started';
  }
}

/** Waiting would help nobody. */
function isLasting(error: unknown): boolean {
  return error instanceof OwlError && error.kind === 'invalid';
}
