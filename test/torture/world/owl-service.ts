/**
 * A service of the real `owl` as a process that is kept running: whatever ends it, it is started again until it is stopped in
 * order. Guarantee: an end that nobody asked for is told, with its exit code.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Ground, WELL, writeGround } from './ground.js';

const OWL = fileURLToPath(new URL('../../../src/owl.js', import.meta.url));
const BAD_GROUND = new URL('./bad-ground.js', import.meta.url).href;
const PAUSE_BEFORE_RESTART_MS = 20;
const ENDS_WITHIN_MS = 2_000;
const LOOKS_EVERY_MS = 20;

export interface OwlServiceOptions {
  readonly name: string;
  readonly args: readonly string[];
  /** Its working directory; all that it starts can be found by the name of it. */
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  readonly groundFile: string;
  readonly logFile: string;
  /** Called with what it says on stdout once it serves. */
  readonly onServing: (line: string) => void;
  readonly onEnd: (ended: {
    readonly code: number | null;
    readonly signal: string | null;
    readonly asked: boolean;
  }) => void;
}

export class OwlService {
  readonly name: string;
  /** Times it has come to serve. */
  starts = 0;
  private readonly options: OwlServiceOptions;
  private ground: Ground = WELL;
  private child: ChildProcess | undefined;
  private asked = false;
  private stopping = false;
  private between: (() => Promise<void>) | undefined;
  private running: Promise<void> | undefined;

  constructor(options: OwlServiceOptions) {
    this.name = options.name;
    this.options = options;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  start(): void {
    this.setGround(WELL);
    this.running = this.keepRunning();
  }

  setGround(change: Partial<Ground>): void {
    this.ground = { ...this.ground, ...change };
    writeGround(this.options.groundFile, this.ground);
  }

  /** False when nothing runs at the moment. */
  signal(signal: NodeJS.Signals): boolean {
    if (signal === 'SIGKILL' || signal === 'SIGTERM') this.asked = true;
    return this.child?.kill(signal) ?? false;
  }

  /** Done once, when it has ended and before it is started again. */
  beforeNextStart(act: () => Promise<void>): void {
    this.between = act;
  }

  /** It may end by itself from now on: its ground is bad. */
  mayEnd(): void {
    this.asked = true;
  }

  /** Ends it in order. @returns its exit code; null when it had to be killed */
  async stop(longestMs: number): Promise<number | null> {
    this.stopping = true;
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      await this.running;
      return child?.exitCode ?? 0;
    }
    const ended = once(child, 'exit');
    this.signal('SIGCONT');
    this.signal('SIGTERM');
    const killing = setTimeout(() => child.kill('SIGKILL'), longestMs);
    await ended;
    clearTimeout(killing);
    await this.running;
    return child.exitCode;
  }

  /** Resolves when it serves anew, or has not ended, or does not come back in time. */
  async servesAgain(longestMs: number): Promise<void> {
    const { starts } = this;
    const deadline = performance.now() + longestMs;
    // What was told to end ends in a moment; what did not end serves on.
    const endsWithin = performance.now() + ENDS_WITHIN_MS;
    const { child } = this;
    while (performance.now() < deadline && this.starts === starts) {
      if (
        this.child === child &&
        performance.now() > endsWithin &&
        child?.exitCode === null &&
        child.signalCode === null
      )
        return;
      await pause(LOOKS_EVERY_MS);
    }
  }

  /** Ends it at once and for good. */
  abandon(): void {
    this.stopping = true;
    this.child?.kill('SIGKILL');
  }

  private async keepRunning(): Promise<void> {
    while (!this.stopping) {
      const ended = await this.run();
      if (this.stopping) return;
      this.options.onEnd({ ...ended, asked: this.asked });
      const act = this.between;
      this.between = undefined;
      await act?.();
      await pause(PAUSE_BEFORE_RESTART_MS);
    }
  }

  private async run(): Promise<{ code: number | null; signal: string | null }> {
    const { args, directory, env, groundFile, logFile, onServing } = this.options;
    this.asked = this.ground.flush === 'fails' || this.ground.full;
    // A file and no pipe: what it has started may outlive it with its stderr, and a pipe would not be over then.
    const log = openSync(logFile, 'a');
    const child = spawn(process.execPath, [OWL, ...args], {
      cwd: directory,
      env: {
        ...{ PATH: process.env['PATH'], ...env },
        ...{ NODE_OPTIONS: `--import=${BAD_GROUND}`, OWL_TORTURE_GROUND: groundFile },
      },
      stdio: ['ignore', 'pipe', log],
    });
    closeSync(log);
    this.child = child;
    child.stdout?.setEncoding('utf8').once('data', (line: string) => {
      this.starts += 1;
      onServing(line);
    });
    await once(child, 'close');
    return { code: child.exitCode, signal: child.signalCode };
  }
}
