/**
 * The keeper: the parent of a supervisor's plotters. It is a process of its own so that a plotter's exit code is known
 * even when the supervisor was not there, and it is so small that it has no reason to die.
 *
 * Guarantees: a plotter runs detached, leads a process group of its own and writes into a log that is its alone; a plotter
 * that was started has a record, and its end is written beside it as soon as the disk takes it; a plotter whose record
 * could not be written does not run. The keeper ends by itself when it has no plotter and no supervisor.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../runtime/clock.js';
import { messageOf, OwlError } from '../runtime/errors.js';
import { identifyChild } from '../runtime/process-identity.js';
import { systemErrorCode } from '../runtime/system-error.js';
import {
  type PlotEnd,
  type PlotKey,
  type PlotRecord,
  plotRecordPath,
  processRecordOf,
  writePlotEnd,
  writePlotRecord,
} from '../wire/plot-record.js';
import { type LocalPeer, type LocalServer, listenLocally } from './local-calls.js';
import { PLOT_VARIABLE } from './plot-processes.js';

/** All of a record that is known before its process is. */
export type PlotStart = Omit<PlotRecord, 'process' | 'started_time'>;

/** How a start came out. Whatever may pass by itself is an error of the call instead. */
export interface StartAnswer {
  /** Why this plotter can never be started here; missing when it was. */
  readonly impossible?: string;
}

/** The log is there already: this attempt was begun before. */
export const LOG_EXISTS = 'the log exists already';

/** How long a new keeper waits for the supervisor that has just made it. */
const FIRST_CALL_MS = 10_000;
const WRITE_AGAIN_MS = 1_000;
/** What is wrong with a program itself; anything else is the machine's trouble and may pass. */
const LASTING: ReadonlySet<string | undefined> = new Set(['ENOENT', 'EACCES', 'ENOEXEC']);

export interface KeeperOptions {
  /** The supervisor's data directory. Absolute. */
  readonly data: string;
  readonly clock: Clock;
  /** Called once, when it has nothing to keep and nobody to keep it for. */
  readonly onIdle: () => void;
}

export function keeperSocketPath(data: string): string {
  return join(data, 'keeper.sock');
}

export class Keeper {
  private readonly options: KeeperOptions;
  private readonly plots = new Map<ChildProcess, PlotKey>();
  private readonly supervisors = new Set<LocalPeer>();
  private server: LocalServer | undefined;
  private isIdle = false;
  private cancelFirstCall: () => void = () => undefined;

  constructor(options: KeeperOptions) {
    this.options = options;
  }

  /** The caller holds the keeper's lock, so that nobody else listens there. */
  async listen(): Promise<void> {
    this.server = await listenLocally(
      keeperSocketPath(this.options.data),
      (method, params) => this.answer(method, params),
      (peer) => void this.attend(peer),
    );
    this.cancelFirstCall = this.options.clock.after(FIRST_CALL_MS, () => this.endWhenIdle());
  }

  /** Goes on while it has a plotter or a supervisor. */
  endWhenIdle(): void {
    if (this.isIdle || this.plots.size > 0 || this.supervisors.size > 0) return;
    this.isIdle = true;
    this.options.onIdle();
  }

  async close(): Promise<void> {
    this.cancelFirstCall();
    await this.server?.close();
  }

  private async attend(peer: LocalPeer): Promise<void> {
    this.cancelFirstCall();
    this.supervisors.add(peer);
    await peer.closed;
    this.supervisors.delete(peer);
    this.endWhenIdle();
  }

  private answer(method: string, params: unknown): Promise<StartAnswer> | PlotKey[] {
    if (method === 'list') return [...this.plots.values()];
    if (method === 'start' && isPlotStart(params)) return this.start(params);
    throw new OwlError('invalid', `the keeper knows no call ${method} like this`);
  }

