/**
 * One attempt of one task on this machine, from its record to the moment nothing of it is left to do.
 *
 * Guarantees: talent is told that it started before anyone reports anything else of it; its end is noticed whoever saw it,
 * and settled by the log receiver, except for one that is being stopped: of that the supervisor reports `stopped`, after
 * every process of it is gone, its log was read to the end and its temp files are removed. What talent or an overlord has
 * given up is ended here too; what others have reported of it ends nothing, and its temp files are found by what the
 * plotter's own command line or log says. What can't be done now is told and tried again, and whatever is interrupted goes on
 * from the record when the supervisor is started again.
 */

import type { Logger } from 'pino';
import { Backoff, untilAborted, wait } from '../../../../base/backoff.js';
import { messageOf } from '../../../../base/errors.js';
import { cgroupsOf } from '../../../../processes/cgroup.js';
import { endGroup, endMarked, ProcessFamily, signalGroup } from '../../../../processes/process-family.js';
import type { ProcessTable } from '../../../../processes/process-table.js';
import { KeptRecord } from '../../../../processes/records/kept-record.js';
import { findEnd } from '../../../../processes/records/process-end.js';
import { identityOf } from '../../../../processes/records/process-record.js';
import type { PlotEnd, PlotFields, PlotKey, PlotRecord } from '../../machine/plot-record.js';
import type { PlotTaskStatus } from '../../wire/messages.js';
import { isFinal } from '../../wire/plot-states.js';
import { sendReport } from '../../wire/send-report.js';
import { remarkReport, startedReport, stoppedReport } from '../supervisor-reports.js';
import { tellTalent } from '../tell-talent.js';
import { finishedAfterAll, isEndTold } from './end-told.js';
import { standingOf } from './given-up.js';
import { OwnTempFiles } from './own-temp-files.js';
import type { PlotEnvironment } from './plot-environment.js';
import { QuietLog } from './quiet-log.js';

/** How long the log receiver gets to read a stopped plot's log to its end, while talent can be asked. */
const READ_WITHIN_MS = 5_000;

export class Plot {
  private readonly env: PlotEnvironment;
  private readonly logger: Logger;
  private readonly kept: KeptRecord<PlotKey, PlotFields>;
  private readonly family: ProcessFamily;
  private readonly tempFiles: OwnTempFiles;
  private readonly quietLog: QuietLog;
  /** Aborts when the plotter has ended, and when nobody watches any more. */
  private readonly over = new AbortController();
  private readonly told = new Set<string>();
  private seenEnd: PlotEnd | undefined;
  private isEndWritten = false;
  private isEnding = false;
  private abandoned = false;
  private missed = false;

  constructor(record: PlotRecord, env: PlotEnvironment) {
    this.env = env;
    const { task_id, attempt } = record;
    this.logger = env.logger.child({ taskId: task_id, attempt });
    const { plots } = env.machine;
    this.kept = new KeptRecord(plots, record, this.logger);
    const cgroups = cgroupsOf(plots.markOf(record), record.cgroup);
    this.family = new ProcessFamily(identityOf(record), cgroups);
    this.tempFiles = new OwnTempFiles(plots, this.kept, this.logger);
    this.quietLog = new QuietLog(record.log_path, env.clock, env.quietMs ?? 0);
  }

  get record(): PlotRecord {
    return this.kept.current;
  }

  /** Undefined while its process runs, or may run. */
  get end(): PlotEnd | undefined {
    return this.seenEnd;
  }

  /** Until it is settled and its record gone, or the signal aborts. After an error it can be called again. */
  async run(): Promise<void> {
    const { signal } = this.env;
    const stopWatching = (): void => this.over.abort();
    if (signal.aborted) return;
    signal.addEventListener('abort', stopWatching, { once: true });
    try {
      await this.live();
    } finally {
      signal.removeEventListener('abort', stopWatching);
    }
  }

  /** Looks whether it has ended. To be called now and then, and when there is a reason to think so. */
  look(): void {
    const { machine, clock, isKept, unwrittenEnd } = this.env;
    this.kept.catchUp();
    this.tempFiles.noteId();
    if (this.isEndWritten) return;
    if (this.seenEnd === undefined) this.lookAtSilence();
    const unwritten = unwrittenEnd(this.record);
    if (unwritten !== undefined) this.noteEnd(unwritten);
    try {
      const end = findEnd(machine.plots, this.record, () => isKept(this.record), clock, this.seenEnd);
      if (end === null) return;
      this.isEndWritten = true;
      this.noteEnd(end);
    } catch (error) {
      this.logger.error({ err: error }, 'the end of a plot could not be read or written; trying again');
    }
  }

  private lookAtSilence(): void {
    const { announced, suspended, stopping } = this.record;
    const size = this.quietLog.look(suspended || stopping || !announced);
    if (size === undefined) return;
    const hours = Number(((this.env.quietMs ?? 0) / 3_600_000).toFixed(2));
    const remark = `its plotter has printed nothing for ${hours} h; it may hang`;
    this.logger.warn({ remark }, 'a plotter is silent');
    tellTalent(this.env, remarkReport(this.record, remark, `silent since ${size}`));
  }

  /** Takes note of what the plotter has started by now. To be called now and then, before it ends. */
  lookAtFamily(table: ProcessTable): void {
    if (this.seenEnd === undefined) this.family.look(table);
  }

  /** Ends it: SIGTERM, after the grace SIGKILL. Its reports follow once it has ended. Again changes nothing. */
  stop(): void {
    if (this.seenEnd !== undefined || this.isEnding) return;
    const { clock, stopGraceMs } = this.env;
    this.isEnding = true;
    this.kept.change({ stopping: true, suspended: false });
    void endGroup({
      leader: identityOf(this.record),
      family: this.family,
      graceMs: stopGraceMs,
      clock,
      onKill: () =>
        this.logger.warn({ graceMs: stopGraceMs }, 'the plotter did not end on SIGTERM; killing it'),
      signal: this.over.signal,
      onRefused: (pid, error) => this.tellCannotEnd(pid, error),
    });
  }

