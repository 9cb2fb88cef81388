/**
 * The keeper: the parent of a supervisor's plotters. It is a process of its own so that a plotter's exit code is known
 * even when the supervisor was not there, and it is so small that it has no reason to die.
 *
 * Guarantees: a plotter runs detached, leads a process group of its own and writes into a log that is its alone, and its
 * environment is what the start says; a plotter that was started has a record, and its end is written beside it as soon as
 * the disk takes it; a plotter whose record could not be written does not run. An end that can't be written is kept here,
 * told to supervisors and to whoever asks, and tried again every second; nothing that is wrong with a disk, a log or a peer
 * ends the keeper. What it keeps is bounded: it starts nothing more while it has too many ends to write. It ends by itself
 * when it has no plotter, no end to write and no supervisor, or when its directory is gone and nobody can reach it.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, rmSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Clock } from '../../base/clock.js';
import { messageOf, OwlError } from '../../base/errors.js';
import { identifyChild } from '../../base/process-identity.js';
import { systemErrorCode } from '../../base/system-error.js';
import { enterPlotCgroup, plotCgroups, removePlotCgroup } from '../cgroup.js';
import { type LocalPeer, type LocalServer, listenLocally } from '../local-calls.js';
import { PLOT_VARIABLE } from '../process-family.js';
import {
  type PlotEnd,
  type PlotKey,
  plotRecordPath,
  plotsDirectory,
  processRecordOf,
  writePlotEnd,
  writePlotRecord,
} from '../records/process-record.js';
import { complain } from './complain.js';
import { isPlotStart, type PlotStart } from './plot-start.js';
import { plotterEnvironment } from './plotter-environment.js';

/** One plot of a keeper, as it lists them. */
export interface KeptPlot extends PlotKey {
  /** Missing while it runs. */
  readonly end?: PlotEnd;
}

/** What supervisors are told while an end can't be written. No key by its form, because it is not recorded. */
export interface UnwrittenEnd {
  readonly plot: PlotKey;
  readonly end: PlotEnd;
}

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
/** A directory that is gone may be put back: so often an end is tried again when nobody is there to be told of it. */
const TRIES_WITHOUT_DIRECTORY = 60;
const MOST_UNWRITTEN = 1_000;
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
  private readonly plots = new Map<ChildProcess, KeptPlot>();
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

  private answer(method: string, params: unknown): Promise<StartAnswer> | KeptPlot[] {
    if (method === 'list') return [...this.plots.values()];
    if (method === 'start' && isPlotStart(params)) return this.start(params);
    throw new OwlError('invalid', `the keeper knows no call ${method} like this`);
  }

  private async start(start: PlotStart): Promise<StartAnswer> {
    const unwritten = [...this.plots.values()].filter(({ end }) => end !== undefined).length;
    if (unwritten >= MOST_UNWRITTEN)
      throw new OwlError(
        'unavailable',
        `the ends of ${unwritten} plots can't be written; make room for them`,
      );
    const log = openLog(start.log_path);
    try {
      const { child, pid } = await this.launch(start, log);
      this.record(start, child, pid);
      return {};
    } catch (error) {
      removeLog(start.log_path);
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
        env: { ...(start.environment ?? plotterEnvironment()), [PLOT_VARIABLE]: plotRecordPath(data, start) },
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

  private record({ environment: _, ...start }: PlotStart, child: ChildProcess, pid: number): void {
    const { data, clock } = this.options;
    try {
      const identity = identifyChild(pid);
      if (identity === undefined)
        throw new OwlError('invalid', 'there is no /proc here: plotters run on Linux only');
      const cgroup = enterPlotCgroup(plotRecordPath(data, start), pid);
      writePlotRecord(data, {
        ...start,
        ...(cgroup === undefined ? {} : { cgroup }),
        started_time: clock.now() / 1000,
        process: processRecordOf(identity),
      });
    } catch (error) {
      // Nobody would ever know of it.
      this.plots.delete(child);
      killGroup(pid);
      throw error;
    }
  }

  private watch(child: ChildProcess, { task_id, attempt, log_path }: PlotStart): void {
    const { clock } = this.options;
    this.plots.set(child, { task_id, attempt });
    child.on('error', () => undefined);
    child.once('exit', (exit_code, exit_signal) => {
      // Empty, unless it has left something behind.
      for (const cgroup of plotCgroups(plotRecordPath(this.options.data, { task_id, attempt }), undefined))
        removePlotCgroup(cgroup);
      // Of one that does not run, because its record could not be written, nobody wants to know.
      if (!this.plots.has(child)) return;
      const log_disk_full = hasNoFreeBlock(dirname(log_path));
      const ended_time = clock.now() / 1000;
      this.writeEnd(child, {
        ...{ task_id, attempt },
        end: { exit_code, exit_signal, ended_time, ...(log_disk_full ? { log_disk_full } : {}) },
      });
    });
  }

  /** Now or later. Nothing that is wrong with the disk may cost an exit code. */
  private writeEnd(child: ChildProcess, plot: Required<KeptPlot>, tries = 1): void {
    const { data, clock } = this.options;
    const { task_id, attempt, end } = plot;
    const key = { task_id, attempt };
    try {
      if (tries === 1 || !this.isSettled(key)) writePlotEnd(data, key, end);
    } catch (error) {
      const unwritten = messageOf(error);
      const kept = { ...plot, end: { ...end, unwritten: end.unwritten ?? unwritten } };
      if (tries === 1) this.keepUnwritten(child, kept, unwritten);
      if (existsSync(data) || this.supervisors.size > 0 || tries < TRIES_WITHOUT_DIRECTORY) {
        clock.after(WRITE_AGAIN_MS, () => this.writeEnd(child, kept, tries + 1));
        return;
      }
    }
    this.plots.delete(child);
    for (const supervisor of this.supervisors) supervisor.tell('ended', key);
    this.endWhenIdle();
  }

  private keepUnwritten(child: ChildProcess, kept: Required<KeptPlot>, why: string): void {
    const { task_id, attempt, end } = kept;
    complain(`the end of ${task_id} can't be written: ${why}`);
    this.plots.set(child, kept);
    const told: UnwrittenEnd = { plot: { task_id, attempt }, end };
    for (const supervisor of this.supervisors) supervisor.tell('unwritten', told);
  }

  /** Its end has reached talent without being written: its supervisor has removed the record. */
  private isSettled(key: PlotKey): boolean {
    const { data } = this.options;
    const plots = plotsDirectory(data);
    return existsSync(plots) && statSync(plots).isDirectory() && !existsSync(plotRecordPath(data, key));
  }
}

function hasNoFreeBlock(directory: string): boolean {
  try {
    const { bavail } = statfsSync(directory);
    return bavail <= 0;
  } catch {
    return false;
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

/** What is left is found by the next start of the same attempt. */
function removeLog(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch (error) {
    complain(`${path} is left over: ${messageOf(error)}`);
  }
}

/** One that has ended meanwhile is as good. */
function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch (error) {
    if (systemErrorCode(error) !== 'ESRCH')
      complain(`process ${leader} can't be killed: ${messageOf(error)}`);
  }
}

/** Why a program could not be started: Node tells it one turn later. */
function errorOf(child: ChildProcess): Promise<Error> {
  return new Promise((resolve) => child.once('error', resolve));
}
