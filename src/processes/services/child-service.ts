/**
 * A service of owl as a process of its own, kept running by the one that started it.
 *
 * Guarantees: one that ends unasked is started again, later each time unless it was well for a while; it ends in order
 * when it is stopped, and also when this process vanishes, however that happens (see owl.ts); `stop` leaves no process.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { Backoff } from '../../base/backoff.js';
import { messageOf, OwlError } from '../../base/errors.js';

const OWL = fileURLToPath(new URL('../../owl.js', import.meta.url));
/** One that lived so long was well: its successor need not wait. */
const WELL_AFTER_MS = 10_000;
/** How long one that was asked to end may take. Talent gives calls under way five seconds. */
const ENDS_WITHIN_MS = 15_000;

export interface ChildServiceOptions {
  readonly name: string;
  /** What stands behind `owl` on its command line; asked at each start. */
  readonly args: () => readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Told when it has to be started again. */
  readonly logger: Logger;
  /** Where its own log goes. Default: where this process's stderr goes. */
  readonly log?: { readonly fd: number; readonly path: string };
}

export class ChildService {
  private readonly options: ChildServiceOptions;
  private readonly backoff = new Backoff({ firstMs: 100, longestMs: 10_000 });
  private readonly stopping = new AbortController();
  private child: ChildProcess | undefined;
  private keeping: Promise<void> | undefined;

  constructor(options: ChildServiceOptions) {
    this.options = options;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /**
   * Resolves with the first line it prints: then it serves.
   * @throws OwlError kind `unavailable` when it ends before; its log says why
   */
  async start(): Promise<string> {
    const first = await this.launch();
    this.keeping = this.keep();
    return first;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    const { child } = this;
    if (child !== undefined && isRunning(child)) {
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), ENDS_WITHIN_MS);
      await once(child, 'exit');
      clearTimeout(late);
    }
    await this.keeping;
  }

  private async keep(): Promise<void> {
    const { name, logger } = this.options;
    const { signal } = this.stopping;
    let since = performance.now();
    for (;;) {
      const { child } = this;
      if (child !== undefined && isRunning(child)) await once(child, 'exit');
      if (signal.aborted) return;
      if (performance.now() - since > WELL_AFTER_MS) this.backoff.reset();
      const delayMs = Math.round(this.backoff.next());
      logger.error(
        { service: name, how: howItEnded(child), delayMs },
        'a service is gone; starting it again',
      );
      await pause(delayMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      since = performance.now();
      await this.launch().catch(() => undefined);
    }
  }

  private async launch(): Promise<string> {
    const { name, args, env, cwd, log } = this.options;
    const child = spawn(process.execPath, [OWL, ...args()], {
      cwd,
      env,
      // A group of its own: what is typed at a terminal goes to this process alone, which ends them in order.
      detached: true,
      // The channel tells it when this process is gone. Nothing is sent over it.
      stdio: ['ignore', 'pipe', log?.fd ?? 2, 'ipc'],
    });
    this.child = child;
    const ended = once(child, 'exit').then(
      () => undefined,
      (error: unknown) => {
        throw new OwlError('unavailable', `${name} can't be started: ${messageOf(error)}`, { cause: error });
      },
    );
    const first = await Promise.race([firstLineOf(child), ended]);
    if (first !== undefined) return first;
    const where = log === undefined ? 'its reason stands above' : `${log.path} says why`;
    throw new OwlError('unavailable', `${name} did not start (${howItEnded(child)}); ${where}`);
  }
}

/** What comes after it is read too, and dropped, so that the pipe never fills. */
async function firstLineOf({ stdout }: ChildProcess): Promise<string | undefined> {
  if (stdout === null) return undefined;
  const [line]: unknown[] = await once(createInterface({ input: stdout }), 'line');
  return String(line);
}

function isRunning({ exitCode, signalCode, pid }: ChildProcess): boolean {
  return pid !== undefined && exitCode === null && signalCode === null;
}

function howItEnded(child: ChildProcess | undefined): string {
  return child?.signalCode ?? `exit code ${child?.exitCode}`;
}
