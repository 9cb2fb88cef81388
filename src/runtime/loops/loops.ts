/**
 * The loops of a node, on its read models.
 *
 * Guarantee: a loop that fails, or does not end, keeps no other from beginning or ending.
 */

import type { Logger } from 'pino';
import { orAborted } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { ListeningTime } from '../../base/listening-time.js';
import type { EventStore } from '../event-store/event-store.js';
import type { LifeCycle } from '../life-cycle/life-cycle.js';
import type { OwnWrites } from '../read-models/own-writes.js';
import type { Projector } from '../read-models/projector.js';
import type { KnownHistory } from '../readers/known-history.js';
import { LeaseNews } from './lease-news.js';
import { LeaseRecords } from './lease-records.js';
import type { Loop } from './loop.js';
import { type LoopLease, NO_LEASE } from './loop-lease.js';
import { type LoopReadModels, LoopRunner } from './loop-runner.js';
import type { LoopStatus } from './loop-status.js';
import { StoredLease } from './stored-lease.js';

export interface LoopsOptions {
  readonly store: EventStore;
  readonly projectors: readonly Projector[];
  readonly ownWrites: OwnWrites;
  readonly history: KnownHistory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lifeCycle: LifeCycle;
  /** This node: other nodes append to the same store. Undefined: there are none, and no leases are needed. */
  readonly sharedAs: string | undefined;
}

const NAME = /^[a-z0-9-]{1,64}$/;
const LONGEST_LEASE_SECONDS = 3600;

export class Loops {
  private readonly options: LoopsOptions;
  private readonly readModels: LoopReadModels;
  private readonly runners: LoopRunner[] = [];
  private readonly news: LeaseNews;
  private readonly listening: ListeningTime;

  constructor(options: LoopsOptions) {
    this.options = options;
    this.readModels = readModelsOf(options);
    this.news = new LeaseNews(options);
    this.listening = new ListeningTime(options.clock);
  }

  /**
   * Each begins by itself once its read models are caught up.
   * @throws Error for a read model that was not declared, a name or lease that is none, and for two loops of one name
   */
  start(loops: readonly Loop[]): void {
    const { clock, logger, lifeCycle } = this.options;
    const { readModels } = this;
    for (const loop of loops) {
      if (this.runners.some(({ name }) => name === loop.name))
        throw new Error(`two loops are called ${loop.name}`);
      const lease = this.leaseOf(loop);
      const runner = new LoopRunner({ loop, lease, readModels, clock, logger, lifeCycle });
      runner.start();
      this.runners.push(runner);
    }
  }

  /** Waits for the rounds under way, and gives the leases back. Again is no error. Never rejects. */
  async stop(): Promise<void> {
    await Promise.all(this.runners.map((runner) => runner.stop()));
    await this.news.stop();
  }

  status(): readonly LoopStatus[] {
    return this.runners.map((runner) => runner.status());
  }

  private leaseOf({ name, leaseSeconds }: Loop): LoopLease {
    if (!NAME.test(name))
      throw new Error(`a loop is called "${name}": use 1 to 64 small letters, digits or dashes`);
    if (leaseSeconds === undefined) return NO_LEASE;
    if (!Number.isInteger(leaseSeconds) || leaseSeconds < 1 || leaseSeconds > LONGEST_LEASE_SECONDS)
      throw new Error(`the lease of the loop ${name} must be 1 to ${LONGEST_LEASE_SECONDS} whole seconds`);
    const { store, clock, logger, lifeCycle, sharedAs: nodeId } = this.options;
    if (nodeId === undefined) return NO_LEASE;
    const { listening, news } = this;
    const records = new LeaseRecords({ store, clock, nodeId, loop: name, leaseSeconds });
    return new StoredLease({
      ...{ loop: name, leaseSeconds, nodeId, records, news },
      ...{ clock, listening, logger, lifeCycle },
    });
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
