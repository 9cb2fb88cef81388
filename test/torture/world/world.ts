/**
 * The real processes of a round of talent: a node behind a proxy, and a machine with a supervisor, its keeper, log receiver and
 * plotters. Guarantee: nothing of it runs any more once `stop` has resolved; what had to be killed for that is told.
 */

import { setTimeout as pause } from 'node:timers/promises';
import { filesLeftIn, processesWith, tempFilesIn } from '../checker/leftovers.js';
import type { Violations } from '../checker/violations.js';
import { type Ground, groundOf, NodeWorld } from './node-world.js';
import type { OwlService } from './owl-service.js';
import { makePlace, type Place, REAL_WORKER } from './place.js';
import type { StoreName } from './store.js';

const SETTLE_WITHIN_MS = 30_000;
const LOOKS_EVERY_MS = 50;

export class World extends NodeWorld {
  readonly place: Place;
  readonly supervisor: OwlService;

  private constructor(ground: Ground, place: Place) {
    super(ground);
    this.place = place;
    this.supervisor = this.service(
      'supervisor',
      [
        ...['supervisor', 'run', '--json', '--data', place.machine, '--server', ground.proxy.address],
        ...['--worker-id', REAL_WORKER],
      ],
      () => undefined,
    );
  }

  static async start(directory: string, storeName: StoreName, violations: Violations): Promise<World> {
    const place = makePlace(directory);
    const world = new World(await groundOf(place, storeName, violations), place);
    await world.startNode();
    world.supervisor.start();
    return world;
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

  private async plotsSettled(): Promise<void> {
    const deadline = performance.now() + SETTLE_WITHIN_MS;
    const unsettled = () => filesLeftIn(this.place.machine).some((name) => name.startsWith('plots/'));
    while (unsettled() && performance.now() < deadline) await pause(LOOKS_EVERY_MS);
  }
}
