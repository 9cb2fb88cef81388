/**
 * The real processes of a round that every system has: a node behind a proxy, on a store, and whatever else is kept running.
 * Guarantee: nothing of it runs any more once it is closed.
 */

import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { processesWith } from '../checker/leftovers.js';
import type { Violations } from '../checker/violations.js';
import { Gate } from './gate.js';
import { OwlService } from './owl-service.js';
import type { Place } from './place.js';
import { openStore, type Store, type StoreName } from './store.js';

const STARTS_WITHIN_MS = 60_000;
const STOPS_WITHIN_MS = 30_000;
const ENDS_WITHIN_MS = 15_000;
const LOOKS_EVERY_MS = 50;

/** Nothing was found out: the round could not be carried out. */
export class NotCarriedOutError extends Error {}

export type NodePlace = Pick<Place, 'directory' | 'node' | 'config'>;

export interface Ground {
  readonly place: NodePlace;
  readonly store: Store;
  readonly proxy: Gate;
  readonly violations: Violations;
}

export async function groundOf(place: NodePlace, store: StoreName, violations: Violations): Promise<Ground> {
  return { place, store: await openStore(store, place), proxy: await Gate.listen(), violations };
}

export class NodeWorld {
  readonly store: Store;
  readonly proxy: Gate;
  readonly node: OwlService;
  protected readonly violations: Violations;
  private readonly services: OwlService[] = [];
  private readonly ground: Ground;

  /** @param args more of the node's command line */
  constructor(ground: Ground, args: readonly string[] = []) {
    const { place, store, proxy, violations } = ground;
    this.ground = ground;
    this.store = store;
    this.proxy = proxy;
    this.violations = violations;
    const listen = ['--listen', '127.0.0.1:0', '--data', place.node, '--store', store.setting];
    this.node = this.service('node', ['node', 'run', '--json', ...listen, ...args], (line) => {
      proxy.target = Number(/"address":"[^"]*:(\d+)"/.exec(line)?.[1]);
    });
  }

  /** @throws NotCarriedOutError when it does not come to serve; then all is closed */
  async startNode(): Promise<void> {
    this.node.start();
    try {
      await this.until('the node serves', () => this.node.starts > 0, STARTS_WITHIN_MS);
    } catch (error) {
      await this.close();
      throw error;
    }
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

  /** Whatever still runs is ended at once. For every round, however it went. */
  async close(): Promise<void> {
    for (const service of this.services) service.abandon();
    for (const { pid } of processesWith(this.ground.place.directory)) kill(pid);
    await this.proxy.close();
    await this.store.close();
  }

  /** In order: another exit code than 0 is told. */
  async stopService(service: OwlService): Promise<void> {
    const code = await service.stop(STOPS_WITHIN_MS);
    if (code !== 0)
      this.violations.add('ended-unasked', service.name, `told to stop, it ended with exit code ${code}`);
  }

  /** What still runs after a while is told, and ended. */
  async noProcessesBut(pid: number | undefined): Promise<void> {
    const left = () => processesWith(this.ground.place.directory).filter((found) => found.pid !== pid);
    const deadline = performance.now() + ENDS_WITHIN_MS;
    while (left().length > 0 && performance.now() < deadline) await pause(LOOKS_EVERY_MS);
    for (const { pid: orphan, command } of left()) {
      this.violations.add('left-behind', `process ${orphan}`, command);
      kill(orphan);
    }
  }

  protected service(name: string, args: readonly string[], onServing: (line: string) => void): OwlService {
    const { place, proxy, violations } = this.ground;
    const service = new OwlService({
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
    this.services.push(service);
    return service;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
