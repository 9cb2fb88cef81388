/**
 * A simulated log receiver: tells of plots that nobody makes over the stream of reports, with attempts and offsets, sends what was
 * not answered again when the stream breaks, sends some reports twice and some after later ones.
 */

import type {
  PlotTaskReport,
  PlotTaskReportAck,
  PlotTaskReportAcks,
  PlotTaskStatus,
} from '../../../src/systems/talent/wire/messages.js';
import type { Dice } from '../dice.js';
import type { Calls, Duplex } from './calls.js';
import type { Field, KnownTask } from './field.js';

const MOST_IN_FLIGHT = 600;
const PAUSE_MS = 40;

interface Plot {
  readonly task: KnownTask;
  readonly attempt: number;
  /** Still to be told, the next one last. */
  readonly left: PlotTaskStatus[];
  /** Told and not answered yet. */
  open: number;
  /** A report of it was refused: the attempt is over. */
  over: boolean;
}

interface Sent {
  readonly plot: Plot;
  readonly status: PlotTaskStatus;
}

export class LogReceiver {
  private readonly field: Field;
  private readonly calls: Calls;
  private readonly dice: Dice;
  private readonly plots: Plot[] = [];
  private readonly inFlight = new Map<number, Sent>();
  private readonly again: Sent[] = [];
  private stream: Duplex | undefined;
  private seq = 0;

  constructor(field: Field) {
    this.field = field;
    this.calls = field.calls();
    this.dice = field.dice.apart();
  }

  get idle(): boolean {
    return this.plots.length === 0 && this.inFlight.size === 0 && this.again.length === 0;
  }

  /** Follows the log of an attempt whose plotter is said to be at work. */
  follow(task: KnownTask, attempt: number): void {
    this.plots.push({ task, attempt, left: this.reportsOf(task, attempt), open: 0, over: false });
  }

  async run(): Promise<void> {
    const { field } = this;
    while (!field.isOver) {
      const stream = this.stream ?? this.open();
      let told = 0;
      while (
        this.inFlight.size < MOST_IN_FLIGHT &&
        told < 100 &&
        this.stream === stream &&
        this.tellNext(stream)
      )
        told += 1;
      await field.rest(told === 0 ? PAUSE_MS : 1);
    }
    this.stream?.cancel();
    this.calls.close();
  }

  private open(): Duplex {
    const stream = this.calls.duplex('plot_task_report');
    stream.on('data', ({ acks = [] }: PlotTaskReportAcks) => {
      for (const ack of acks) this.take(ack);
    });
    const lost = () => {
      if (this.stream !== stream) return;
      this.stream = undefined;
      this.again.push(...this.inFlight.values());
      this.inFlight.clear();
    };
    stream.on('error', lost);
    stream.on('end', lost);
    this.stream = stream;
    return stream;
  }

  private tellNext(stream: Duplex): boolean {
    const waiting = this.again.pop();
    if (waiting !== undefined) {
      this.send(stream, waiting);
      return true;
    }
    const ready = this.plots.length === 0 ? undefined : this.dice.pick(this.plots);
    if (ready === undefined) return false;
    const status = ready.left.pop();
    if (status === undefined) return false;
    ready.open += 1;
    if (ready.left.length === 0) this.plots.splice(this.plots.indexOf(ready), 1);
    this.note(ready, status);
    this.send(stream, { plot: ready, status });
    if (this.dice.chance(0.02)) {
      ready.open += 1;
      this.send(stream, { plot: ready, status });
    }
    return true;
  }

  private note(
    { task, attempt }: Plot,
    { command_id: id = '', log_offset: offset = 0 }: PlotTaskStatus,
  ): void {
    this.field.journal.report(id, task.id, attempt, offset);
  }

  private send(stream: Duplex, sent: Sent): void {
    this.seq += 1;
    this.inFlight.set(this.seq, sent);
    this.field.journal.sent += 1;
    const report: PlotTaskReport = { seq: this.seq, status: sent.status };
    stream.write(report);
  }

  private take({
    seq = 0,
    is_success = false,
    msg = '',
    revision = 0,
    retryable = false,
  }: PlotTaskReportAck): void {
    const sent = this.inFlight.get(seq);
    if (sent === undefined) return;
    this.inFlight.delete(seq);
    if (!is_success && retryable) {
      this.again.unshift(sent);
      return;
    }
    const { plot, status } = sent;
    const { command_id: id = '' } = status;
    if (is_success) this.field.journal.reportAccepted(id, revision, msg === 'recorded');
    else {
      this.field.journal.reportRefused(id, msg);
      plot.over = true;
      plot.left.length = 0;
      const at = this.plots.indexOf(plot);
      if (at >= 0) this.plots.splice(at, 1);
    }
    plot.open -= 1;
    if (plot.open === 0 && plot.left.length === 0) this.field.atWork -= 1;
  }

  /** What is told of one attempt, the first report last. */
  private reportsOf(task: KnownTask, attempt: number): PlotTaskStatus[] {
    const { dice } = this;
    const count = dice.whole(20, 80);
    const plotId = `${dice.name()}${dice.name()}`;
    const { reportKey } = task.worker;
    const reports: PlotTaskStatus[] = Array.from({ length: count }, (_, index) => ({
      task_id: task.id,
      command_id: dice.uuid(),
      for_attempt: attempt,
      log_offset: 1_000 * (index + 1),
      ...(reportKey === undefined ? {} : { report_key: reportKey }),
      ...this.tellingOf(index, count, plotId),
    }));
    if (dice.chance(0.3)) this.disorder(reports);
    return reports.reverse();
  }

  private tellingOf(index: number, count: number, plotId: string): PlotTaskStatus {
    const { dice } = this;
    if (index === 0)
      return { status: 'running', log_pid: dice.whole(2, 30_000), plot_details: { id: plotId } };
    if (index === count - 1 && dice.chance(0.9))
      return dice.chance(0.85)
        ? {
            status: 'finished',
            plot_details: { progress: 100, wrote: 108_000_000_000, dest_file_name: 'a.plot' },
          }
        : { status: 'failed', remarks: 'the plotter ended', exit_code: dice.whole(0, 255) };
    const table = 1 + (index % 7);
    const timed = {
      stage: 'finished',
      time: dice.whole(1, 90_000) / 100,
      cpu_usage: dice.whole(0, 4000) / 10,
    };
    return {
      ...(dice.chance(0.05) ? { remarks: `line ${index}` } : {}),
      plot_details: {
        progress: (100 * index) / count,
        wrote: index * 1_000_000,
        stage_now: 1 + (index % 4),
        ...(dice.chance(0.3) ? { phase_1_status: { now: table, [`t${table}`]: timed } } : {}),
        ...(dice.chance(0.2)
          ? { phase_2_status: { [`t${table}`]: { [dice.pick(['scan', 'sort'])]: timed } } }
          : {}),
      },
    };
  }

  /** Some come after later ones; the first and the last stay where they are. */
  private disorder(reports: PlotTaskStatus[]): void {
    for (let index = 1; index < reports.length - 2; index++) {
      if (!this.dice.chance(0.1)) continue;
      const [one] = reports.splice(index, 1);
      if (one !== undefined) reports.splice(this.dice.whole(index, reports.length - 1), 0, one);
    }
  }
}