  private async start(start: PlotStart): Promise<StartAnswer> {
    const log = openLog(start.log_path);
    try {
      const { child, pid } = await this.launch(start, log);
      this.record(start, child, pid);
      return {};
    } catch (error) {
      rmSync(start.log_path, { force: true });
      if (error instanceof OwlError && error.kind === 'invalid') return { impossible: error.message };
      throw error;
    } finally {
      closeSync(log);
    }
  }

  /** @throws OwlError kind `invalid` when the program will never run here, `unavailable` when it may later */
  private async launch(
    start: PlotStart,
    log: number,
  ): Promise<{ readonly child: ChildProcess; readonly pid: number }> {
    const { data } = this.options;
    const [program = '', ...args] = start.argv;
    try {
      const child = spawn(program, args, {
        detached: true,
        stdio: ['ignore', log, log],
        cwd: data,
        env: { ...process.env, [PLOT_VARIABLE]: plotRecordPath(data, start) },
      });
      const { pid } = child;
      if (pid === undefined) throw await errorOf(child);
      this.watch(child, start);
      return { child, pid };
    } catch (error) {
      const kind = LASTING.has(systemErrorCode(error)) ? 'invalid' : 'unavailable';
      throw new OwlError(kind, `${program} can't be started: ${messageOf(error)}`, { cause: error });
    }
  }

  private record(start: PlotStart, child: ChildProcess, pid: number): void {
    const { data, clock } = this.options;
    try {
      const identity = identifyChild(pid);
      if (identity === undefined)
        throw new OwlError('invalid', 'there is no /proc here: plotters run on Linux only');
      writePlotRecord(data, {
        ...start,
        started_time: clock.now() / 1000,
        process: processRecordOf(identity),
      });
    } catch (error) {
      // Nobody would ever know of it.
      this.plots.delete(child);
      process.kill(-pid, 'SIGKILL');
      throw error;
    }
  }

  private watch(child: ChildProcess, key: PlotKey): void {
    const { clock } = this.options;
    this.plots.set(child, { task_id: key.task_id, attempt: key.attempt });
    child.on('error', () => undefined);
    child.once('exit', (exit_code, exit_signal) => {
      this.writeEnd(child, { exit_code, exit_signal, ended_time: clock.now() / 1000 });
    });
  }

  /** A full disk must not cost an exit code. */
  private writeEnd(child: ChildProcess, end: PlotEnd): void {
    const { data, clock } = this.options;
    const key = this.plots.get(child);
    if (key === undefined) return;
    try {
      writePlotEnd(data, key, end);
    } catch (error) {
      process.stderr.write(`the end of ${key.task_id} can't be written: ${messageOf(error)}\n`);
      // Without a directory nobody asks for it.
      if (systemErrorCode(error) !== 'ENOENT') {
        clock.after(WRITE_AGAIN_MS, () => this.writeEnd(child, end));
        return;
      }
    }
    this.plots.delete(child);
    for (const supervisor of this.supervisors) supervisor.tell('ended', key);
    this.endWhenIdle();
  }
}

/** Created here and now, so that no other plotter's output can be in it. */
function openLog(path: string): number {
  try {
    return openSync(path, 'wx', 0o600);
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') throw new OwlError('refused', LOG_EXISTS);
    throw error;
  }
}

/** Why a program could not be started: Node tells it one turn later. */
function errorOf(child: ChildProcess): Promise<Error> {
  return new Promise((resolve) => child.once('error', resolve));
}

/** Its sender is this version's supervisor or a later one: what the keeper itself uses must be there. */
function isPlotStart(value: unknown): value is PlotStart {
  if (typeof value !== 'object' || value === null) return false;
  const { task_id, attempt, log_path, argv }: Partial<Record<keyof PlotStart, unknown>> = value;
  return (
    typeof task_id === 'string' &&
    typeof attempt === 'number' &&
    typeof log_path === 'string' &&
    Array.isArray(argv) &&
    argv.every((element) => typeof element === 'string')
  );
}
