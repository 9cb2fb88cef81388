/**
 * The log receiver of a supervisor: whichever process has the lock of its data directory, and one that is started where
 * there is none.
 *
 * Guarantees: one that is there is taken over, whoever started it, if it is of the same version and reports to the same
 * talent with the same key, and replaced otherwise; one that is gone is followed by another, whatever keeps it from starting for a while; it
 * outlives a supervisor that is killed, and ends with one that ends in order.
 */

import type { Logger } from 'pino';
import { wait } from '../../../base/backoff.js';
import type { Clock } from '../../../base/clock.js';
import { messageOf, OwlError } from '../../../base/errors.js';
import { isAlive } from '../../../base/process-identity.js';
import { hashOfReportKey, restoreReportKey } from '../../../base/report-key.js';
import { systemErrorCode } from '../../../base/system-error.js';
import { environmentWithout } from '../../../processes/environment.js';
import { LaunchedProcess } from '../../../processes/services/launched-process.js';
import { type Service, startService } from '../../../processes/services/start-service.js';
import { type LogReceiverIdentity, readLogReceiver } from '../machine/log-receiver-identity.js';
import type { TalentDirectory } from '../machine/talent-directory.js';

/** It reads owl's configuration itself, from its environment too, but has nothing to do with the store. */
const STORE_VARIABLES: ReadonlySet<string> = new Set(['OWL_STORE', 'OWL_STORE_CREDENTIALS_FILE']);
const LOOK_EVERY_MS = 200;
/** How often one that was asked to end is looked at. */
const LOOK_WHETHER_ENDED_MS = 20;
const STARTS_WITHIN_MS = 10_000;
const ENDS_WITHIN_MS = 5_000;
const NEVER = new AbortController().signal;

export interface LogReceiverProcessOptions {
  readonly machine: TalentDirectory;
  /** HOST:PORT of the talent that it has to report to. */
  readonly server: string;
  /** That it has to be of. */
  readonly version: string;
  /** With which it has to report; undefined: whatever its is. */
  readonly reportKey: string | undefined;
  /** Command line that starts one of that version for that talent. */
  readonly argv: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
}

export class LogReceiverProcess {
  private readonly options: LogReceiverProcessOptions;
  private service: Service<LogReceiverIdentity> | undefined;

  constructor(options: LogReceiverProcessOptions) {
    this.options = options;
  }

  get pid(): number | undefined {
    return this.service?.found?.pid;
  }

  /**
   * Resolves once there is one, or the first try to start one has failed: more follow.
   * @param onStarted another process is the log receiver from now on
   */
  async start(onStarted: (pid: number) => void): Promise<void> {
    const { machine, clock, logger } = this.options;
    this.service = startService<LogReceiverIdentity>({
      name: 'log receiver',
      clock,
      knock: () => readLogReceiver(machine),
      isFit: (there) => this.isFit(there),
      launch: () => this.launch(),
      gone: (receiver, signal) => untilGone(receiver, clock, signal),
      release: (receiver) => this.end(receiver),
      startsWithinMs: STARTS_WITHIN_MS,
      endsWithinMs: ENDS_WITHIN_MS,
      // Plots are made and watched without one too, and whoever started it again would find no other.
      firstStart: 'go on',
      backoff: { firstMs: 100, longestMs: 5_000 },
      notStarted: (process) => notStarted(process),
      onFound: ({ pid }) => {
        logger.info({ pid }, 'there is a log receiver');
        onStarted(pid);
      },
      onGone: ({ pid }) => logger.error({ pid }, 'there is no log receiver any more; starting one'),
      onFailed: (error) =>
        logger.error({ reason: messageOf(error) }, 'no log receiver can be started; trying again'),
    });
    // What went wrong is told and mended there.
    await this.service.started.catch(() => undefined);
  }

  /** Ends it, whoever started it. */
  async stop(): Promise<void> {
    await this.service?.stop();
    const another = readLogReceiver(this.options.machine);
    if (another !== undefined) await this.end(another);
  }

  private launch(): LaunchedProcess {
    const { machine, argv, logger, reportKey } = this.options;
    if (reportKey !== undefined) restoreReportKey(machine.reportKey, reportKey);
    const receiver = new LaunchedProcess({
      ...{ argv, cwd: machine.path, env: environmentWithout(STORE_VARIABLES), fate: 'outlives' },
      // Its log goes where the supervisor's goes.
      ...{ stderr: 2, stdout: 'nowhere' },
    });
    void receiver.ended.then(() =>
      logger.info({ pid: receiver.pid, how: receiver.howItEnded() }, 'a log receiver has ended'),
    );
    return receiver;
  }

  private async end(receiver: LogReceiverIdentity): Promise<void> {
    const { clock, logger } = this.options;
    const deadline = clock.monotonic() + ENDS_WITHIN_MS;
    let mayEndIt = kill(receiver, 'SIGTERM');
    while (mayEndIt && isAlive(receiver)) {
      if (clock.monotonic() >= deadline) mayEndIt = kill(receiver, 'SIGKILL');
      await wait(clock, LOOK_WHETHER_ENDED_MS, NEVER);
    }
    if (!mayEndIt)
      logger.error({ pid: receiver.pid }, "the log receiver is another user's and stays; end it");
  }

  private isFit({ pid, version, server, reportKeyHash }: LogReceiverIdentity): boolean {
    const { reportKey, logger } = this.options;
    const hasKey = reportKey === undefined || reportKeyHash === hashOfReportKey(reportKey);
    if (version === this.options.version && server === this.options.server && hasKey) return true;
    logger.warn(
      { pid, version, server },
      'the log receiver is of another version, for another talent or without the right key; replacing it',
    );
    return false;
  }
}

async function untilGone(receiver: LogReceiverIdentity, clock: Clock, signal: AbortSignal): Promise<void> {
  while (isAlive(receiver) && !signal.aborted) await wait(clock, LOOK_EVERY_MS, signal);
}

function notStarted(process: LaunchedProcess): OwlError {
  const { failure } = process;
  const ended = process.hasEnded ? `it ended with ${process.howItEnded()}` : 'it says not who it is';
  const why = failure === undefined ? ended : messageOf(failure);
  return new OwlError('unavailable', `the log receiver did not start: ${why}`, { cause: failure });
}

/** False when this user may not. */
function kill(receiver: LogReceiverIdentity, signal: NodeJS.Signals): boolean {
  try {
    return !isAlive(receiver) || process.kill(receiver.pid, signal);
  } catch (error) {
    // Others mean that it ended between the look and the signal.
    return systemErrorCode(error) !== 'EPERM';
  }
}
