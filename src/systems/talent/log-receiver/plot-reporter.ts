/**
 * Reports one plot to talent: what its log tells, line by line, and in the end how it ended.
 *
 * Guarantees: every line that tells something is reported, in order, each once: the next one goes out when talent has
 * answered, and whoever begins anew asks talent for the byte up to which it has been told and goes on there. It ends when
 * it is given up and not before: a talent that knows nothing of the plot may be the wrong one, and one that has heard all
 * may lose it again, so both are asked again later. A line that its parser throws at tells nothing, and what comes after it
 * is read all the same. Memory is bounded: the log is read no faster than talent answers. The log is evidence and its
 * absence is not: whatever it tells, the plot's file is looked for.
 */

import { statSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from 'pino';
import { Backoff, wait } from '../../../base/backoff.js';
import type { Clock } from '../../../base/clock.js';
import { messageOf, OwlError } from '../../../base/errors.js';
import { isAlive } from '../../../base/process-identity.js';
import { ToldFailures } from '../../../base/told-failures.js';
import { LogChangedError, LogFollower, LogUnreadableError } from '../../../processes/logs/log-follower.js';
import { identityOf } from '../../../processes/records/process-record.js';
import type { PlotEnd, PlotRecord } from '../machine/plot-record.js';
import type { TalentDirectory } from '../machine/talent-directory.js';
import type { PlotTaskStatus } from '../wire/messages.js';
import type { PlotManagerClient } from '../wire/plot-manager-client.js';
import { isFinal } from '../wire/plot-states.js';
import type { ReportStream } from '../wire/report-stream.js';
import { sendReport } from '../wire/send-report.js';
import { type Facts, NOTHING } from './facts.js';
import { DiskMissingError, lookBeside } from './look-beside.js';
import { type createParser, isLogFormat, LOG_FORMATS, type PlotLogParser } from './parsers/index.js';
import { LastLines } from './parsers/last-lines.js';
import { type Beside, endReport, newsReport, waitReport } from './plot-reports.js';
import { mayBeFinished } from './verdict.js';

/** A plotter that prints line after line is read in pieces of that many bytes at least, or after so long. */
const SMALL_BATCH_BYTES = 16_384;
const PAUSE_MS = 200;
/** Everything is told, but the record is still there: does talent still know it all? */
const ASK_AGAIN_MS = 60_000;

export interface PlotReporterOptions {
  readonly machine: TalentDirectory;
  readonly record: PlotRecord;
  readonly talent: PlotManagerClient;
  readonly reports: ReportStream;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends it, without an error and without a last word to talent. */
  readonly signal: AbortSignal;
  readonly parserFor: typeof createParser;
}

interface Answer {
  /** Talent wants to hear no more of this attempt. */
  readonly over: boolean;
  /** Why it has not taken the report; undefined when it has. */
  readonly refusal: string | undefined;
}

/** What has been read of the log so far. */
interface Reading {
  known: Facts;
  offset: number;
  readonly lastLines: LastLines;
}

export class PlotReporter {
  private readonly options: PlotReporterOptions;
  private readonly logger: Logger;
  private readonly backoff = new Backoff({ firstMs: 200 });
  private readonly failures: ToldFailures;
  private readonly givenUp = new AbortController();
  private readonly signal: AbortSignal;
  private follower: LogFollower | undefined;
  private end: PlotEnd | undefined;
  /** What keeps it from reporting: said once, not at every try. */
  private problem = '';
  /** What became of the log under its reader. */
  private logChange: string | undefined;

  constructor(options: PlotReporterOptions) {
    this.options = options;
    const { task_id, attempt } = options.record;
    this.logger = options.logger.child({ taskId: task_id, attempt });
    this.failures = new ToldFailures(this.logger);
    this.signal = AbortSignal.any([options.signal, this.givenUp.signal]);
  }

  /** The plotter has ended: what its log still holds is read, and then its end is reported. */
  noteEnd(end: PlotEnd): void {
    this.end = end;
    this.follower?.finish();
  }

  /** Its process is gone, and how it ended is not known here. */
  hasVanished(): boolean {
    return this.end === undefined && !isAlive(identityOf(this.options.record));
  }

  /** The plot is settled without it: nobody wants to hear more. */
  giveUp(): void {
    this.givenUp.abort();
  }

  /** Until it is given up. What goes wrong on the way is logged and tried again. */
  async run(): Promise<void> {
    const { signal } = this;
    const { clock } = this.options;
    while (!signal.aborted) {
      try {
        await this.report();
        this.problem = '';
        await wait(clock, ASK_AGAIN_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof LogChangedError)
          this.logChange = `its log was ${error.change} while it was read`;
        this.complain(error);
        await wait(clock, this.backoff.next(), signal);
      }
    }
  }

  private complain(error: unknown): void {
    const problem = messageOf(error);
    const level = error instanceof OwlError && error.kind === 'refused' ? 'error' : 'warn';
    if (problem !== this.problem)
      this.logger[level]({ err: error }, 'a plot is not reported at the moment; trying again');
    this.problem = problem;
  }

  /** From the log's begin to the end of the plot, telling only what talent does not know. */
  private async report(): Promise<void> {
    const { signal } = this;
    const { machine, record, clock } = this.options;
    const told = await this.askHowFar();
    if (told === undefined) return;
    const reading: Reading = { known: NOTHING, offset: 0, lastLines: new LastLines() };
    this.follower = new LogFollower({ path: record.log_path, clock, signal });
    if (this.end !== undefined) this.follower.finish();
    const problem = await this.read(this.follower, reading, told);
    if (problem === 'over') return;
    const { end } = this;
    if (signal.aborted || end === undefined) return;
    const now = machine.plots.read(record) ?? record;
    const ending = { known: reading.known, lastLines: reading.lastLines.list(), end, stopping: now.stopping };
    const trouble = problem?.message ?? this.logChange;
    // A log that was cut short of what talent was told takes nothing back.
    const offset = Math.max(told, reading.offset);
    const beside = await this.lookBeside(now, ending, trouble, offset);
    if (signal.aborted) return;
    // Nothing is known from a log that can't be read, unless the plot itself says enough.
    if (problem !== undefined && (beside.file === undefined || !mayBeFinished(ending))) throw problem;
    const report = endReport({ ...record, offset }, { ...ending, beside, ordered: record });
    const { over, refusal } = await this.send(report);
    if (refusal !== undefined && !over)
      throw new OwlError('refused', `talent refuses to hear how the plot has ended: ${refusal}`);
  }

  /** Who has to mount a disk is told so by the task. */
  private async lookBeside(
    record: PlotRecord,
    ended: Parameters<typeof lookBeside>[1],
    trouble: string | undefined,
    offset: number,
  ): Promise<Beside> {
    try {
      return await lookBeside(record, ended, trouble, { ...this.options, signal: this.signal });
    } catch (error) {
      if (error instanceof DiskMissingError && error.message !== this.problem)
        await this.send(waitReport({ ...record, offset }, error.message));
      throw error;
    }
  }

  /** @returns what kept it from reading all of the log; `over` when talent wants to hear no more */
  private async read(
    follower: LogFollower,
    reading: Reading,
    told: number,
  ): Promise<LogUnreadableError | 'over' | undefined> {
    try {
      return (await this.tellNews(follower, reading, told)) ? undefined : 'over';
    } catch (error) {
      if (error instanceof LogUnreadableError && this.end !== undefined) return error;
      throw error;
    }
  }

  /** The byte up to which talent has been told of this attempt; undefined when it wants to hear no more. */
  private async askHowFar(): Promise<number | undefined> {
    const { talent, record } = this.options;
    const task = await talent.status({ task_id: record.task_id });
    if (this.isOver(task)) return undefined;
    const told = task.log_offset ?? 0;
    const size = sizeOf(record.log_path);
    if (told <= size) return told;
    this.logger.error(
      { told, size },
      'talent claims to know more of a log than it holds; telling all of it again',
    );
    return 0;
  }

  /** @throws OwlError kind `unavailable` when talent has never heard of this attempt */
  private isOver({ existed = false, attempt = 0, status = '' }: PlotTaskStatus): boolean {
    const { record } = this.options;
    if (!existed || attempt < record.attempt)
      throw new OwlError('unavailable', 'talent knows nothing of this plot; is it the right one?');
    return attempt > record.attempt || isFinal(status);
  }

  /** False when talent wants to hear no more. */
  private async tellNews(follower: LogFollower, reading: Reading, told: number): Promise<boolean> {
    const { record, clock } = this.options;
    const parse = this.parser();
    for await (const { lines, offset } of follower) {
      const isSmall = offset - reading.offset < SMALL_BATCH_BYTES;
      for (const line of lines) {
        const news = parse(line.text);
        reading.known = { ...reading.known, ...news };
        reading.offset = line.offset;
        reading.lastLines.note(line.text);
        if (line.offset <= told || Object.keys(news).length === 0) continue;
        const isRunning = reading.known.started ?? false;
        const report = newsReport({ ...record, offset: line.offset }, news, isRunning, clock.now() / 1000);
        const { over, refusal } = await this.send(report);
        if (over) return false;
        if (refusal !== undefined)
          this.logger.error({ reason: refusal, offset }, 'talent refused what a line told; going on');
      }
      // Every look at a file costs; what comes meanwhile is read at once.
      if (isSmall && this.end === undefined) await wait(clock, PAUSE_MS, this.signal);
      else await nextTurn();
    }
    return true;
  }

  /** A log that nobody can read still ends, and its plot with it. */
  private parser(): (line: string) => Facts {
    const { record, parserFor } = this.options;
    const { format } = record;
    if (isLogFormat(format)) {
      const parser = parserFor(format);
      return (line) => this.factsOf(line, parser);
    }
    this.logger.error({ format, known: LOG_FORMATS }, 'no such log format; nothing of this log is reported');
    return () => NOTHING;
  }

  private factsOf(line: string, parser: PlotLogParser): Facts {
    try {
      return parser.feed(line);
    } catch (error) {
      this.failures.tell('parser', error, 'a line of a log can not be parsed; going on behind it', { line });
      return NOTHING;
    }
  }

  private async send(report: PlotTaskStatus): Promise<Answer> {
    const { talent, reports, record } = this.options;
    const { is_success = false, msg = '' } = await sendReport(reports, report);
    if (is_success) {
      this.backoff.reset();
      this.problem = '';
      return { over: false, refusal: undefined };
    }
    const over = this.isOver(await talent.status({ task_id: record.task_id }));
    if (over) this.logger.info({ reason: msg }, 'talent wants to hear no more of this plot');
    return { over, refusal: msg };
  }
}

/** 0 while there is no log. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
