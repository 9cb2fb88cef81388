/**
 * The log receiver: follows the logs of all plots of one machine and reports them to talent.
 *
 * Guarantees: a data directory has one log receiver; a plot is followed from the moment its start is announced until it is
 * settled, and its end is noticed within a fraction of a second; it may be killed at any moment, and the next one goes on
 * where talent was told last. It only reads: records and logs are other programs'.
 */

import { statSync } from 'node:fs';
import type { Logger } from 'pino';
import { wait } from '../runtime/backoff.js';
import { type Clock, systemClock } from '../runtime/clock.js';
import { Releasers } from '../runtime/releasers.js';
import { systemErrorCode } from '../runtime/system-error.js';
import { PlotManagerClient } from '../wire/plot-manager-client.js';
import { plotsDirectory, type RecordedPlot, readPlotRecords } from '../wire/plot-record.js';
import type { ReportStream } from '../wire/report-stream.js';
import { PlotReporter } from './plot-reporter.js';
import { takeReceiverLock } from './receiver-lock.js';

const LOOK_EVERY_MS = 200;
/** A directory that changed so short ago may change again without looking any newer. */
const TIMES_ARE_COARSE_MS = 50;

export interface LogReceiverOptions {
  /** The data directory it shares with the supervisor. Absolute. */
  readonly data: string;
  /** HOST:PORT of talent, which may come later. */
  readonly server: string;
  /** Of owl, as its supervisor has to know it. */
  readonly version: string;
  readonly logger: Logger;
  /** Default: the system's. */
  readonly clock?: Clock;
}

export interface LogReceiver {
  /** Ends in order. What was not acknowledged by then is reported by the next one. */
  stop(): Promise<void>;
}

/** @throws OwlError kind `refused` when the data directory has one already, `invalid` when it can't be used */
export function startLogReceiver({
  data,
  server,
  version,
  logger,
  clock = systemClock,
}: LogReceiverOptions): LogReceiver {
  const releasers = new Releasers(logger);
  const { release, reportKey } = takeReceiverLock({ data, server, version, logger });
  releasers.add('lock', release);
  const stopping = new AbortController();
  const talent = new PlotManagerClient({ server, signal: stopping.signal, clock, logger });
  releasers.add('connection', () => talent.close());
  const reports = talent.reports(reportKey);
  releasers.add('reports', () => reports.close());
  const plots = new FollowedPlots({ data, talent, reports, clock, logger, signal: stopping.signal });
  const running = plots.run();
  logger.info({ data, server }, 'the log receiver follows');
  return {
    stop: async () => {
      stopping.abort();
      reports.close();
      await running;
      await releasers.releaseAll();
    },
  };
}

interface FollowedPlotsOptions {
  readonly data: string;
  readonly talent: PlotManagerClient;
  readonly reports: ReportStream;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
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

  constructor(options: FollowedPlotsOptions) {
    this.options = options;
  }

  async run(): Promise<void> {
    const { clock, logger, signal } = this.options;
    while (!signal.aborted) {
      try {
        this.look();
      } catch (error) {
        logger.error({ err: error }, 'the records of plots can not be read; trying again');
      }
      await wait(clock, LOOK_EVERY_MS, signal);
    }
    await Promise.all(this.running);
  }

  private look(): void {
    const { data, clock, logger } = this.options;
    const changed = changeTimeOf(plotsDirectory(data));
    if (String(changed) === this.seen) return;
    const isSettled = clock.now() - changed > TIMES_ARE_COARSE_MS;
    const { plots, problems } = readPlotRecords(data);
    for (const problem of problems) {
      if (!this.problems.has(problem)) logger.error({ problem }, 'a plot can not be reported');
    }
    this.problems = new Set(problems);
    this.follow(plots);
    this.seen = isSettled ? String(changed) : '';
  }

  private follow(plots: readonly RecordedPlot[]): void {
    const recorded = new Set(plots.map(({ record }) => record.log_path));
    for (const [path, reporter] of this.reporters) {
      if (recorded.has(path)) continue;
      reporter.giveUp();
      this.reporters.delete(path);
    }
    for (const { record, end } of plots) {
      if (!record.announced) continue;
      let reporter = this.reporters.get(record.log_path);
      if (reporter === undefined) {
        reporter = new PlotReporter({ ...this.options, record });
        this.reporters.set(record.log_path, reporter);
        const run = reporter.run().finally(() => this.running.delete(run));
        this.running.add(run);
      }
      if (end !== null) reporter.noteEnd(end);
    }
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
