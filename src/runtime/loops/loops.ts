/**
 * The loops of a node, on its read models.
 *
 * Guarantee: a loop that fails, or does not end, keeps no other from beginning or ending.
 */

import type { Logger } from 'pino';
import { orAborted } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import type { EventStore } from '../event-store/event-store.js';
import type { OwnWrites } from '../read-models/own-writes.js';
import type { Projector } from '../read-models/projector.js';
import type { KnownHistory } from '../readers/known-history.js';
import type { Loop } from './loop.js';
import { NO_LEASE } from './loop-lease.js';
import { type LoopReadModels, LoopRunner } from './loop-runner.js';
import type { LoopStatus } from './loop-status.js';

export interface LoopsOptions {
  readonly store: EventStore;
  readonly projectors: readonly Projector[];
  readonly ownWrites: OwnWrites;
  readonly history: KnownHistory;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Loops {
  private readonly options: LoopsOptions;
  private readonly readModels: LoopReadModels;
  private readonly runners: LoopRunner[] = [];

  constructor(options: LoopsOptions) {
    this.options = options;
    this.readModels = readModelsOf(options);
  }

  /**
   * Each begins by itself once its read models are caught up.
   * @throws Error for a read model that was not declared, and for two loops of one name
   */
  start(loops: readonly Loop[]): void {
    const { clock, logger } = this.options;
    for (const loop of loops) {
      if (this.runners.some(({ name }) => name === loop.name))
        throw new Error(`two loops are called ${loop.name}`);
      const runner = new LoopRunner({ loop, lease: NO_LEASE, readModels: this.readModels, clock, logger });
      runner.start();
      this.runners.push(runner);
    }
  }

  /** Waits for the rounds under way, and gives the leases back. Again is no error. Never rejects. */
  async stop(): Promise<void> {
    await Promise.all(this.runners.map((runner) => runner.stop()));
  }

  status(): readonly LoopStatus[] {
    return this.runners.map((runner) => runner.status());
  }
}

function readModelsOf({ store, projectors, ownWrites, history }: LoopsOptions): LoopReadModels {
  const named = (name: string): Projector => {
    const found = projectors.find((projector) => projector.name === name);
    if (found === undefined) throw new Error(`a loop rests on ${name}, and no such projection was declared`);
    return found;
  };
  const holdOwn = (names: readonly string[], signal: AbortSignal) =>
    orAborted(ownWrites.caughtUp(names.map(named)), signal);
  return {
    holdOwn,
    async holdAll(names, signal) {
      await holdOwn(names, signal);
      const head = await orAborted(store.head(), signal);
      await Promise.all(names.map((name) => named(name).caughtUpTo(head, signal)));
    },
    onApplied: (name, listener) => named(name).onApplied(listener),
    onMadeAnew(names, listener) {
      const ends = [history.onLoss(listener), ...names.map((name) => named(name).onMadeAnew(listener))];
      return () => {
        for (const end of ends) end();
      };
    },
  };
}
