/**
 * The log receiver's process: one per supervisor, started again whenever it is gone.
 *
 * Guarantees: it outlives a supervisor that is killed, and the next supervisor takes it over if it is of the same version
 * and was started in the same way, and replaces it otherwise; a supervisor that ends in order ends it too.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { Backoff, wait } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { writeFileDurably } from '../runtime/durable-file.js';
import { messageOf } from '../runtime/errors.js';
import { identifyChild, isAlive, type ProcessIdentity } from '../runtime/process-identity.js';

/** One that lived so long was well: its successor need not wait. */
const WELL_AFTER_MS = 10_000;
const LOOK_EVERY_MS = 200;
const ENDS_WITHIN_MS = 5_000;

export interface LogReceiverProcessOptions {
  /** The supervisor's data directory. Absolute. */
  readonly data: string;
  readonly argv: readonly string[];
  readonly version: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Another process is the log receiver from now on. */
  readonly onStarted: (pid: number) => void;
}

interface Known extends ProcessIdentity {
  readonly version: string;
  readonly argv: readonly string[];
}

export class LogReceiverProcess {
  private readonly options: LogReceiverProcessOptions;
  private readonly backoff = new Backoff({ firstMs: 100, longestMs: 5_000 });
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private current: ProcessIdentity | undefined;

  constructor(options: LogReceiverProcessOptions) {
    this.options = options;
  }

  get pid(): number | undefined {
    return this.current?.pid;
  }

  /** Takes over the one that is there, or starts one; after this call there is one, if it can be started at all. */
  async start(): Promise<void> {
    const { logger } = this.options;
    const there = this.read();
    if (there !== undefined && isAlive(there)) {
      if (this.isSame(there)) {
        logger.info({ pid: there.pid }, 'the log receiver of the last supervisor goes on');
        this.note(there);
        this.running = this.keep(this.goneOf(there));
        return;
      }
      logger.info({ pid: there.pid }, 'the log receiver is of another version; replacing it');
      await this.end(there);
    }
    this.running = this.keep(this.launch());
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    const { current } = this;
    if (current !== undefined) await this.end(current);
    await this.running;
    rmSync(this.file, { force: true });
  }

  private get file(): string {
    return join(this.options.data, 'log-receiver.json');
  }

  /** @param gone resolves when the present one has ended */
  private async keep(gone: Promise<string>): Promise<void> {
    const { clock, logger } = this.options;
    const { signal } = this.stopping;
    let ended = gone;
    let since = clock.now();
    for (;;) {
      const how = await ended;
      this.current = undefined;
      if (signal.aborted) return;
      if (clock.now() - since > WELL_AFTER_MS) this.backoff.reset();
      logger.error({ how }, 'the log receiver is gone; starting it again');
      await wait(clock, this.backoff.next(), signal);
      if (signal.aborted) return;
      since = clock.now();
      ended = this.launch();
    }
  }

  /** Resolves when it has ended, with how. */
  private launch(): Promise<string> {
    const { data, argv, version } = this.options;
    const [program = '', ...args] = argv;
    let child: ChildProcess;
    try {
      // Its log goes where the supervisor's goes.
      child = spawn(program, args, { detached: true, stdio: ['ignore', 'ignore', 2], cwd: data });
    } catch (error) {
      return Promise.resolve(messageOf(error));
    }
    child.unref();
    const { pid } = child;
    const identity = pid === undefined ? undefined : identifyChild(pid);
    if (identity !== undefined) {
      writeFileDurably(this.file, `${JSON.stringify({ ...identity, version, argv })}\n`);
      this.note(identity);
    }
    return new Promise((resolve) => {
      child.once('error', (error) => resolve(messageOf(error)));
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
  }

  private note(identity: ProcessIdentity): void {
    this.current = identity;
    this.options.onStarted(identity.pid);
  }

  /** Of a process that is nobody's child here. */
  private async goneOf(identity: ProcessIdentity): Promise<string> {
    while (isAlive(identity) && !this.stopping.signal.aborted)
      await wait(this.options.clock, LOOK_EVERY_MS, this.stopping.signal);
    return 'it vanished';
  }

  private async end(identity: ProcessIdentity): Promise<void> {
    const { clock } = this.options;
    const never = new AbortController();
    const deadline = clock.now() + ENDS_WITHIN_MS;
    kill(identity, 'SIGTERM');
    while (isAlive(identity)) {
      if (clock.now() >= deadline) kill(identity, 'SIGKILL');
      await wait(clock, 20, never.signal);
    }
  }

  private isSame({ version, argv }: Known): boolean {
    return version === this.options.version && argv.join('\0') === this.options.argv.join('\0');
  }

  private read(): Known | undefined {
    try {
      const known: unknown = JSON.parse(readFileSync(this.file, 'utf8'));
      return isKnown(known) ? known : undefined;
    } catch {
      // There is none, or it is half of one: then it is nobody's either.
      return undefined;
    }
  }
}

function kill(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch {
    // It ended between the look and the signal.
  }
}

function isKnown(value: unknown): value is Known {
  if (typeof value !== 'object' || value === null) return false;
  const { pid, bootId, startTime, version, argv }: Partial<Record<keyof Known, unknown>> = value;
  return (
    typeof pid === 'number' &&
    typeof bootId === 'string' &&
    typeof startTime === 'string' &&
    typeof version === 'string' &&
    Array.isArray(argv)
  );
}
