/**
 * The log receiver of a supervisor: whichever process has the lock of its data directory, and one that is started where
 * there is none.
 *
 * Guarantees: one that is there is taken over, whoever started it, if it is of the same version and reports to the same
 * talent with the same key, and replaced otherwise; one that is gone is followed by another, whatever keeps it from starting for a while; it
 * outlives a supervisor that is killed, and ends with one that ends in order.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import type { Logger } from 'pino';
import { Backoff, wait } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { messageOf } from '../../base/errors.js';
import { identifyChild, isAlive, type ProcessIdentity } from '../../base/process-identity.js';
import { hashOfReportKey, restoreReportKey } from '../../base/report-key.js';
import { systemErrorCode } from '../../base/system-error.js';
import { logReceiverEnvironment } from '../environment.js';
import { type LogReceiverIdentity, readLogReceiver } from './service-identity.js';

/** One that lived so long was well: its successor need not wait. */
const WELL_AFTER_MS = 10_000;
const LOOK_EVERY_MS = 200;
/** How often a new one is looked for. */
const KNOCK_MS = 20;
const STARTS_WITHIN_MS = 10_000;
const ENDS_WITHIN_MS = 5_000;

export interface LogReceiverProcessOptions {
  /** The supervisor's data directory. Absolute. */
  readonly data: string;
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
  /** Another process is the log receiver from now on. */
  readonly onStarted: (pid: number) => void;
}

export class LogReceiverProcess {
  private readonly options: LogReceiverProcessOptions;
  private readonly backoff = new Backoff({ firstMs: 100, longestMs: 5_000 });
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private current: LogReceiverIdentity | undefined;

  constructor(options: LogReceiverProcessOptions) {
    this.options = options;
  }

  get pid(): number | undefined {
    return this.current?.pid;
  }

  /** Resolves once there is one, or the first try to start one has failed: more follow. */
  async start(): Promise<void> {
    const first = this.bringUp();
    this.running = this.keep(first);
    // What went wrong is told and mended there.
    await first.catch(() => undefined);
  }

  /** Ends it, whoever started it. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
    for (const receiver of [this.current, readLogReceiver(this.options.data)])
      if (receiver !== undefined) await this.end(receiver);
  }

  private async keep(first: Promise<LogReceiverIdentity | undefined>): Promise<void> {
    const { clock, logger } = this.options;
    const { signal } = this.stopping;
    for (let next = first; ; next = this.bringUp()) {
      const since = clock.monotonic();
      try {
        const receiver = await next;
        if (receiver !== undefined) await this.goneOf(receiver);
        if (signal.aborted) return;
        logger.error({ pid: receiver?.pid }, 'there is no log receiver any more; starting one');
      } catch (error) {
        logger.error({ err: error }, 'the log receiver can not be looked after; trying again');
      }
      this.current = undefined;
      if (clock.monotonic() - since > WELL_AFTER_MS) this.backoff.reset();
      await wait(clock, this.backoff.next(), signal);
      if (signal.aborted) return;
    }
  }

  /** Undefined when there is none in the end. */
  private async bringUp(): Promise<LogReceiverIdentity | undefined> {
    const receiver = (await this.takeOver()) ?? (await this.launch());
    if (receiver === undefined) return undefined;
    this.options.logger.info({ pid: receiver.pid }, 'there is a log receiver');
    this.current = receiver;
    this.options.onStarted(receiver.pid);
    return receiver;
  }

  /** The one that is there, if it is fit; one that is not is ended. */
  private async takeOver(): Promise<LogReceiverIdentity | undefined> {
    const { data, logger } = this.options;
    const there = readLogReceiver(data);
    if (there === undefined || this.isFit(there)) return there;
    const { pid, version, server } = there;
    logger.warn(
      { pid, version, server },
      'the log receiver is of another version, for another talent or without the right key; replacing it',
    );
    await this.end(there);
    return undefined;
  }

  /** Another that was started meanwhile is as good. Undefined when none came up. */
  private async launch(): Promise<LogReceiverIdentity | undefined> {
    const { clock, data } = this.options;
    const { signal } = this.stopping;
    const child = this.spawn();
    const identity = child?.pid === undefined ? undefined : identifyChild(child.pid);
    const deadline = clock.monotonic() + STARTS_WITHIN_MS;
    let isStarting = identity !== undefined;
    while (isStarting) {
      await wait(clock, KNOCK_MS, signal);
      // Asked first: one that has ended may have done so because another had the lock already.
      isStarting =
        identity !== undefined && isAlive(identity) && clock.monotonic() < deadline && !signal.aborted;
      const there = readLogReceiver(data);
      if (there !== undefined) return this.isFit(there) ? there : undefined;
    }
    if (identity !== undefined) await this.end(identity);
    return undefined;
  }

  private spawn(): ChildProcess | undefined {
    const { data, argv, logger, reportKey } = this.options;
    const [program = '', ...args] = argv;
    try {
      if (reportKey !== undefined) restoreReportKey(data, reportKey);
      // Its log goes where the supervisor's goes.
      const child = spawn(program, args, {
        detached: true,
        stdio: ['ignore', 'ignore', 2],
        cwd: data,
        env: logReceiverEnvironment(),
      });
      child.on('error', (error) =>
        logger.error({ reason: messageOf(error) }, 'no log receiver can be started'),
      );
      child.on('exit', (code, signal) =>
        logger.info({ pid: child.pid, code, signal }, 'a log receiver has ended'),
      );
      child.unref();
      return child;
    } catch (error) {
      logger.error({ reason: messageOf(error) }, 'no log receiver can be started');
      return undefined;
    }
  }

  private async goneOf(receiver: ProcessIdentity): Promise<void> {
    const { signal } = this.stopping;
    while (isAlive(receiver) && !signal.aborted) await wait(this.options.clock, LOOK_EVERY_MS, signal);
  }

  private async end(receiver: ProcessIdentity): Promise<void> {
    const { clock, logger } = this.options;
    const never = new AbortController();
    const deadline = clock.monotonic() + ENDS_WITHIN_MS;
    let mayEndIt = kill(receiver, 'SIGTERM');
    while (mayEndIt && isAlive(receiver)) {
      if (clock.monotonic() >= deadline) mayEndIt = kill(receiver, 'SIGKILL');
      await wait(clock, KNOCK_MS, never.signal);
    }
    if (!mayEndIt)
      logger.error({ pid: receiver.pid }, "the log receiver is another user's and stays; end it");
  }

  private isFit({ version, server, reportKeyHash }: LogReceiverIdentity): boolean {
    const { reportKey } = this.options;
    const hasKey = reportKey === undefined || reportKeyHash === hashOfReportKey(reportKey);
    return version === this.options.version && server === this.options.server && hasKey;
  }
}

/** False when this user may not. */
function kill(receiver: ProcessIdentity, signal: NodeJS.Signals): boolean {
  try {
    return !isAlive(receiver) || process.kill(receiver.pid, signal);
  } catch (error) {
    // Others mean that it ended between the look and the signal.
    return systemErrorCode(error) !== 'EPERM';
  }
}
