/**
 * The log receiver: follows the logs of all plots of one machine and reports them to talent.
 *
 * Guarantees: a data directory has one log receiver, also when its lock's file is deleted (base/lock.ts); a plot is followed from the moment its start is announced until it is
 * settled, and its end is noticed within a fraction of a second, or two seconds when its keeper can't write it; it may be
 * killed at any moment, and the next one goes on where talent was told last; whatever is wrong with one record, log or
 * report, the other plots are reported. It only reads: records, logs and plots are other programs'.
 */

import { statSync } from 'node:fs';
import type { Logger } from 'pino';
import { type Clock, systemClock } from '../../../base/clock.js';
import type { OwlError } from '../../../base/errors.js';
import { guardLock } from '../../../base/lock.js';
import { Releasers } from '../../../base/releasers.js';
import { every } from '../../../base/repeat.js';
import { systemErrorCode } from '../../../base/system-error.js';
import type { KeptProcess } from '../../../processes/keeper/keeper-messages.js';
import type { RecordedProcess } from '../../../processes/records/process-records.js';
import type { ClientCredentials } from '../../../wire/credentials.js';
import type { PlotFields, PlotKey, PlotRecord, PlotRecords } from '../machine/plot-record.js';
import type { TalentDirectory } from '../machine/talent-directory.js';
import { PlotManagerClient } from '../wire/plot-manager-client.js';
import type { ReportStream } from '../wire/report-stream.js';
import { createParser } from './parsers/index.js';
import { PlotReporter } from './plot-reporter.js';
import { takeReceiverLock } from './receiver-lock.js';

const LOOK_EVERY_MS = 200;
const ASK_KEEPER_EVERY_MS = 1_000;
/** A directory that changed so short ago may change again without looking any newer. */
const TIMES_ARE_COARSE_MS = 50;

export interface LogReceiverOptions {
  /** The directory it shares with the supervisor. */
  readonly machine: TalentDirectory;
  /** HOST:PORT of talent, which may come later. */
  readonly server: string;
  /** What talent is shown. */
  readonly credentials?: ClientCredentials;
  /** Of owl, as its supervisor has to know it. */
  readonly version: string;
  readonly logger: Logger;
  /** Asks the keeper of that directory which ends it can't write. Default: nobody is asked. */
  readonly unwrittenEnds?: UnwrittenEnds;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Default: those of `parsers/`. */
  readonly parserFor?: typeof createParser;
}

/** May reject: there is no keeper where nothing runs. */
export type UnwrittenEnds = (plots: PlotRecords) => Promise<readonly KeptProcess<PlotKey>[]>;

export interface LogReceiver {
  /** Resolves with the reason when another has the directory; it may never. Then it has to be stopped. */
  readonly lost: Promise<OwlError>;
  /** Ends in order. What was not acknowledged by then is reported by the next one. */
  stop(): Promise<void>;
}

/** @throws OwlError kind `refused` when the data directory has one already, `invalid` when it can't be used */
export function startLogReceiver({
  machine,
  server,
  credentials = {},
  version,
  logger,
  unwrittenEnds = () => Promise.resolve([]),
  clock = systemClock,
  parserFor = createParser,
}: LogReceiverOptions): LogReceiver {
  const releasers = new Releasers(logger);
  const { lock, release, nameAnew, reportKey } = takeReceiverLock({
    ...{ machine, server, version, logger },
  });
  releasers.add('lock', release);
  const stopping = new AbortController();
  const lost = new Promise<OwlError>((resolve) => {
    const { signal } = stopping;
    void guardLock(lock, { clock, logger, signal, onTaken: resolve, onTakenAnew: nameAnew });
  });
  const talent = new PlotManagerClient({ server, credentials, signal: stopping.signal, clock, logger });
  releasers.add('connection', () => talent.close());
  const reports = talent.reports(reportKey);
  releasers.add('reports', () => reports.close());
  const { signal } = stopping;
  const plots = new FollowedPlots({
    machine,
    talent,
    reports,
    clock,
    logger,
    signal,
    parserFor,
    unwrittenEnds,
  });
  const running = plots.run();
  logger.info({ data: machine.path, server }, 'the log receiver follows');
  return {
    lost,
    stop: async () => {
      stopping.abort();
      reports.close();
      await running;
      await releasers.releaseAll();
    },
  };
}

