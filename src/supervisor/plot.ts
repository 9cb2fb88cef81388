/**
 * One attempt of one task on this machine, from its record to the moment nothing of it is left to do.
 *
 * Guarantees: talent is told that it started before anyone reports anything else of it; its end is noticed whoever saw it,
 * and settled by the log receiver, except for one that is being stopped: of that the supervisor reports `stopped`, after
 * every process of it is gone, its log was read to the end and its temp files are removed. What talent has given up is
 * ended here too. Whatever is interrupted goes on from the record when the supervisor is started again.
 */

import { statSync } from 'node:fs';
import type { Logger } from 'pino';
import { Backoff, wait } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { messageOf } from '../runtime/errors.js';
import type { PlotTaskStatus } from '../wire/messages.js';
import type { PlotManagerClient } from '../wire/plot-manager-client.js';
import {
  identityOf,
  type PlotEnd,
  type PlotRecord,
  plotRecordPath,
  removePlotRecord,
  writePlotRecord,
} from '../wire/plot-record.js';
import type { ReportStream } from '../wire/report-stream.js';
import { findEnd } from './plot-end.js';
import { endPlotProcesses, signalPlotter } from './plot-processes.js';
import { startedReport, stoppedReport } from './supervisor-reports.js';
import { removeTempFiles } from './temp-files.js';

const OVER: ReadonlySet<string> = new Set(['finished', 'stopped', 'failed']);
/** How long the log receiver gets to read a stopped plot's log to its end, while talent can be asked. */
const READ_WITHIN_MS = 5_000;

export interface PlotEnvironment {
  /** The supervisor's data directory. Absolute. */
  readonly data: string;
  readonly client: PlotManagerClient;
  readonly reports: ReportStream;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stopGraceMs: number;
  /** Ends the watching, not the plots. */
  readonly signal: AbortSignal;
  readonly logPid: () => number | undefined;
  /** True while a keeper will write this plot's end. */
  readonly isKept: (record: PlotRecord) => boolean;
}

export class Plot {
  private readonly env: PlotEnvironment;
  private readonly logger: Logger;
  private readonly hasEnded: Promise<void>;
  private noteHasEnded: () => void = () => undefined;
  private current: PlotRecord;
  private seenEnd: PlotEnd | undefined;
  private ending: Promise<void> | undefined;
  private abandoned = false;
  private settled = false;
  private missed = false;

  constructor(record: PlotRecord, env: PlotEnvironment) {
    this.current = record;
    this.env = env;
    const { task_id, attempt } = record;
    this.logger = env.logger.child({ taskId: task_id, attempt });
    this.hasEnded = new Promise((resolve) => {
      this.noteHasEnded = resolve;
    });
  }

  get record(): PlotRecord {
    return this.current;
  }

  /** Undefined while its process runs, or may run. */
  get end(): PlotEnd | undefined {
    return this.seenEnd;
  }

  /** Until it is settled and its record gone, or the signal aborts. */
  async run(): Promise<void> {
    const { signal, data } = this.env;
    // A supervisor before this one had begun to stop it.
    if (this.current.stopping) this.stop();
    if (!this.current.announced) await this.announce();
    await Promise.race([this.hasEnded, aborted(signal)]);
    if (signal.aborted) return;
    await this.endRest();
    const outcome = await this.settle();
    if (signal.aborted) return;
    if (outcome !== 'finished') await this.clearAway();
    this.settled = true;
    removePlotRecord(data, this.current);
    this.logger.info({ outcome, end: this.seenEnd }, 'plot settled');
  }

  /** Looks whether it has ended. To be called now and then, and when there is a reason to think so. */
  look(): void {
    const { data, clock, isKept } = this.env;
    if (this.seenEnd !== undefined) return;
    try {
      const end = findEnd(data, this.current, () => isKept(this.current), clock);
      if (end !== null) this.noteEnd(end);
    } catch (error) {
      this.logger.error({ err: error }, 'the end of a plot could not be read or written; trying again');
    }
  }

  /** Ends it: SIGTERM, after the grace SIGKILL. Its reports follow once it has ended. Again changes nothing. */
  stop(): void {
    if (this.seenEnd !== undefined || this.ending !== undefined) return;
    this.update({ stopping: true, suspended: false });
    this.ending = this.terminate();
  }

  /** Talent wants to hear no more of it: ends it and leaves nothing, without a report. */
  abandon(reason: string): void {
    if (this.abandoned) return;
    this.logger.warn({ reason }, 'a plot that talent has given up is ended here');
    this.abandoned = true;
    this.stop();
  }

  /** False when it does not run. */
  suspend(): boolean {
    const done = this.ending === undefined && signalPlotter(identityOf(this.current), 'SIGSTOP');
    if (done) this.update({ suspended: true });
    return done;
  }

  /** False when it does not run. */
  resume(): boolean {
    const done = signalPlotter(identityOf(this.current), 'SIGCONT');
    if (done) this.update({ suspended: false });
    return done;
  }

  notePlotId(plotId: string | undefined): void {
    if (plotId !== undefined && this.current.plot_id === null) this.update({ plot_id: plotId });
  }

