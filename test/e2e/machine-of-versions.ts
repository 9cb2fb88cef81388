/**
 * A machine whose talent and supervisor are each of this version of owl or of the one before the last upgrade
 * (test/fixtures/upgrade), as processes started by their commands. Guarantee: when the test ends, nothing may be left of
 * them, and whatever is left all the same is ended.
 */

import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { stringify } from 'yaml';
import { z } from 'zod';
import { messageOf } from '../../src/base/errors.js';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';
import { systemErrorCode } from '../../src/base/system-error.js';
import type { PlotConfig, PlotTaskStatus } from '../../src/systems/talent/wire/messages.js';
import { PlotManagerClient } from '../../src/systems/talent/wire/plot-manager-client.js';
import { NodeClient } from '../../src/wire/node-client.js';
import { nothingIsLeft } from '../support/leftovers.js';
import { type OwlProcess, startOwl } from '../support/owl-process.js';
import { untilTask } from '../support/plotted.js';
import { toLines } from '../support/plotter-logs.js';
import { type FoundProcess, processesOf } from '../support/processes.js';
import { until } from '../support/until.js';
import { newsOf } from '../systems/talent/support/plotter-facts.js';
import { configWith, endPlots, plotConfigIn, servingAddress } from './node.js';
import { type Place, pausingArgs, storyOf } from './paused-plots.js';

/** The executables. */
export const VERSIONS = {
  old: join(PACKAGE_ROOT, 'test/fixtures/upgrade/package/src/cli/owl.js'),
  new: fileURLToPath(new URL('../../src/owl.js', import.meta.url)),
} as const;
export type Version = keyof typeof VERSIONS;

export type Service = 'talent' | 'supervisor';
export type Program = 'keeper' | 'log receiver' | 'plotter';

const MAIN_OF: Readonly<Record<Program, string>> = {
  keeper: 'keeper-main.js',
  'log receiver': ' log-receiver ',
  plotter: 'player.js',
};
/** How long a service that was asked to end may take. */
const ENDS_WITHIN_MS = 20_000;
/** Of an entry of a service's log: from here on it complains. */
const WARN = 40;
/** How far a plot has got when it pauses: so many lines are in its log. */
const PAUSED_LINES = 300;

const LogEntry = z.object({ level: z.number(), msg: z.string() });

export class Machine implements Place {
  readonly directory: string;
  readonly database = 'owl.db';
  private readonly t: Test;
  private readonly running = new Map<Service, OwlProcess>();
  private address = '127.0.0.1:0';
  private client: PlotManagerClient | undefined;

  /**
   * @param directory of which nobody has made use; stories of two machines are equal where the paths are equally long,
   *   because logs name them
   * @param settings of the configuration, besides those of any node with the player
   */
  constructor(t: Test, directory: string, settings: object = {}) {
    this.t = t;
    this.directory = directory;
    for (const name of ['cache', 'plots']) mkdirSync(join(directory, name), { recursive: true });
    mkdirSync(join(directory, 'node'), { recursive: true, mode: 0o700 });
    const config = { ...configWith(pausingArgs(directory, 1)), ...settings };
    writeFileSync(join(directory, 'owl.yaml'), stringify(config));
  }

  get data(): string {
    return join(this.directory, 'node');
  }

  /** Of the talent that runs, and of every one that follows it. */
  get talent(): PlotManagerClient {
    if (this.client === undefined) throw new Error('no talent has been started yet');
    return this.client;
  }

  get plotConfig(): PlotConfig {
    return plotConfigIn(this.directory);
  }

  async start(service: Service, version: Version): Promise<void> {
    const command =
      service === 'talent'
        ? ['talent', '--json', '--listen', this.address]
        : ['supervisor', 'run', '--json', '--server', this.address];
    const started = startOwl(this.t, command, { cwd: this.directory, owl: VERSIONS[version] });
    this.running.set(service, started);
    this.t.teardown(() => this.end());
    if (service === 'talent') {
      this.address = await servingAddress(started);
      this.client ??= new PlotManagerClient({ server: this.address });
      return;
    }
    try {
      await until(`the ${version} supervisor is up`, () => {
        if (started.child.exitCode !== null) throw new Error(`it ended with ${started.child.exitCode}`);
        return started.stdout().endsWith('\n');
      });
    } catch (error) {
      throw new Error(`${messageOf(error)}; it says: ${started.stderr()}`, { cause: error });
    }
  }

