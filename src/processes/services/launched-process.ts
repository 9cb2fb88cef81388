/**
 * A process that was started to be a service, from its start to its end.
 *
 * Guarantees: it leads a group of its own, so that what is typed at a terminal goes to its starter alone; it sees only the
 * environment that was given; nothing that it prints blocks it; `end` leaves no process.
 */

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { settlesWithin } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';

/** How a service is started, as data. */
export interface Launch {
  /** The program, and its arguments. */
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /**
   * `outlives`: it goes on when this process is gone, and this process does not stay for it. `shares`: a channel over which
   * nothing is sent tells it when this process is gone, however it went (see src/program.ts).
   */
  readonly fate: 'outlives' | 'shares';
  /** A file descriptor, 2 for where this process's own goes; undefined: nowhere. */
  readonly stderr: number | undefined;
  /** `first line`: that is kept, see `firstLine`, and what follows is read and dropped. */
  readonly stdout: 'first line' | 'as stderr' | 'nowhere';
}

export class LaunchedProcess {
  /** Resolves when it is gone, or could not be started. */
  readonly ended: Promise<void>;
  private readonly child: ChildProcess;
  private line: string | undefined;
  private error: Error | undefined;

  /** Throws what the system throws at once; what it tells later is in `failure`. */
  constructor({ argv, cwd, env, fate, stderr, stdout }: Launch) {
    const [program = '', ...args] = argv;
    const err = stderr ?? 'ignore';
    const out = { 'first line': 'pipe', 'as stderr': err, nowhere: 'ignore' } as const;
    const stdio: StdioOptions = ['ignore', out[stdout], err, ...(fate === 'shares' ? ['ipc' as const] : [])];
    const child: ChildProcess = spawn(program, args, { cwd, env, detached: true, stdio });
    this.child = child;
    this.ended = new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.on('error', (error) => {
        this.error ??= error;
        if (child.pid === undefined) resolve();
      });
    });
    if (child.stdout !== null)
      createInterface({ input: child.stdout }).on('line', (line) => {
        this.line ??= line;
      });
    if (fate === 'outlives') child.unref();
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Why it could not be started. */
  get failure(): Error | undefined {
    return this.pid === undefined ? this.error : undefined;
  }

  get hasEnded(): boolean {
    const { exitCode, signalCode } = this.child;
    return this.failure !== undefined || exitCode !== null || signalCode !== null;
  }

  /** It has ended by itself, and not well: an owl says why then. */
  get hasFailed(): boolean {
    return (this.child.exitCode ?? 0) !== 0;
  }

  /** The first line of its stdout, without its end, once that is there. */
  get firstLine(): string | undefined {
    return this.line;
  }

  /** For people. */
  howItEnded(): string {
    const { exitCode, signalCode } = this.child;
    return signalCode ?? `exit code ${exitCode}`;
  }

  /** Asks it to end, and kills it when it has not done so within that time. Resolves when it is gone. */
  async end(clock: Clock, graceMs: number): Promise<void> {
    if (this.hasEnded || this.pid === undefined) return;
    this.child.kill('SIGTERM');
    await settlesWithin(clock, graceMs, this.ended);
    if (!this.hasEnded) this.child.kill('SIGKILL');
    await this.ended;
  }
}
