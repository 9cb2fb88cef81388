/**
 * The real processes of a round: a node behind a proxy, and a machine with a supervisor, its keeper, log receiver and plotters.
 * Guarantee: nothing of it runs any more once `stop` has resolved; what had to be killed for that is told.
 */

import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { filesLeftIn, processesWith, tempFilesIn } from '../checker/leftovers.js';
import type { Violations } from '../checker/violations.js';
import { Gate } from './gate.js';
import { OwlService } from './owl-service.js';
import { makePlace, type Place, REAL_WORKER } from './place.js';
import { openStore, type Store, type StoreName } from './store.js';

const STARTS_WITHIN_MS = 60_000;
const SETTLE_WITHIN_MS = 30_000;
const STOPS_WITHIN_MS = 30_000;
const ENDS_WITHIN_MS = 15_000;
const LOOKS_EVERY_MS = 50;

/** Nothing was found out: the round could not be carried out. */
export class NotCarriedOutError extends Error {}

export class World {
  readonly place: Place;
  readonly store: Store;
  readonly proxy: Gate;
  readonly node: OwlService;
  readonly supervisor: OwlService;
  private readonly violations: Violations;

  private constructor(place: Place, store: Store, proxy: Gate, violations: Violations) {
    this.place = place;
    this.store = store;
    this.proxy = proxy;
    this.violations = violations;
    this.node = this.service(
      'node',
      ['node', 'run', '--json', '--listen', '127.0.0.1:0', '--data', place.node, '--store', store.setting],
      (line) => {
        proxy.target = Number(/"address":"[^"]*:(\d+)"/.exec(line)?.[1]);
      },
    );
    this.supervisor = this.service(
      'supervisor',
      [
        ...['supervisor', 'run', '--json', '--data', place.machine, '--server', proxy.address],
        ...['--worker-id', REAL_WORKER],
      ],
      () => undefined,
    );
  }

  static async start(directory: string, storeName: StoreName, violations: Violations): Promise<World> {
    const place = makePlace(directory);
    const world = new World(place, await openStore(storeName, place), await Gate.listen(), violations);
    world.node.start();
    try {
      await world.until('the node serves', () => world.node.starts > 0, STARTS_WITHIN_MS);
    } catch (error) {
      await world.close();
      throw error;
    }
    world.supervisor.start();
    return world;
  }

  /** @throws NotCarriedOutError */
  async until(what: string, holds: () => boolean, longestMs: number): Promise<void> {
    const deadline = performance.now() + longestMs;
    while (!holds()) {
      if (performance.now() > deadline)
        throw new NotCarriedOutError(`waited ${longestMs} ms in vain until ${what}`);
      await pause(LOOKS_EVERY_MS);
    }
  }

  /** A process of the machine by what its command line holds. */
  pidOf(program: string): number | undefined {
    return processesWith(this.place.directory).find(({ command }) => command.includes(program))?.pid;
  }

  /** Ends supervisor and node in order, and looks at what they leave. */
  async stop(): Promise<void> {
    // What a plot leaves goes once talent knows of its end.
    await this.plotsSettled();
    await this.stopService(this.supervisor);
    await this.noProcessesBut(this.node.pid);
    await this.stopService(this.node);
    await this.noProcessesBut(undefined);
    const { place, violations } = this;
    for (const data of [place.node, place.machine])
      for (const name of filesLeftIn(data)) violations.add('left-behind', data, name);
    for (const name of tempFilesIn(place.cache)) violations.add('left-behind', place.cache, name);
  }

  /** Whatever still runs is ended at once. For every round, however it went. */
  async close(): Promise<void> {
    for (const service of [this.supervisor, this.node]) service.abandon();
    for (const { pid } of processesWith(this.place.directory)) kill(pid);
    await this.proxy.close();
    await this.store.close();
  }

  private async plotsSettled(): Promise<void> {
    const deadline = performance.now() + SETTLE_WITHIN_MS;
    const unsettled = () => filesLeftIn(this.place.machine).some((name) => name.startsWith('plots/'));
    while (unsettled() && performance.now() < deadline) await pause(LOOKS_EVERY_MS);
  }

  private async stopService(service: OwlService): Promise<void> {
    const code = await service.stop(STOPS_WITHIN_MS);
    if (code !== 0)
      this.violations.add('ended-unasked', service.name, `told to stop, it ended with exit code ${code}`);
  }

  private async noProcessesBut(pid: number | undefined): Promise<void> {
    const left = () => processesWith(this.place.directory).filter((found) => found.pid !== pid);
    const deadline = performance.now() + ENDS_WITHIN_MS;
    while (left().length > 0 && performance.now() < deadline) await pause(LOOKS_EVERY_MS);
    for (const { pid: orphan, command } of left()) {
      this.violations.add('left-behind', `process ${orphan}`, command);
      kill(orphan);
    }
  }

  private service(name: string, args: readonly string[], onServing: (line: string) => void): OwlService {
    const { place, violations, proxy } = this;
    return new OwlService({
      name,
      args: [...args, '--config', place.config],
      directory: place.directory,
      env: { OWL_TORTURE: place.directory },
      groundFile: join(place.directory, `${name}.ground`),
      logFile: join(place.directory, `${name}.log`),
      onServing,
      onEnd: ({ code, signal, asked }) => {
        if (name === 'node') proxy.target = undefined;
        if (!asked) violations.add('ended-unasked', name, `exit code ${code}, signal ${signal}`);
      },
    });
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