  /** Ends a service in order, and fails unless that is how it ends, and in time; or kills it. Resolves when it is gone. */
  async stop(service: Service, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const { child, stderr } = this.serviceOf(service);
    this.running.delete(service);
    if (child.exitCode === null && child.signalCode === null) {
      // Not `close`: a log receiver that outlives its supervisor holds on to what that logs to.
      const exited = once(child, 'exit');
      child.kill(signal);
      const late = setTimeout(() => child.kill('SIGKILL'), ENDS_WITHIN_MS);
      await exited;
      clearTimeout(late);
    }
    const how = child.signalCode ?? `exit code ${child.exitCode}`;
    if (how !== (signal === 'SIGTERM' ? 'exit code 0' : signal))
      throw new Error(`the ${service} ended with ${how}: ${stderr()}`);
  }

  /** What the service that runs has warned of, or called an error. */
  complaintsOf(service: Service): string[] {
    const lines = this.serviceOf(service)
      .stderr()
      .split('\n')
      .filter((line) => line.startsWith('{'));
    const entries = lines.map((line) => ({ ...LogEntry.parse(JSON.parse(line)), line }));
    return entries.filter(({ level }) => level >= WARN).map(({ line }) => line);
  }

  /** What a command of either version prints as JSON when it asks the talent. @throws Error unless it ends with 0 */
  async ask(version: Version, ...command: readonly string[]): Promise<unknown> {
    const args = [...command, '--json', '--server', this.address];
    const options = { cwd: this.directory, owl: VERSIONS[version] };
    const { code, stdout, stderr } = await startOwl(this.t, args, options).ended;
    if (code !== 0) throw new Error(`the ${version} owl ${command.join(' ')} ended with ${code}: ${stderr}`);
    return JSON.parse(stdout);
  }

  /** Runs `work` with a client for what its talent tells of itself as a node. */
  async withNode<T>(work: (node: NodeClient) => Promise<T>): Promise<T> {
    const node = new NodeClient({ server: this.address });
    try {
      return await work(node);
    } finally {
      node.close();
    }
  }

  async order(taskId: string, workerId?: string): Promise<void> {
    const { is_success = false, msg } = await this.talent.create({
      task_id: taskId,
      plot_config: this.plotConfig,
      ...(workerId === undefined ? {} : { worker_id: workerId }),
    });
    if (!is_success) throw new Error(msg);
  }

  /** Resolves when the plot stands still and all that it has printed by then was told. Answers its task. */
  async pausedOf(taskId: string): Promise<PlotTaskStatus> {
    const log = join(this.data, 'logs', `${taskId}.1.log`);
    let lines = toLines(Buffer.alloc(0));
    await until(`${taskId} pauses`, () => {
      lines = toLines(readOrNothing(log));
      return lines.length >= PAUSED_LINES;
    });
    const lastNews = newsOf('chiapos', lines).findLastIndex((news) => Object.keys(news).length > 0);
    const told = lines[lastNews]?.offset;
    return await untilTask(
      this.talent,
      taskId,
      'is told to where it pauses',
      (task) => task.log_offset === told,
    );
  }

  /** Orders that it be stopped, and waits until it is. */
  async stopPlot(taskId: string, reason: string): Promise<void> {
    const { is_success = false, msg } = await this.talent.stop({ task_id: taskId, reason });
    if (!is_success) throw new Error(msg);
    await untilTask(this.talent, taskId, 'is stopped', ({ status }) => status === 'stopped');
  }

  /** The same for the same plot on every machine. */
  async storyOf(taskId: string): Promise<unknown> {
    const story = JSON.stringify(await storyOf(this, taskId));
    return JSON.parse(story.replaceAll(this.directory, 'MACHINE'));
  }

  /** Those that run here, each with its version, or none where it is a plotter of another package. */
  programs(program: Program): (FoundProcess & { version: Version })[] {
    const old = join(VERSIONS.old, '../..');
    return processesOf(this.directory)
      .filter(({ command }) => command.includes(MAIN_OF[program]))
      .map((found) => ({ ...found, version: found.command.includes(old) ? 'old' : 'new' }));
  }

  /** Ends all of it in order. Does nothing when that was done before. @throws Error naming what is left */
  async end(): Promise<void> {
    const services = (['supervisor', 'talent'] as const).filter((service) => this.running.has(service));
    this.client?.close();
    try {
      const failures: unknown[] = [];
      for (const service of services) await this.stop(service).catch((error) => failures.push(error));
      if (failures.length > 0) throw failures[0];
      await nothingIsLeft({ data: this.data, mark: this.directory });
    } finally {
      // A supervisor that was killed, and nobody came after it.
      for (const { pid } of this.programs('log receiver')) process.kill(pid, 'SIGKILL');
      await endPlots(this.directory);
    }
  }

  private serviceOf(service: Service): OwlProcess {
    const running = this.running.get(service);
    if (running === undefined) throw new Error(`there is no ${service}`);
    return running;
  }
}

function readOrNothing(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    return Buffer.alloc(0);
  }
}
