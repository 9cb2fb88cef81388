/**
 * A farm of one machine for tests: a real talent, a supervisor in this process or in one of its own, its keeper, a log
 * receiver and players as plotters. When a test ends, nothing may be left of it but the plots that are not settled.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import type { Test } from 'tap';
import { PACKAGE_ROOT } from '../../../../src/base/package-root.js';
import { identifyProcess } from '../../../../src/base/process-identity.js';
import { finalBytes } from '../../../../src/systems/talent/log-receiver/plot-file.js';
import type { PlotRecord } from '../../../../src/systems/talent/machine/plot-record.js';
import type { PlotterDeclaration } from '../../../../src/systems/talent/supervisor/plotters/plotters.js';
import {
  type StartSupervisorOptions,
  type Supervisor,
  type SupervisorConfig,
  startSupervisor,
} from '../../../../src/systems/talent/supervisor/supervisor.js';
import type { PlotTaskEventMessage, PlotTaskStatus } from '../../../../src/systems/talent/wire/messages.js';
import { PlotManagerClient } from '../../../../src/systems/talent/wire/plot-manager-client.js';
import { nothingIsLeft } from '../../../support/leftovers.js';
import { plotsIn } from '../../../support/plots-in.js';
import { type FoundProcess, processesOf } from '../../../support/processes.js';
import { type RunningTalent, runTalent } from '../../../support/running-talent.js';
import { testDirectory } from '../../../support/test-directory.js';
import { until } from '../../../support/until.js';

export const CHIAPOS_LOG = join(PACKAGE_ROOT, 'test/fixtures/plotter-logs/chiapos-2-k18.log');
const RUN_LOG_RECEIVER = fileURLToPath(new URL('../../../support/run-log-receiver.js', import.meta.url));
const RUN_SUPERVISOR = fileURLToPath(new URL('./run-supervisor.js', import.meta.url));

const PAUSE_AT = 200;
/** What the log tells by then is a little more than this. */
const PROGRESS_AT_PAUSE = 64.4;

/** Enough for any k that a test orders; nothing of it is on the disk. */
const LARGEST_PLOT = finalBytes(35);

/** A player that behaves as chiapos does. */
export function playerWith(...args: string[]): PlotterDeclaration {
  return {
    name: 'player',
    argv: [
      ...['{node}', '{player}', '--log', CHIAPOS_LOG, '-t', '{cache1}', '-2', '{cache2}'],
      ...['-d', '{dest}', '-f', '{file_name}', '-i', '{plot_id}', '--bytes', String(LARGEST_PLOT), ...args],
    ],
    format: 'chiapos',
    temp: ['plot-k{ksize}-*{plot_id}.plot.*tmp'],
    fills: ['cache', 'dest'],
  };
}

/** One that stands still in the middle of its log until `farm.goOn()`. */
export function pausingPlayer(farm: Farm, ...args: string[]): PlotterDeclaration {
  return playerWith(
    '--seconds',
    '0',
    '--pause-at',
    String(PAUSE_AT),
    '--pause-until',
    join(farm.directory, 'go'),
    ...args,
  );
}

function logReceiverFor({ data, server }: SupervisorConfig): string[] {
  return [process.execPath, RUN_LOG_RECEIVER, data, server];
}

export type Options = Partial<SupervisorConfig> &
  Partial<Pick<StartSupervisorOptions, 'lookAtDirectory' | 'clock' | 'logger'>>;

interface PlotConfigOptions {
  readonly ksize?: number;
  readonly cache1?: string;
  readonly cache2?: string;
  readonly dest?: string;
}

export interface FarmOptions {
  /** Default: a talent in this process. */
  readonly run?: (data: string) => Promise<RunningTalent>;
  /** Default: the test's own. */
  readonly directory?: string;
}

export class Farm {
  readonly directory: string;
  readonly talent: RunningTalent;
  readonly client: PlotManagerClient;
  supervisor: Supervisor | undefined;
  private process: ChildProcess | undefined;

  private constructor(directory: string, talent: RunningTalent) {
    this.directory = directory;
    this.talent = talent;
    this.client = new PlotManagerClient({ server: talent.address });
    for (const name of ['cache1', 'cache2', 'dest']) mkdirSync(join(directory, name));
  }

  static async start(
    t: Test,
    { run = runTalent, directory = testDirectory(t) }: FarmOptions = {},
  ): Promise<Farm> {
    mkdirSync(directory, { recursive: true });
    const farm = new Farm(directory, await run(join(directory, 'talent')));
    t.teardown(() => farm.end());
    return farm;
  }

  /** Lets a pausing player play on. */
  goOn(): void {
    writeFileSync(join(this.directory, 'go'), '');
  }

  /** Waits until the log receiver has reported all that a pausing player has printed. */
  async reachesPause(taskId: string): Promise<PlotTaskStatus> {
    await until(`${taskId} is reported up to its pause`, async () => {
      const { plot_details } = await this.task(taskId);
      return (plot_details?.progress ?? 0) > PROGRESS_AT_PAUSE;
    });
    return await this.task(taskId);
  }

  get data(): string {
    return join(this.directory, 'supervisor');
  }

  get cache1(): string {
    return join(this.directory, 'cache1');
  }

  get cache2(): string {
    return join(this.directory, 'cache2');
  }

  get dest(): string {
    return join(this.directory, 'dest');
  }