  /** Until talent has taken note of the start, or has given the task up. */
  private async announce(): Promise<void> {
    const { reports, logPid, clock, signal } = this.env;
    const backoff = new Backoff({ firstMs: 1_000, longestMs: 60_000 });
    try {
      while (!signal.aborted) {
        const { is_success = false, msg = '' } = await reports.send(startedReport(this.current, logPid()));
        if (is_success) return this.update({ announced: true });
        const task = await this.askTalent();
        if (task !== undefined && this.isKnown(task)) return this.abandon(msg);
        await wait(clock, backoff.next(), signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  private async terminate(): Promise<void> {
    const { clock, stopGraceMs, signal } = this.env;
    const plotter = identityOf(this.current);
    signalPlotter(plotter, 'SIGTERM');
    // One that is suspended has to wake up to hear it.
    signalPlotter(plotter, 'SIGCONT');
    const over = new AbortController();
    await Promise.race([this.hasEnded, wait(clock, stopGraceMs, over.signal), aborted(signal)]);
    over.abort();
    if (this.seenEnd !== undefined || signal.aborted) return;
    this.logger.warn({ graceMs: stopGraceMs }, 'the plotter did not end on SIGTERM; killing it');
    signalPlotter(plotter, 'SIGKILL');
  }

  /** What a plotter has started and left behind. */
  private async endRest(): Promise<void> {
    const { data, clock, signal } = this.env;
    const ended = await endPlotProcesses(plotRecordPath(data, this.current), clock, signal);
    if (ended > 0) this.logger.warn({ ended }, 'the plotter had left processes behind; they were killed');
  }

  /** @returns the state in which talent has the task in the end; empty when it was given up */
  private async settle(): Promise<string> {
    const { clock, signal } = this.env;
    const backoff = new Backoff({ firstMs: 20, longestMs: 2_000 });
    let readUntil: number | undefined;
    while (!signal.aborted && !this.abandoned) {
      const task = await this.askTalent();
      if (task !== undefined && this.isKnown(task)) {
        const outcome = this.outcomeIn(task);
        if (outcome !== undefined) return outcome;
        readUntil ??= clock.now() + READ_WITHIN_MS;
        if (this.current.stopping && (this.isTold(task) || clock.now() >= readUntil)) {
          await this.reportStopped();
          readUntil = undefined;
        }
      }
      await wait(clock, backoff.next(), signal);
    }
    return '';
  }

  /** The final state of this attempt; empty when talent is past it. */
  private outcomeIn({ attempt, status = '' }: PlotTaskStatus): string | undefined {
    if (attempt !== this.current.attempt) return '';
    return OVER.has(status) ? status : undefined;
  }

  /** A talent that never heard of the attempt may be the wrong one: then the right one will ask for it. */
  private isKnown({ existed = false, attempt = 0 }: PlotTaskStatus): boolean {
    if (existed && attempt >= this.current.attempt) return true;
    if (!this.missed) this.logger.error('talent knows nothing of this plot; is it the right one?');
    this.missed = true;
    return false;
  }

  /** Everything the log holds has been reported, and how the process ended. */
  private isTold({ log_offset = 0, exit_code, exit_signal }: PlotTaskStatus): boolean {
    const { exit_code: code, exit_signal: signal } = this.seenEnd ?? {};
    const isEndTold = (exit_code ?? null) === (code ?? null) && (exit_signal ?? null) === (signal ?? null);
    return isEndTold && log_offset >= sizeOf(this.current.log_path);
  }

  private async reportStopped(): Promise<void> {
    const problems = await removeTempFiles(this.current);
    try {
      const { is_success, msg } = await this.env.reports.send(
        stoppedReport(this.current, this.seenEnd, problems),
      );
      if (is_success !== true) this.logger.warn({ reason: msg }, 'talent refused that a plot is stopped');
    } catch (error) {
      if (!this.env.signal.aborted) throw error;
    }
  }

  private async clearAway(): Promise<void> {
    const problems = await removeTempFiles(this.current);
    if (problems.length > 0) this.logger.error({ problems }, 'temp files of a plot are left over');
  }

  /** Undefined while talent can't be asked. */
  private async askTalent(): Promise<PlotTaskStatus | undefined> {
    try {
      const task = await this.env.client.status({ task_id: this.current.task_id });
      if (task.attempt === this.current.attempt) this.notePlotId(task.plot_details?.id);
      return task;
    } catch (error) {
      this.logger.debug({ reason: messageOf(error) }, 'talent can not be asked at the moment');
      return undefined;
    }
  }

  private noteEnd(end: PlotEnd): void {
    this.seenEnd = end;
    this.noteHasEnded();
  }

  private update(changes: Partial<PlotRecord>): void {
    if (this.settled) return;
    this.current = { ...this.current, ...changes };
    try {
      writePlotRecord(this.env.data, this.current);
    } catch (error) {
      // The plot goes on as if it were written; a supervisor after this one would not know.
      this.logger.error({ err: error, changes }, 'the record of a plot can not be written');
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** 0 when it is gone: then there is nothing to wait for. */
function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}