  /** Talent wants to hear no more of it: ends it and leaves nothing, without a report. */
  abandon(reason: string): void {
    if (this.abandoned) return;
    this.logger.warn({ reason }, 'a plot that talent has given up is ended here');
    this.abandoned = true;
    this.stop();
  }

  /** Somebody has reported an end of it although it runs: it goes on, which is said once. */
  noteOver({ status, remarks }: PlotTaskStatus): void {
    if (this.told.has('over')) return;
    this.told.add('over');
    this.logger.error({ status, remarks }, 'a report says that a plot is over which runs here; it goes on');
  }

  /** False when it does not run. */
  suspend(): boolean {
    const done = !this.isEnding && signalGroup(identityOf(this.record), 'SIGSTOP');
    if (done) this.kept.change({ suspended: true });
    return done;
  }

  /** False when it does not run. */
  resume(): boolean {
    const done = signalGroup(identityOf(this.record), 'SIGCONT');
    if (done) this.kept.change({ suspended: false });
    return done;
  }

  private async live(): Promise<void> {
    const { signal } = this.env;
    // A supervisor before this one had begun to stop it.
    if (this.record.stopping) this.stop();
    if (!this.record.announced) await this.announce();
    await untilAborted(this.over.signal);
    if (signal.aborted) return;
    await this.endRest();
    const outcome = await this.settle();
    if (signal.aborted) return;
    await this.clearAway(outcome === 'finished');
    this.kept.remove();
    this.logger.info({ outcome, end: this.seenEnd }, 'plot settled');
  }

  /** Until talent has taken note of the start, or wants no more of the task. */
  private async announce(): Promise<void> {
    const { reports, logPid, clock, signal } = this.env;
    const backoff = new Backoff({ firstMs: 1_000, longestMs: 60_000 });
    try {
      while (!signal.aborted) {
        const { is_success = false, msg = '' } = await sendReport(
          reports,
          startedReport(this.record, logPid()),
        );
        if (is_success) return this.kept.change({ announced: true });
        if (await this.isOverElsewhere(msg)) return;
        await wait(clock, backoff.next(), signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Talent takes no more reports of it. Where that was decided there, not reported, it is ended. */
  private async isOverElsewhere(refusal: string): Promise<boolean> {
    const task = await this.askTalent();
    if (task === undefined || !this.isKnown(task)) return false;
    try {
      const standing = await standingOf(this.env.client, this.record, task);
      if (typeof standing === 'object') this.abandon(`${standing.endBecause} (${refusal})`);
      return standing !== 'wanted';
    } catch (error) {
      this.logger.debug({ reason: messageOf(error) }, 'talent can not be asked at the moment');
      return false;
    }
  }

  /** What a plotter has started and left behind. */
  private async endRest(): Promise<void> {
    const { machine, clock, signal } = this.env;
    const ended = await endMarked(machine.plots.markOf(this.record), clock, signal, {
      family: this.family,
      cgroup: this.record.cgroup,
      onRefused: (pid, error) => this.tellCannotEnd(pid, error),
    });
    if (ended > 0) this.logger.warn({ ended }, 'the plotter had left processes behind; they were killed');
  }

  /** Once per process: it is tried again and again. */
  private tellCannotEnd(pid: number, error: unknown): void {
    const remark = `process ${pid} of it can't be ended (${messageOf(error)}); trying again until it is gone`;
    if (this.told.has(remark)) return;
    this.told.add(remark);
    this.logger.error({ pid, err: error }, "a process of a plot can't be ended; trying again");
    tellTalent(this.env, remarkReport(this.record, remark, remark));
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
        readUntil ??= clock.monotonic() + READ_WITHIN_MS;
        if (
          this.record.stopping &&
          (isEndTold(task, this.record, this.seenEnd) || clock.monotonic() >= readUntil)
        ) {
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
    if (attempt !== this.record.attempt) return '';
    return isFinal(status) ? status : undefined;
  }

  /** A talent that never heard of the attempt may be the wrong one: then the right one will ask for it. */
  private isKnown({ existed = false, attempt = 0 }: PlotTaskStatus): boolean {
    if (existed && attempt >= this.record.attempt) return true;
    if (!this.missed) this.logger.error('talent knows nothing of this plot; is it the right one?');
    this.missed = true;
    return false;
  }

  private async reportStopped(): Promise<void> {
    const report =
      (await finishedAfterAll(this.record, this.seenEnd, this.env)) ??
      stoppedReport(this.record, this.seenEnd, await this.tempFiles.remove());
    try {
      const { is_success, msg } = await this.env.reports.send(report);
      if (is_success !== true)
        this.logger.warn({ reason: msg }, 'talent refused how a stopped plot has ended');
    } catch (error) {
      if (!this.env.signal.aborted) throw error;
    }
  }

  private async clearAway(isFinished: boolean): Promise<void> {
    const problems = await this.tempFiles.clear(isFinished, this.seenEnd);
    if (problems.length > 0) this.logger.error({ problems }, 'temp files of a plot may be left over');
  }

  /** Undefined while talent can't be asked. */
  private async askTalent(): Promise<PlotTaskStatus | undefined> {
    try {
      return await this.env.client.status({ task_id: this.record.task_id });
    } catch (error) {
      this.logger.debug({ reason: messageOf(error) }, 'talent can not be asked at the moment');
      return undefined;
    }
  }

  private noteEnd(end: PlotEnd): void {
    this.seenEnd = end;
    this.over.abort();
  }
}