  config(plotter: PlotterDeclaration, options: Options = {}): SupervisorConfig {
    const { lookAtDirectory: _look, clock: _clock, logger: _logger, ...config } = options;
    return {
      data: this.data,
      server: this.talent.address,
      worker_id: undefined,
      plotter: plotter.name,
      plotters: [plotter],
      max_plots: 4,
      max_per_cache: 4,
      stagger_seconds: 0,
      grace_seconds: 5,
      keep_logs_days: 90,
      quiet_seconds: 21_600,
      lease_seconds: 3,
      ...config,
    };
  }

  /** A supervisor in this process. */
  async supervise(plotter: PlotterDeclaration, options: Options = {}): Promise<Supervisor> {
    const config = this.config(plotter, options);
    this.supervisor = await startSupervisor({
      config,
      logReceiver: logReceiverFor(config),
      logger: options.logger ?? pino({ level: process.env['OWL_TEST_LOG'] ?? 'silent' }, pino.destination(2)),
      version: 'test',
      path: process.env['PATH'] ?? '',
      ...(options.lookAtDirectory === undefined ? {} : { lookAtDirectory: options.lookAtDirectory }),
      ...(options.clock === undefined ? {} : { clock: options.clock }),
    });
    return this.supervisor;
  }

  /** A supervisor in a process of its own, to be killed. */
  async superviseApart(plotter: PlotterDeclaration, options: Options = {}): Promise<ChildProcess> {
    const config = this.config(plotter, options);
    const given = JSON.stringify({ config, logReceiver: logReceiverFor(config) });
    const child = spawn(process.execPath, [RUN_SUPERVISOR, given], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.process = child;
    await once(child.stdout, 'data');
    return child;
  }

  /** The pid of a process of the farm, by what its command line holds. */
  pidOf(program: string): number {
    const found = this.found().find(({ command }) => command.includes(program));
    if (found === undefined) throw new Error(`no ${program} runs`);
    return found.pid;
  }

  /** Of the one in a process of its own. */
  get pidOfSupervisor(): number {
    if (this.process?.pid === undefined) throw new Error('no supervisor runs apart');
    return this.process.pid;
  }

  /** As `kill -9` does. Resolves when it is gone. */
  async kill(pid: number): Promise<void> {
    process.kill(pid, 'SIGKILL');
    await until(`process ${pid} is gone`, () => identifyProcess(pid) === undefined);
  }

  async order(taskId: string, config: PlotConfigOptions = {}): Promise<void> {
    const { ksize = 18, cache1 = this.cache1, cache2 = this.cache2, dest = this.dest } = config;
    await this.client.create({
      task_id: taskId,
      plot_config: {
        ksize,
        threads: 2,
        buffer: 64,
        cache1,
        cache2,
        dest: { type: 'local', path: dest },
      },
    });
  }

  task(taskId: string): Promise<PlotTaskStatus> {
    return this.client.status({ task_id: taskId });
  }

  /** Waits until the task is in that state; gives the task. */
  async reaches(taskId: string, status: string): Promise<PlotTaskStatus> {
    let task: PlotTaskStatus = {};
    await until(`${taskId} is ${status}`, async () => {
      task = await this.task(taskId);
      return task.status === status;
    }).catch((error: unknown) => {
      throw new Error(`${taskId} is ${task.status} (${task.remarks})`, { cause: error });
    });
    return task;
  }

  async history(taskId: string): Promise<PlotTaskEventMessage[]> {
    const events: PlotTaskEventMessage[] = [];
    for await (const event of this.client.history({ task_id: taskId })) events.push(event);
    return events;
  }

  /** Files in caches and destination. */
  files(): string[] {
    return [this.cache1, this.cache2, this.dest].flatMap((directory) => readdirSync(directory)).sort();
  }

  /** Files that the supervisor keeps of plots. */
  records(): string[] {
    return readdirSync(join(this.data, 'plots')).sort();
  }

  /** @throws Error when there is none */
  recordOf(task_id: string, attempt = 1): PlotRecord {
    const record = plotsIn(this.data).read({ task_id, attempt });
    if (record === undefined) throw new Error(`no record of ${task_id}`);
    return record;
  }

  /** As somebody does who cleans up too much. */
  loseRecord(task_id: string, attempt = 1): void {
    plotsIn(this.data).remove({ task_id, attempt });
  }

  /** What the plotter has printed so far; empty while there is no log. */
  logOf(task_id: string, attempt = 1): string {
    return read(plotsIn(this.data).logPathOf({ task_id, attempt }));
  }

  /** Every process of the farm but its supervisor. */
  processes(): number[] {
    return this.found().map(({ pid }) => pid);
  }

  async end(): Promise<void> {
    await this.supervisor?.stop();
    if (this.process?.exitCode === null && this.process.signalCode === null) {
      this.process.kill('SIGTERM');
      await once(this.process, 'exit');
    }
    this.client.close();
    await this.talent.stop();
    const left = nothingIsLeft({ data: this.data, mark: this.data });
    await left.finally(() => this.endPlots());
  }

  /** Plots outlive their supervisor, not the test. */
  private async endPlots(): Promise<void> {
    await until('no process of the farm is left', () => {
      const left = this.found();
      for (const { pid, command } of left) if (command.includes('player.js')) killIfThere(pid);
      return left.length === 0;
    });
  }

  private found(): FoundProcess[] {
    return processesOf(this.data).filter(({ pid }) => pid !== this.process?.pid);
  }
}

function read(file: string): string {
  try {
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  } catch {
    return '';
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
