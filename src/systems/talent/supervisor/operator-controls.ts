/**
 * What the supervisor does for its operator: says how it is, drains, suspends and resumes.
 *
 * Guarantees: draining outlives the supervisor, because what it is for (maintenance) often ends it; whatever is done to a
 * plot stands in the remarks of its task.
 */

import { existsSync, rmSync } from 'node:fs';
import { writeFileDurably } from '../../../base/durable-file.js';
import { OwlError } from '../../../base/errors.js';
import { findCgroupPlace } from '../../../processes/cgroup.js';
import type { UsageMeter } from '../../../processes/usage.js';
import type { TalentDirectory } from '../machine/talent-directory.js';
import type { PlotTaskStatus } from '../wire/messages.js';
import { SUSPENDED } from '../wire/plot-states.js';
import type { Controls, PlotStatus, SupervisorState } from './control.js';
import type { LogReceiverProcess } from './log-receiver-process.js';
import type { Plot } from './plots/plot.js';
import type { Plots } from './plots/plots.js';
import type { Starter } from './starting/starter.js';
import { remarkReport } from './supervisor-reports.js';
import type { TalentLink } from './talent-link.js';

export interface OperatorControlsOptions {
  readonly machine: TalentDirectory;
  readonly server: string;
  readonly plotter: string;
  readonly plots: Plots;
  readonly starter: Starter;
  readonly talent: TalentLink;
  readonly logReceiver: LogReceiverProcess;
  readonly usage: UsageMeter;
  readonly tell: (report: PlotTaskStatus) => void;
  /** Another text with every call. */
  readonly nonce: () => string;
}

export function isDraining({ drainMark }: TalentDirectory): boolean {
  return existsSync(drainMark);
}

export class OperatorControls implements Controls {
  private readonly options: OperatorControlsOptions;

  constructor(options: OperatorControlsOptions) {
    this.options = options;
  }

  status(): SupervisorState {
    const { machine, server, plotter, plots, starter, talent, logReceiver } = this.options;
    const place = findCgroupPlace();
    return {
      pid: process.pid,
      data: machine.path,
      server,
      worker_id: talent.workerId ?? null,
      attached: talent.attached,
      away_reason: talent.awayReason ?? null,
      draining: isDraining(machine),
      log_pid: logReceiver.pid ?? null,
      plotter,
      no_cgroups_reason: place.directory === undefined ? place.reason : null,
      plots: plots.all().map((plot) => this.statusOf(plot)),
      waiting: starter.list(),
    };
  }

  drain(): void {
    writeFileDurably(this.options.machine.drainMark, '');
    this.options.starter.wake();
  }

  undrain(): void {
    rmSync(this.options.machine.drainMark, { force: true });
    this.options.starter.wake();
  }

  suspend(taskId: string): void {
    const plot = this.runningPlot(taskId);
    if (!plot.suspend()) throw new OwlError('refused', `task ${taskId} is being stopped`);
    this.remark(plot, SUSPENDED);
  }

  resume(taskId: string): void {
    const plot = this.runningPlot(taskId);
    if (!plot.record.suspended) throw new OwlError('refused', `task ${taskId} is not suspended`);
    plot.resume();
    this.remark(plot, 'resumed by the operator');
  }

  private runningPlot(taskId: string): Plot {
    const plot = this.options.plots.runningOf(taskId);
    if (plot === undefined) throw new OwlError('not_found', `no plot of task ${taskId} runs on this machine`);
    return plot;
  }

  private remark({ record }: Plot, remarks: string): void {
    this.options.tell(remarkReport(record, remarks, this.options.nonce()));
  }

  private statusOf({ record, end }: Plot): PlotStatus {
    const { task_id, attempt, plotter, started_time, log_path } = record;
    const { pid } = record.process;
    const { cpu = null, memory = null } = this.options.usage.of(pid) ?? {};
    let state: PlotStatus['state'] = 'running';
    if (end !== undefined) state = 'ended';
    else if (record.stopping) state = 'stopping';
    else if (record.suspended) state = 'suspended';
    return { task_id, attempt, pid, plotter, started_time, state, cpu, memory, log_path };
  }
}
