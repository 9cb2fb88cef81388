/**
 * The supervisor of one machine, put together: takes tasks from talent, has plotters started, watches and stops them.
 *
 * Guarantees: a data directory has one supervisor, also when its lock's file is deleted: it takes that anew, or ends where
 * another was faster; when `startSupervisor` resolves, every plot of this machine is watched and orders are taken as soon as
 * talent can be reached; `stop` detaches and leaves the plots running, for the next supervisor to take over. One that is told
 * to end while it starts, or can't start, leaves nothing of itself: a keeper that does not answer holds nobody up.
 */

import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { untilAborted } from '../../../base/backoff.js';
import { type Clock, systemClock } from '../../../base/clock.js';
import { OwlError } from '../../../base/errors.js';
import { guardLock } from '../../../base/lock.js';
import { Releasers } from '../../../base/releasers.js';
import { findReportKey, hashOfReportKey } from '../../../base/report-key.js';
import { type LookAtDirectory, lookAtDirectory } from '../../../processes/directories.js';
import { KeeperLink } from '../../../processes/keeper/keeper-link.js';
import { listenLocally } from '../../../processes/local-calls.js';
import { removeOldLogs } from '../../../processes/records/old-logs.js';
import { UsageMeter } from '../../../processes/usage.js';
import type { ClientCredentials } from '../../../wire/credentials.js';
import { KEEPER_MAIN } from '../machine/keeper-program.js';
import type { PlotFields, PlotKey } from '../machine/plot-record.js';
import { TalentDirectory } from '../machine/talent-directory.js';
import type { PlotTaskStatus, SupervisorWorkKind } from '../wire/messages.js';
import { PlotManagerClient } from '../wire/plot-manager-client.js';
import type { ReportStream } from '../wire/report-stream.js';
import { controlHandler, type SupervisorState } from './control.js';
import { LogReceiverProcess } from './log-receiver-process.js';
import { machineFigures } from './machine-figures.js';
import { isDraining, OperatorControls } from './operator-controls.js';
import { patienceWith } from './plots/plot-environment.js';
import { Plots } from './plots/plots.js';
import { endUnrecorded } from './plots/unrecorded-plot.js';
import { plotKeyOf } from './plotters/plot-order.js';
import { choosePlotter, type PlotterDeclaration } from './plotters/plotters.js';
import { limitsFrom } from './starting/admission.js';
import { Starter } from './starting/starter.js';
import { takeSupervisorLock } from './supervisor-lock.js';
import { logPidReport, stoppedReport } from './supervisor-reports.js';
import { TalentLink } from './talent-link.js';
import { tellTalent } from './tell-talent.js';

export interface SupervisorConfig {
  /** Absolute. The supervisor shares it with its log receiver and keeper; a talent may have the same one. */
  readonly data: string;
  /** HOST:PORT of talent, which may come later. */
  readonly server: string;
  /** Undefined: whoever talent's own node is. */
  readonly worker_id: string | undefined;
  /** Name of the plotter that makes this machine's plots. */
  readonly plotter: string;
  readonly plotters: readonly PlotterDeclaration[];
  readonly max_plots: number;
  readonly max_per_cache: number;
  readonly stagger_seconds: number;
  /** Between SIGTERM and SIGKILL. */
  readonly grace_seconds: number;
  /** How long logs of plots that are over are kept; 0: for ever. */
  readonly keep_logs_days: number;
  /** How long a plotter may print nothing before its task says so; 0: for ever. */
  readonly quiet_seconds: number;
  /** Undefined: as talent has it. */
  readonly lease_seconds: number | undefined;
}

export interface StartSupervisorOptions {
  readonly config: SupervisorConfig;
  /** What talent is shown. */
  readonly credentials?: ClientCredentials;
  /** Command line of a log receiver of this version for this talent. */
  readonly logReceiver: readonly string[];
  readonly logger: Logger;
  /** As talent and operators see it. */
  readonly version: string;
  /** Where plotters are looked for, as in PATH. */
  readonly path: string;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Default: the real directories. */
  readonly lookAtDirectory?: LookAtDirectory;
  /** Aborted when it is told to end, which may be before it has started. */
  readonly interrupted?: AbortSignal;
}

export interface Supervisor {
  /** Resolves with the reason when another has the directory; it may never. Then it has to be stopped. */
  readonly lost: Promise<OwlError>;
  status(): SupervisorState;
  /** Detaches from talent and ends the log receiver. Plots go on. */
  stop(): Promise<void>;
}

