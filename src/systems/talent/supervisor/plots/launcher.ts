/**
 * Has the plotter of an order started by the keeper.
 *
 * Guarantees: an attempt has one process, also when the keeper or the supervisor died in the middle of starting it; one whose log
 * tells of a finished plot is not made again, and that log stays.
 */

import { rmSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Clock } from '../../../../base/clock.js';
import { OwlError } from '../../../../base/errors.js';
import { processEnvironment } from '../../../../processes/environment.js';
import type { KeeperLink } from '../../../../processes/keeper/keeper-link.js';
import { LOG_EXISTS } from '../../../../processes/keeper/keeper-messages.js';
import { endMarked } from '../../../../processes/process-family.js';
import type { PlotFields, PlotKey, PlotRecord, PlotStart } from '../../machine/plot-record.js';
import type { TalentDirectory } from '../../machine/talent-directory.js';
import type { PlotOrder } from '../plotters/plot-order.js';
import { commandFor, findExecutable, type PlotterDeclaration, plotIdSetBy } from '../plotters/plotters.js';
import { isFinishedIn } from './log-evidence.js';

export interface LauncherOptions {
  readonly machine: TalentDirectory;
  readonly plotter: PlotterDeclaration;
  /** Where its program is looked for, as in PATH. */
  readonly path: string;
  readonly keeper: KeeperLink<PlotKey, PlotFields>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Undefined while talent is away. */
  readonly workerId: () => string | undefined;
}

export class Launcher {
  private readonly options: LauncherOptions;

  constructor(options: LauncherOptions) {
    this.options = options;
  }

  /** Absolute. @throws OwlError kind `not_found` while the plotter is not installed */
  findProgram(): string {
    return findExecutable(this.options.plotter, this.options.path);
  }

  /**
   * @param destMount where the file system of its destination is mounted, as far as that is known
   * @throws OwlError kind `invalid` when the order can never be started here; whatever else it throws may pass
   */
  async launch(order: PlotOrder, destMount?: string): Promise<PlotRecord> {
    const { keeper, logger, clock, signal } = this.options;
    const { plots } = this.options.machine;
    // What an earlier try has started, seen or unseen, is found first.
    const recorded = plots.read(order);
    if (recorded !== undefined) return recorded;
    const start = this.startOf(order, destMount);
    try {
      return await keeper.start(start);
    } catch (error) {
      if (!(error instanceof OwlError && error.message === LOG_EXISTS)) throw error;
    }
    if (isFinishedIn(start.log_path, start.format))
      throw new OwlError(
        'invalid',
        `attempt ${start.attempt} has made its plot here already, as ${start.log_path} tells; retry the task to make another`,
      );
    logger.warn({ taskId: start.task_id }, 'a start was broken off before it was recorded; starting again');
    await endMarked(plots.markOf(start), clock, signal);
    rmSync(start.log_path, { force: true });
    return await keeper.start(start);
  }

  private startOf(order: PlotOrder, destMount: string | undefined): PlotStart {
    const { machine, plotter, workerId } = this.options;
    const { task_id, attempt, ksize, cache1, cache2, dest_path } = order;
    const [, ...args] = commandFor(plotter, order);
    return {
      task_id,
      attempt,
      worker_id: workerId() ?? '',
      log_path: machine.plots.logPathOf(order),
      format: plotter.format,
      argv: [this.findProgram(), ...args],
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
      fills_dest: plotter.fills.includes('dest'),
      ...(destMount === undefined ? {} : { dest_mount: destMount }),
      environment: processEnvironment(plotter.environment),
    };
  }
}