interface FollowedPlotsOptions {
  readonly machine: TalentDirectory;
  readonly talent: PlotManagerClient;
  readonly reports: ReportStream;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly parserFor: typeof createParser;
  readonly unwrittenEnds: UnwrittenEnds;
}

/** The reporters of all plots that are recorded, each from its announcement until its record is gone. */
class FollowedPlots {
  private readonly options: FollowedPlotsOptions;
  /** By log: that is one attempt of one task. */
  private readonly reporters = new Map<string, PlotReporter>();
  private readonly running = new Set<Promise<void>>();
  /** What is wrong with records at the moment: said once, not at every look. */
  private problems: ReadonlySet<string> = new Set();
  /** What the directory looked like when it was last read. */
  private seen = '';
  private askAt = 0;

  constructor(options: FollowedPlotsOptions) {
    this.options = options;
  }

  async run(): Promise<void> {
    const { clock, logger, signal } = this.options;
    await every({ clock, pauseMs: LOOK_EVERY_MS, signal }, async () => {
      try {
        this.look();
        await this.askKeeper();
      } catch (error) {
        logger.error({ err: error }, 'the records of plots can not be read; trying again');
      }
    });
    await Promise.all(this.running);
  }

  private look(): void {
    const { machine, clock, logger } = this.options;
    const changed = changeTimeOf(machine.records);
    if (String(changed) === this.seen) return;
    const isSettled = clock.now() - changed > TIMES_ARE_COARSE_MS;
    const { processes, problems } = machine.plots.readAll();
    for (const problem of problems) {
      if (!this.problems.has(problem)) logger.error({ problem }, 'a plot can not be reported');
    }
    this.problems = new Set(problems);
    this.follow(processes);
    this.seen = isSettled ? String(changed) : '';
  }

  /** What has ended without a written end: its keeper knows more than the disk takes. */
  private async askKeeper(): Promise<void> {
    const { clock, unwrittenEnds } = this.options;
    const { plots } = this.options.machine;
    if (clock.monotonic() < this.askAt) return;
    this.askAt = clock.monotonic() + ASK_KEEPER_EVERY_MS;
    const gone = [...this.reporters.values()].filter((reporter) => reporter.hasVanished());
    if (gone.length === 0) return;
    // Where no keeper answers, the supervisor writes what is known.
    const ends = await unwrittenEnds(plots).catch(() => []);
    for (const { key, end } of ends)
      if (end !== undefined) this.reporters.get(plots.logPathOf(key))?.noteEnd(end);
  }

  private follow(plots: readonly RecordedProcess<PlotFields>[]): void {
    const recorded = new Set(plots.map(({ record }) => record.log_path));
    for (const [path, reporter] of this.reporters) {
      if (recorded.has(path)) continue;
      reporter.giveUp();
      this.reporters.delete(path);
    }
    for (const { record, end } of plots) {
      if (!record.announced) continue;
      const reporter = this.reporters.get(record.log_path) ?? this.begin(record);
      if (end !== null) reporter.noteEnd(end);
    }
  }

  private begin(record: PlotRecord): PlotReporter {
    const reporter = new PlotReporter({ ...this.options, record });
    this.reporters.set(record.log_path, reporter);
    const run = reporter
      .run()
      .catch((error: unknown) => {
        this.options.logger.error({ err: error, taskId: record.task_id }, 'a plot is not reported any more');
        // The next look at the records begins anew.
        this.reporters.delete(record.log_path);
        this.seen = '';
      })
      .finally(() => this.running.delete(run));
    this.running.add(run);
    return reporter;
  }
}

/** Milliseconds since the Unix epoch; 0 while there is no such directory. */
function changeTimeOf(directory: string): number {
  try {
    return statSync(directory).mtimeMs;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return 0;
    throw error;
  }
}