/**
 * @throws OwlError kind `refused` when the data directory has a supervisor already (names its pid), `invalid` when the
 *   configuration or the directory can't be used, `unavailable` when no keeper can be started, or when it is told to end first
 */
export async function startSupervisor(options: StartSupervisorOptions): Promise<Supervisor> {
  const { config, logger, clock = systemClock } = options;
  const plotter = choosePlotter(config.plotter, config.plotters, options.path, logger);
  const releasers = new Releasers(logger);
  try {
    const machine = new TalentDirectory(config.data);
    const lock = await takeSupervisorLock(machine);
    releasers.add('lock', () => lock.release());
    const supervisor = new RunningSupervisor(partsOf(options, machine, clock, plotter));
    const guarding = new AbortController();
    const lost = new Promise<OwlError>((resolve) => {
      const { signal } = guarding;
      void guardLock(lock, { clock, logger, signal, onTaken: resolve });
    });
    releasers.add('guard', () => guarding.abort());
    await supervisor.start(releasers, options.interrupted ?? new AbortController().signal);
    return {
      lost,
      status: () => supervisor.controls.status(),
      stop: () => releasers.releaseAll(),
    };
  } catch (error) {
    await releasers.releaseAll();
    throw error;
  }
}

/** What a supervisor is made of. */
interface SupervisorParts {
  readonly config: SupervisorConfig;
  readonly machine: TalentDirectory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sessionId: string;
  readonly ending: AbortController;
  readonly client: PlotManagerClient;
  readonly reports: ReportStream;
  readonly keeper: KeeperLink<PlotKey, PlotFields>;
  readonly logReceiver: LogReceiverProcess;
  readonly talent: TalentLink;
  readonly plots: Plots;
  readonly starter: Starter;
  readonly usage: UsageMeter;
  /** Name of the plotter. */
  readonly plotter: string;
}

/** Each knows those above it, and none begins by itself. */
function partsOf(
  options: StartSupervisorOptions,
  machine: TalentDirectory,
  clock: Clock,
  plotter: PlotterDeclaration,
): SupervisorParts {
  const { config, logger, version, path, credentials = {} } = options;
  const sessionId = randomUUID();
  const ending = new AbortController();
  const { signal } = ending;
  // Every plot waits for it.
  setMaxListeners(0, signal);
  const client = new PlotManagerClient({ server: config.server, credentials, clock, logger });
  const reportKey = findReportKey(machine.reportKey, logger);
  const reports = client.reports(reportKey);
  const common = { machine, clock, logger, signal, client, reports };
  const keeper = new KeeperLink({ ...common, records: machine.plots, main: KEEPER_MAIN });
  const logReceiver = new LogReceiverProcess({
    ...{ ...common, server: config.server, argv: options.logReceiver, reportKey, version },
  });
  const talent = new TalentLink({
    ...{ ...common, workerId: config.worker_id, sessionId, host: hostname(), version },
    reportKeyHash: reportKey === undefined ? undefined : hashOfReportKey(reportKey),
    leaseSeconds: config.lease_seconds,
    figures: () => machineFigures(pids(), starter.waitingByReason(), usage),
  });
  const workerId = () => talent.workerId;
  const plots = new Plots({
    ...{ ...common, workerId, ...patienceWith(config) },
    logPid: () => logReceiver.pid,
    isKept: (key) => keeper.keeps(key),
    unwrittenEnd: (key) => keeper.unwrittenEnd(key),
    tellPlots: (id, has) => talent.tellPlots(id, has),
  });
  const starter = new Starter({
    ...{ ...common, workerId, plots, keeper, sessionId },
    ...{ plotter, plotters: config.plotters, path, limits: limitsFrom(config, plotter) },
    lookAtDirectory: options.lookAtDirectory ?? lookAtDirectory,
    isDraining: () => isDraining(machine),
  });
  const pids = () => plots.running().map(({ record }) => record.process.pid);
  const usage = new UsageMeter({ ...common, pids });
  return {
    ...{ config, machine, clock, logger, sessionId, ending, client, reports, plotter: plotter.name },
    ...{ keeper, logReceiver, talent, plots, starter, usage },
  };
}

/** What goes between the parts. */
class RunningSupervisor {
  readonly controls: OperatorControls;
  private readonly parts: SupervisorParts;
  private told = 0;

