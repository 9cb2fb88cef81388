/**
 * A whole node as its users run it: `owl up` with the player as its plotter. Guarantee: when the test ends, nothing may be
 * left of it but plots that are not settled, and their processes are ended.
 */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { stringify } from 'yaml';
import { z } from 'zod';
import { EMBEDDED } from '../../src/node/config/node-section.js';
import { TalentDirectory } from '../../src/systems/talent/machine/talent-directory.js';
import { askSupervisor } from '../../src/systems/talent/supervisor/control.js';
import type { PlotConfig } from '../../src/systems/talent/wire/messages.js';
import { PlotManagerClient } from '../../src/systems/talent/wire/plot-manager-client.js';
import { nothingIsLeft } from '../support/leftovers.js';
import { type OwlProcess, startOwl } from '../support/owl-process.js';
import { pathOf } from '../support/plotter-logs.js';
import { processesOf } from '../support/processes.js';
import { testDirectory } from '../support/test-directory.js';
import { until } from '../support/until.js';

const Serving = z.object({ address: z.string() });
const Holder = z.object({ pid: z.number() });

export type Service = 'talent' | 'supervisor' | 'log receiver';

export class Node {
  readonly directory: string;
  readonly talent: PlotManagerClient;
  /** HOST:PORT; stays the same over restarts. */
  readonly address: string;
  /** The file in its data directory that holds its read models. */
  readonly database: string;
  private readonly t: Test;
  private up: OwlProcess;

  private constructor(t: Test, directory: string, up: OwlProcess, address: string, database: string) {
    this.t = t;
    this.directory = directory;
    this.up = up;
    this.address = address;
    this.database = database;
    this.talent = new PlotManagerClient({ server: address });
  }

  /**
   * @param playerArgs besides its log and its directories; in the node's directory, which is told
   * @param store where it keeps its history; by default in its data directory
   */
  static async start(
    t: Test,
    playerArgs: (directory: string) => readonly string[],
    store = EMBEDDED,
  ): Promise<Node> {
    const directory = testDirectory(t, { cache: {}, plots: {}, node: {} });
    writeFileSync(join(directory, 'owl.yaml'), stringify({ store, ...configWith(playerArgs(directory)) }));
    const up = startOwl(t, ['up', '--json', '--listen', '127.0.0.1:0'], { cwd: directory });
    const database = store === EMBEDDED ? 'owl.db' : 'read-models.db';
    const node = new Node(t, directory, up, await servingAddress(up), database);
    t.teardown(() => node.end());
    return node;
  }

  get data(): string {
    return join(this.directory, 'node');
  }

  /** All that its services have logged. */
  get log(): string {
    return this.up.stderr();
  }

  async order(taskId: string): Promise<void> {
    const plot_config = plotConfigIn(this.directory);
    const { is_success = false, msg } = await this.talent.create({ task_id: taskId, plot_config });
    if (!is_success) throw new Error(msg);
  }

  async pidOf(service: Service): Promise<number> {
    if (service === 'talent')
      return Holder.parse(JSON.parse(readFileSync(join(this.data, 'owl.pid'), 'utf8'))).pid;
    const { pid, log_pid } = await askSupervisor(new TalentDirectory(this.data), { method: 'status' });
    if (service === 'supervisor') return pid;
    if (log_pid === null) throw new Error('there is no log receiver');
    return log_pid;
  }

  /** Kills a service for good; resolves when another process has taken its place. */
  async kill(service: Service): Promise<void> {
    const killed = await this.pidOf(service);
    process.kill(killed, 'SIGKILL');
    await until(`${service} is there again`, async () => {
      const pid = await this.pidOf(service).catch(() => killed);
      return pid !== killed;
    });
  }

  /** Kills `owl up` itself, waits until its services have ended, and starts it again. */
  async killAndStartAgain(): Promise<void> {
    const services = [
      await this.pidOf('talent'),
      await this.pidOf('supervisor'),
      await this.pidOf('log receiver'),
    ];
    this.up.child.kill('SIGKILL');
    await until(
      'its services have ended',
      () => !processesOf(this.directory).some(({ pid }) => services.includes(pid)),
    );
    this.up = startOwl(this.t, ['up', '--json', '--listen', this.address], { cwd: this.directory });
    await servingAddress(this.up);
  }

  /** Ends it in order. Plots go on. Its exit code. */
  async stop(): Promise<number | null> {
    this.talent.close();
    this.up.child.kill('SIGTERM');
    return (await this.up.ended).code;
  }

  filesIn(place: 'cache' | 'plots'): string[] {
    return readdirSync(join(this.directory, place)).sort();
  }

  private async end(): Promise<void> {
    if (this.up.child.exitCode === null && this.up.child.signalCode === null) await this.stop();
    const left = nothingIsLeft({ data: this.data, mark: this.directory });
    await left.finally(() => endPlots(this.directory));
  }
}

/** Plots outlive their node, not the test. */
export async function endPlots(directory: string): Promise<void> {
  await until('no process of the node is left', () => {
    const left = processesOf(directory);
    // Whoever runs a plot ends with it.
    for (const { pid, command } of left) if (command.includes('player.js')) process.kill(pid, 'SIGKILL');
    return left.length === 0;
  });
}

/** A small plot, from the directory `cache` to the directory `plots`. */
export function plotConfigIn(directory: string): PlotConfig {
  return {
    ksize: 18,
    threads: 2,
    buffer: 64,
    cache1: join(directory, 'cache'),
    dest: { type: 'local', path: join(directory, 'plots') },
  };
}

export async function servingAddress(up: OwlProcess): Promise<string> {
  await until('the node serves', () => {
    if (up.child.exitCode !== null) throw new Error(`the node ended: ${up.stderr()}`);
    return up.stdout().endsWith('\n');
  });
  return Serving.parse(JSON.parse(up.stdout())).address;
}

/** Of a node whose plotter is the player. @param args what the player is given besides its log and its directories */
export function configWith(args: readonly string[]): object {
  return {
    data: 'node',
    worker_id: 'worker',
    supervisor: { plotter: 'player', grace_seconds: 1 },
    plotters: {
      player: {
        argv: [
          ...['{node}', '{player}', '--log', pathOf('chiapos'), '-t', '{cache1}', '-2', '{cache2}'],
          ...['-d', '{dest}', '-f', '{file_name}', '-i', '{plot_id}', ...args],
        ],
        format: 'chiapos',
        temp: ['plot-k{ksize}-*{plot_id}.plot.*tmp'],
        fills: [],
      },
    },
  };
}