  constructor(parts: SupervisorParts) {
    const { machine, config, plotter, plots, starter, talent, logReceiver, usage } = parts;
    this.parts = parts;
    this.controls = new OperatorControls({
      ...{ machine, server: config.server, plotter, plots, starter, talent, logReceiver, usage },
      tell: (report) => this.tell(report),
      nonce: () => this.nonce(),
    });
  }

  async start(releasers: Releasers, interrupted: AbortSignal): Promise<void> {
    const toldToEnd = untilAborted(interrupted).then(() => {
      throw new OwlError('unavailable', 'the supervisor was told to end before it had started');
    });
    toldToEnd.catch(() => undefined);
    const { client, keeper, logReceiver, plots, starter, talent, machine, config, logger } = this.parts;
    releasers.add('connection', () => client.close());
    // Before all that waits, because an open socket keeps the process alive while nothing else does.
    const control = await listenLocally(machine.controlSocket, controlHandler(this.controls));
    releasers.add('control', () => control.close());
    releasers.add('keeper', () => keeper.close());
    const look = (key: PlotKey) => plots.noteEnded(key);
    const opening = keeper.open({ onEnded: look, onUnwritten: look, onLost: () => plots.look() });
    await Promise.race([opening, toldToEnd]);
    releasers.add('log receiver', () => logReceiver.stop());
    await Promise.race([logReceiver.start(() => this.tellLogPid()), toldToEnd]);
    plots.adopt(() => starter.wake());
    this.tellLogPid();
    releasers.add('watching', this.watch());
    releasers.add('talent', () => talent.stop('the supervisor was stopped'));
    talent.start({
      onWork: (kind, task) => this.takeWork(kind, task),
      onAway: () => starter.pause(),
    });
    const { server, plotter } = config;
    logger.info({ data: machine.path, server, plotter }, 'the supervisor supervises');
  }

  /** @returns ends it, and waits for what goes on */
  private watch(): () => Promise<void> {
    const { machine, config, clock, logger, ending, usage, reports, starter, plots } = this.parts;
    const tidying = removeOldLogs({
      ...{ records: machine.plots, keepDays: config.keep_logs_days },
      ...{ clock, logger, signal: ending.signal },
    });
    const measuring = usage.run();
    return async () => {
      ending.abort();
      reports.close();
      await Promise.all([starter.ended(), plots.ended(), measuring, tidying]);
    };
  }

  private takeWork(kind: SupervisorWorkKind, task: PlotTaskStatus): void {
    const { starter, plots } = this.parts;
    const key = plotKeyOf(task);
    if (kind === 'READY') {
      starter.complete();
      // While talent was away it may have given plots up.
      void plots.compareWithTalent();
    } else if (key === undefined) return;
    else if (kind === 'START') starter.announce(key, task);
    else if (kind === 'WITHDRAWN') starter.withdraw(key);
    else this.stopPlot(key, task);
  }

  private stopPlot(key: PlotKey, task: PlotTaskStatus): void {
    const plot = this.parts.plots.get(key);
    // It may have been said to run by somebody else, and waits no more.
    this.parts.starter.withdraw(key);
    if (plot !== undefined) plot.stop();
    else void this.stopUnrecorded(key, task);
  }

  private async stopUnrecorded(key: PlotKey, task: PlotTaskStatus): Promise<void> {
    const { machine, clock, logger, config, ending } = this.parts;
    const { plotter, plotters } = config;
    const { signal } = ending;
    try {
      const remarks = await endUnrecorded(key, task, { machine, clock, signal, plotter, plotters });
      if (!signal.aborted) this.tell(stoppedReport(key, undefined, remarks));
    } catch (error) {
      logger.error({ err: error, taskId: key.task_id }, 'a plot without a record could not be stopped');
    }
  }

  /** The log receiver's reports say it too, but a plot may print nothing for hours. */
  private tellLogPid(): void {
    const { logReceiver, plots } = this.parts;
    const { pid } = logReceiver;
    if (pid === undefined) return;
    for (const { record } of plots.running())
      if (record.announced) this.tell(logPidReport(record, pid, this.nonce()));
  }

  private tell(report: PlotTaskStatus): void {
    const { reports, clock, logger, ending } = this.parts;
    tellTalent({ reports, clock, logger, signal: ending.signal }, report);
  }

  private nonce(): string {
    this.told += 1;
    return `${this.parts.sessionId}/${this.told}`;
  }
}
